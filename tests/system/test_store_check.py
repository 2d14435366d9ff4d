# SPDX-License-Identifier: Apache-2.0
"""postern store check while mail goes on: in slices, with the right answer, and a terminal sees how far it is."""
import os
import pty
import select
import threading

import pytest

from harness import Instance, wait_until

PASSWORD = "Correct-horse-1"
JOE = "joe@example.test"
MESSAGES = 100_000


@pytest.fixture(scope="module")
def house():
    it = Instance()
    try:
        it.init().start()
        it.add_domain("example.test")
        it.add_mailbox(JOE, PASSWORD)
        it.add_mailbox("mary@example.test", PASSWORD)
        fill(it)
        yield it
        it.close()
    except BaseException:
        it.close(check=False)
        raise


def fill(it):
    """By COPY: as many rows, with less bytes."""
    imap = it.imap(JOE, PASSWORD, timeout=120)
    for i in range(20):
        imap.append("INBOX", None, None, b"Subject: %d\r\n\r\nx\r\n" % i)
    imap.create("Other")
    here, there, total = 20, 0, 20
    while total < MESSAGES:
        imap.select("INBOX" if here > there else "Other")
        n = min(max(here, there), 20_000)
        assert imap.copy(f"1:{n}", "Other" if here > there else "INBOX")[0] == "OK"
        if here > there:
            there += n
        else:
            here += n
        total = here + there
    imap.logout()


def slices(it):
    return it.room("store")["counters"]["check.slices"]


def test_mail_is_delivered_while_a_check_is_under_way(house):
    over, sent = threading.Event(), []

    def deliver():
        with house.smtp() as smtp:
            while not over.is_set():
                assert smtp.sendmail("a@elsewhere.test", ["mary@example.test"], b"Subject: meanwhile\r\n\r\nx\r\n") == {}
                sent.append(1)
    before, since = slices(house), house.log_size()
    threads = [threading.Thread(target=deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(sent) > 5, 20, "mail to flow")
    report = house.json("store", "check")
    over.set()
    for thread in threads:
        thread.join()
    assert report["faults"] == 0 and report["messages"] >= MESSAGES
    assert slices(house) - before >= 5
    log = house.log()[since:]
    meanwhile = log[log.index("store.check.begun"):log.index("store.check.done")]
    assert "smtp.message.kept" in meanwhile, "a message was taken between two slices"
    assert house.room("store")["counters"]["check.percent"] == 100
    assert len(house.mail("mary@example.test", PASSWORD)) == len(sent)


def test_one_at_a_time(house):
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(house.try_cli("store", "check"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done.returncode for done in codes) == [0, 1]
    assert [done for done in codes if "a check is under way" in done.stderr]


def test_a_terminal_sees_how_far_it_is(house):
    ours, theirs = pty.openpty()
    process = house._spawn(["-d", house.dir, "store", "check"], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            if not select.select([ours], [], [], 60)[0]:
                break
            piece = os.read(ours, 4096)
        except OSError:         # the other end is closed
            break
        if not piece:
            break
        shown += piece
    assert process.wait(30) == 0
    os.close(ours)
    assert b"checking " in shown and b" %" in shown
    assert b"faults" in shown
