# SPDX-License-Identifier: Apache-2.0
"""The filter room: its verdicts, and that mail waits for it while it is away."""
import threading

import pytest

PASSWORD = "Filter-secret-1"


def message(received, subject="loop"):
    return b"Received: from a.test by b.test; Sat, 21 Nov 2026 10:00:00 +0000\r\n" * received + \
        b"From: a@elsewhere.test\r\nTo: joe@filter.test\r\nSubject: " + subject.encode() + b"\r\n\r\nround and round\r\n"


def send(house, data):
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("<a@elsewhere.test>")
        smtp.rcpt("<joe@filter.test>")
        return smtp.data(data)


@pytest.fixture
def house(make_postern):
    instance = make_postern(conf={"smtp.max_hops": "30"}).init().start()
    instance.add_domain("filter.test")
    instance.add_mailbox("joe@filter.test", PASSWORD)
    return instance


def test_loops_end_here(house):
    """RFC 5321 6.3; our own Received line counts as well."""
    assert send(house, message(29))[0] == 250
    code, text = send(house, message(30))
    assert code == 554 and text.startswith(b"5.4.6 "), (code, text)
    # What a user puts there has arrived.
    imap = house.imap("joe@filter.test", PASSWORD)
    assert imap.append("INBOX", "()", '" 1-Feb-2024 03:04:05 +0000"', message(200))[0] == "OK"
    assert imap.select("INBOX")[1] == [b"2"]


def test_mail_waits_for_a_filter_that_died(house):
    replies = []

    def some(first):
        replies.extend(send(house, message(1, f"m{first + i}"))[0] for i in range(10))
    threads = [threading.Thread(target=some, args=(i * 10,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        house.kill("filter")
    for thread in threads:
        thread.join(120)
    assert replies == [250] * 40
    imap = house.imap("joe@filter.test", PASSWORD)
    imap.select("INBOX")
    ok, data = imap.search(None, "ALL")
    subjects = set()
    for number in data[0].split():
        subjects.add(imap.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1])
    assert len(data[0].split()) == 40 and len(subjects) == 40
