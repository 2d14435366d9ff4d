# SPDX-License-Identifier: Apache-2.0
"""Real instances of Postern for tests.

    def test_it(postern):                      # a running instance in a folder of its own
        postern.add_domain("example.test")
        postern.add_mailbox("joe@example.test", "Correct-horse-1")
        with postern.smtp() as smtp:
            smtp.sendmail("a@elsewhere.test", ["joe@example.test"], MESSAGE)
        postern.kill("store")                  # kill -9; the supervisor starts it again
        imap = postern.imap("joe@example.test", "Correct-horse-1")

POSTERN_BIN names the binary (default: build/src/postern of this tree). As root the instance runs as the user
POSTERN_TEST_USER (default: nobody). Everything listens on 127.0.0.1.
"""
from .instance import BUILD_DIR, CliError, Instance, SanitizerReport
from .ports import free_base
from .wait import wait_until

__all__ = ["Instance", "CliError", "SanitizerReport", "BUILD_DIR", "free_base", "wait_until"]
