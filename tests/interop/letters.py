# SPDX-License-Identifier: Apache-2.0
"""Messages for the clients."""


def mail(subject, body="Hello\r\n"):
    return (f"Subject: {subject}\r\nFrom: Joe <joe@elsewhere.test>\r\nTo: mary@clients.test\r\n"
            f"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{subject}@elsewhere.test>\r\n\r\n{body}").encode()
