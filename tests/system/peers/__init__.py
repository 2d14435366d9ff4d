# SPDX-License-Identifier: Apache-2.0
"""Other people's servers, as tests want them: an SMTP server that does as it is told, a DNS server with a table."""
from .dns import FakeDns
from .smtp import FakeSmtp

__all__ = ["FakeDns", "FakeSmtp"]
