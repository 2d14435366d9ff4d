# SPDX-License-Identifier: Apache-2.0
"""The wall clock of a running instance can be moved, for all rooms at once: what happens by time is tested so."""
import calendar
import imaplib

from harness.wait import wait_until


def _dates(postern):
    imap = postern.imap("ann@example.test", "Sesame-2026-open")
    try:
        imap.select("INBOX")
        _, rows = imap.fetch("1:*", "(INTERNALDATE)")
        return [calendar.timegm(imaplib.Internaldate2tuple(row)) for row in rows if row]
    finally:
        imap.logout()


def test_all_rooms_live_later_at_once(postern):
    postern.add_domain("example.test")
    postern.add_mailbox("ann@example.test", "Sesame-2026-open")
    for days in (0, 60):
        postern.travel(days=days)
        with postern.smtp() as smtp:
            smtp.sendmail("bob@elsewhere.test", ["ann@example.test"], "Subject: hello\r\n\r\nhello\r\n")
    wait_until(lambda: len(_dates(postern)) == 2, 10, "two messages")
    first, second = _dates(postern)
    assert abs(second - first - 60 * 86400) < 120
    assert abs(second - postern.now()) < 120
