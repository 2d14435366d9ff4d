# SPDX-License-Identifier: Apache-2.0
"""A gateway domain whose own server is down: mail waits for it, or goes to the mailboxes once the domain is switched
(M36, M37)."""
import collections
import imaplib
import re
import time

import pytest

from harness import wait_until

DOMAIN = "example.test"
USERS = {f"joe@{DOMAIN}": "Joe-old-secret-1", f"mary@{DOMAIN}": "Mary-old-secret-1"}
PASSWORD = "Correct-horse-1"
NUMBER = re.compile(rb"^Subject: number ([0-9-]+)\r?$", re.M)


def at_old_server(old_server):
    found = collections.Counter()
    for user, password in USERS.items():
        imap = imaplib.IMAP4("127.0.0.1", old_server.ports["imap"], timeout=60)
        imap.login(user, password)
        _, (count,) = imap.select(readonly=True)
        _, data = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])") if int(count) else (None, [])
        for item in data:
            if isinstance(item, tuple):
                found[user, NUMBER.search(item[1]).group(1).decode()] += 1
        imap.logout()
    return found


def here(postern):
    found = collections.Counter()
    for user in USERS:
        for message in postern.mail(user, PASSWORD):
            found[user, NUMBER.search(message).group(1).decode()] += 1
    return found


def queues_empty(postern, old_server):
    return postern.json("status")["queued"] == 0 and old_server.queue_length() == 0


@pytest.fixture
def domain(postern, old_server):
    postern.add_domain(DOMAIN, "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    for user in USERS:
        postern.add_mailbox(user, PASSWORD)
    postern.set_option("queue.retry_first", "200ms")
    postern.set_option("queue.retry_max", "1s")
    postern.set_option("queue.probe", "200ms")
    postern.cli("reload")
    return postern


@pytest.mark.root
def test_mail_waits_for_the_old_server(domain, old_server):             # M36
    old_server.stop("postfix")
    with domain.smtp() as smtp:
        for i in range(5):
            smtp.sendmail("a@elsewhere.test", sorted(USERS), f"Subject: number 0-{i}\r\n\r\nhello\r\n")
    time.sleep(1)
    assert domain.room("queue")["counters"]["queued"] == 5
    old_server.start("postfix")
    wait_until(lambda: len(at_old_server(old_server)) == 10, 60, "the mail at the old server", every=0.3)
    wait_until(lambda: queues_empty(domain, old_server), 60, "both queues to be empty", every=0.3)
    there = at_old_server(old_server)
    assert len(there) == 10 and set(there.values()) == {1}


@pytest.mark.root
def test_waiting_mail_goes_to_the_mailboxes_after_the_switch(domain, old_server):      # M37
    old_server.stop("postfix")
    with domain.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", sorted(USERS), "Subject: number 0-1\r\n\r\nhello\r\n")
    domain.cli("domain", "switch", DOMAIN, "hosted")
    for user in USERS:
        domain.wait_mail(user, PASSWORD, 1)
    wait_until(lambda: domain.json("status")["queued"] == 0, 20, "an empty queue")
    old_server.start("postfix")
    time.sleep(1)
    assert not at_old_server(old_server)
    assert set(here(domain).values()) == {1}
