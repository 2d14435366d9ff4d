# SPDX-License-Identifier: Apache-2.0
"""postern store check while mail goes on: in slices, with the right answer, and a terminal sees how far it is."""
import os
import pty
import select
import signal
import threading

import pytest

from harness import Instance, wait_until
from harness.api import SocketApi

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

    def check_with_mail():
        """Whether a message was taken between two slices: that smtpd had its turn just then nobody promises."""
        before, since = slices(house), len(house.log())
        report = house.json("store", "check")
        assert report["faults"] == 0 and report["messages"] >= MESSAGES
        assert slices(house) - before >= 5
        log = house.log()[since:]
        return "smtp.message.kept" in log[log.index("store.check.begun"):log.index("store.check.done")]
    threads = [threading.Thread(target=deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(sent) > 5, 60, "mail to flow")
        wait_until(check_with_mail, 120, "a message that is taken between two slices")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert house.room("store")["counters"]["check.percent"] == 100
    assert len(house.mail("mary@example.test", PASSWORD)) == len(sent)


def test_one_at_a_time(house):
    """Both are at the store before it begins with the first: it stands still until directory has passed them on."""
    checks = [SocketApi(house, timeout=120) for _ in range(2)]
    pid = house.room("store")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        for check in checks:
            check.request("POST", "/api/v1/store/check")
        # Asked behind them, and answered by directory alone.
        assert SocketApi(house).ask("GET", "/domains/example.test")[0] == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    answers = [check.getresponse() for check in checks]
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert [answer for answer in answers if answer.status == 409 and b"a check is under way" in answer.read()]


def in_a_terminal(house, *command):
    """What a command shows there; it must exit 0."""
    ours, theirs = pty.openpty()
    process = house._spawn(["-d", house.dir, *command], stdout=theirs, stderr=theirs)
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
    return shown


def test_a_terminal_sees_how_far_it_is(house):
    def seen():
        shown = in_a_terminal(house, "store", "check")
        assert b"faults" in shown
        return b"checking " in shown and b" %" in shown
    wait_until(seen, 60, "a check that lasts until somebody has looked")
