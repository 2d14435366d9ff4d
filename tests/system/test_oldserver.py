# SPDX-License-Identifier: Apache-2.0
"""The old server is a fair opponent: what tests put in is what its own protocols give out."""
import hashlib
import imaplib
import os
import smtplib
import time

import pytest
from harness import wait_until
from oldserver import Folder, generate

JOE, SECRET = "joe@example.test", "Joe-old-secret-1"


def login(server, user=JOE, password=SECRET):
    imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
    imap.login(user, password)
    return imap


def test_fills_what_it_says(old_server):
    folders = (Folder("INBOX", 2), Folder("Archive/Küche", 1))
    assert old_server.fill(JOE, 30, folders) == {"INBOX": 20, "Archive/Küche": 10}
    imap = login(old_server)
    assert imap.select('"Archive.K&APw-che"', readonly=True) == ("OK", [b"10"])
    assert imap.select("INBOX", readonly=True) == ("OK", [b"20"])
    _, data = imap.fetch("1:*", "(BODY.PEEK[])")
    have = [hashlib.sha256(item[1]).digest() for item in data if isinstance(item, tuple)]
    want = [hashlib.sha256(m.data).digest() for m in list(generate(30, JOE))[:20]]
    assert sorted(have) == sorted(want)


def test_master_user_opens_every_mailbox(old_server):
    old_server.fill(JOE, 5, (Folder("INBOX"),))
    imap = imaplib.IMAP4("127.0.0.1", old_server.ports["imap"], timeout=60)
    imap.authenticate("PLAIN", lambda _: b"joe@example.test\0master\0master-secret")
    assert imap.select("INBOX", readonly=True) == ("OK", [b"5"])


def test_delivers_and_refuses(old_server):
    with smtplib.SMTP("127.0.0.1", old_server.ports["smtp"], timeout=60) as smtp:
        assert smtp.sendmail("a@elsewhere.test", ["info@example.test"], "Subject: hello\r\n\r\nyou\r\n") == {}
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@elsewhere.test", ["nobody@example.test"], "Subject: no\r\n\r\n")
    for user, password in old_server.users.items():
        wait_until(lambda u=user, p=password: login(old_server, u, p).select("INBOX", True)[1] == [b"1"],
                   what=f"mail for {user}")


def test_stops_and_starts_with_its_mail(old_server):
    old_server.fill(JOE, 5, (Folder("INBOX"),))
    old_server.stop()
    assert old_server.status() == {"postfix": None, "dovecot": None}
    old_server.start()
    # Postfix sleeps until a file that it reads was last changed two seconds ago.
    assert os.stat(old_server.path("postfix", "main.cf")).st_mtime < time.time() - 5
    assert login(old_server).select("INBOX", readonly=True) == ("OK", [b"5"])


def test_mdbox(make_old_server):
    server = make_old_server({JOE: SECRET}, format="mdbox", separator="/").start()
    server.fill(JOE, 12, (Folder("INBOX", 2), Folder("Archive/2024", 1)))
    assert login(server).select('"Archive/2024"', readonly=True) == ("OK", [b"4"])
