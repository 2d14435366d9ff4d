# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is there, once: under kill -9 of any room and of all at once, and on a full disk.

Every attempt has its own number. One that was acknowledged must be found exactly once; one whose answer was lost may be
there once or not at all (RFC 5321 4.5.3.2.6 lets a client try again), never twice.
POSTERN_LONG=1: 50 rounds.
"""
import collections
import imaplib
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import threading
import time

import pytest

from harness import Instance, wait_until
from peers import FakeSmtp

JOE, PASSWORD = "joe@example.test", "Correct-horse-1"
ROOMS = ["store", "smtpd", "filter", "directory", "queue", "imapd", "auth", "httpd", "admind", "relay", "mover", "pop3d", "sieved"]
ROUNDS = 50 if os.environ.get("POSTERN_LONG") else 5
SMTP_WRITERS, APPENDERS = 4, 2


def message(number, size=2000):
    lines = "".join(f"line {i} of message {number}\r\n" for i in range(size // 30))
    return f"From: a@elsewhere.test\r\nTo: {JOE}\r\nSubject: number {number}\r\n\r\n{lines}".encode()


class Load:
    """Writers that send numbered messages until they are told to stop. outage is odd while the power goes: what is
    acknowledged then may be lost (test_power_loss.py tells why).
    """

    def __init__(self, postern):
        self.postern, self.stopping = postern, threading.Event()
        self.acked, self.doubtful, self.tried, self.lock = set(), set(), set(), threading.Lock()
        self.outage = 0
        self.threads = [threading.Thread(target=self.run, args=(self.smtp_once, f"s{i}"), daemon=True)
                        for i in range(SMTP_WRITERS)]
        self.threads += [threading.Thread(target=self.run, args=(self.append_once, f"a{i}"), daemon=True)
                         for i in range(APPENDERS)]

    def run(self, once, name):
        count, connection = 0, None
        while not self.stopping.is_set():
            count += 1
            number = f"{name}x{count}x"
            with self.lock:
                self.tried.add(number)
                began = self.outage
            try:
                connection = once(connection, number)
                with self.lock:
                    (self.acked if began % 2 == 0 and began == self.outage else self.doubtful).add(number)
            except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error, ValueError):
                connection = None
                time.sleep(0.05)

    def smtp_once(self, smtp, number):
        smtp = smtp or self.postern.smtp(timeout=15)
        smtp.sendmail("a@elsewhere.test", [JOE], message(number))
        return smtp

    def append_once(self, imap, number):
        imap = imap or self.postern.imap(JOE, PASSWORD, timeout=15)
        ok, text = imap.append("INBOX", None, None, message(number))
        if ok != "OK":
            raise imaplib.IMAP4.error(text)
        return imap

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive()


def numbers(postern, mailbox="INBOX"):
    found = collections.Counter()
    for text in postern.mail(JOE, PASSWORD, mailbox):
        subject = re.search(rb"^Subject: number (\S+)\r$", text, re.M)
        body = re.findall(rb"of message (\S+)\r\n", text)
        assert subject and set(body) <= {subject.group(1)}, "bytes of two messages in one"
        found[subject.group(1).decode()] += 1
    return found


def assert_law(load, found):
    assert not [n for n in load.acked if found[n] == 0], "acknowledged messages are lost"
    assert not [n for n, count in found.items() if count > 1], "messages are there twice"
    assert set(found) <= load.tried


def assert_store_is_whole(postern):
    report = postern.json("store", "check")
    assert report["faults"] == 0, report
    return report


def restart_all(postern):
    """kill -9 of the supervisor and of every room in the same moment."""
    postern.kill_all()
    postern.start()


def test_kill_rounds(postern):
    rng = random.Random(os.environ.get("POSTERN_SEED", "1"))
    postern.add_domain("example.test")
    postern.add_mailbox(JOE, PASSWORD)
    load = Load(postern).start()
    for number in range(ROUNDS):
        time.sleep(rng.uniform(0.1, 1.0))
        if number % 5 == 4:
            restart_all(postern)
            continue
        role = "store" if number % 5 == 0 else rng.choice(ROOMS)
        postern.kill(role)
        wait_until(lambda: all(r["state"] == "ready" for r in postern.rooms()), 60, "all rooms to be back")
    before = len(load.acked)
    wait_until(lambda: len(load.acked) > before + 10, 60, "mail to flow again")
    load.stop()
    assert_law(load, numbers(postern))
    assert_store_is_whole(postern)
    postern.stop()
    done = postern._run(["check", postern.dir, "--json"])
    assert done.returncode == 0, done.stdout + done.stderr
    postern.start()


def test_the_index_is_made_anew_from_the_segments(postern):
    postern.add_domain("example.test")
    postern.add_mailbox(JOE, PASSWORD)
    with postern.smtp() as smtp:
        for i in range(5):
            smtp.sendmail("a@elsewhere.test", [JOE], message(f"n{i}"))
    imap = postern.imap(JOE, PASSWORD)
    imap.select("INBOX")
    imap.store("1:2", "+FLAGS", r"(\Flagged $Label1)")
    imap.copy("3", "Archive")
    imap.store("5", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    before = imap.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])"), imap.status("INBOX", "(UIDVALIDITY UIDNEXT HIGHESTMODSEQ)")
    imap.logout()
    postern.stop()
    data = os.path.join(postern.dir, "data", "store.0")
    for name in os.listdir(data):
        if name.startswith("store.db"):
            os.unlink(os.path.join(data, name))
    done = postern._run(["check", postern.dir])
    assert done.returncode == 1 and "--rebuild" in done.stderr
    done = postern._run(["check", postern.dir, "--rebuild"])
    assert done.returncode == 0, done.stdout + done.stderr
    postern.start()
    imap = postern.imap(JOE, PASSWORD)
    imap.select("INBOX")
    after = imap.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])"), imap.status("INBOX", "(UIDVALIDITY UIDNEXT HIGHESTMODSEQ)")
    imap.logout()
    assert after == before


# ---- a full disk ----

@pytest.fixture
def small_disk():
    """A file system of 64 MB."""
    top = tempfile.mkdtemp(prefix="disk-", dir="/tmp")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0777", "tmpfs", top], stderr=subprocess.DEVNULL,
                      check=False).returncode:
        os.rmdir(top)
        pytest.skip("mounting a small file system needs root")
    yield top
    subprocess.run(["umount", "-l", top], check=False)
    os.rmdir(top)


@pytest.fixture
def small_instance(small_disk):
    """A function that makes instances there; what they log is on another disk, or their words were lost with the rest."""
    logs = tempfile.mkdtemp(prefix="log-", dir="/tmp")

    def make(**more):
        postern = Instance(directory=os.path.join(small_disk, "instance"), **more)
        postern.log_path = os.path.join(logs, "instance.log")
        return postern
    yield make
    shutil.rmtree(logs)


def fill(top, leave):
    """A file that takes all room but leave bytes."""
    path = os.path.join(top, "filler")
    free = os.statvfs(top)
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, free.f_bavail * free.f_bsize - leave)
    return path


def noise(number, size):
    """A message that does not pack."""
    text = random.Random(number).randbytes(size // 2).hex()
    lines = "\r\n".join(text[i:i + 70] for i in range(0, len(text), 70))
    return f"From: a@elsewhere.test\r\nSubject: number {number}\r\n\r\n{lines}\r\n".encode()


def subjects(postern):
    return collections.Counter(re.search(rb"^Subject: number (\S+)\r$", m, re.M).group(1).decode()
                               for m in postern.mail(JOE, PASSWORD))


def test_full_disk(small_disk, small_instance):
    postern = small_instance()
    try:
        postern.init().start()
        postern.add_domain("example.test")
        postern.add_mailbox(JOE, PASSWORD)
        filler = fill(small_disk, 6 << 20)
        acked, code = [], 250
        smtp = postern.smtp()
        for i in range(40):
            try:
                smtp.sendmail("a@elsewhere.test", [JOE], noise(f"f{i}", 400000))
                acked.append(f"f{i}")
            except smtplib.SMTPResponseException as e:
                code = e.smtp_code
                break
        assert code in (451, 452), "a full disk is told as a reason to try later"
        assert acked, "there was room for some"
        imap = postern.imap(JOE, PASSWORD)
        refused, why = imap.append("INBOX", None, None, noise("appended", 400000))
        assert refused == "NO" and b"no room" in why[0]
        imap.logout()
        # Reading goes on, and so does throwing away, with the reserve.
        assert subjects(postern) == collections.Counter(acked)
        imap = postern.imap(JOE, PASSWORD)
        imap.select("INBOX")
        assert imap.store("1:2", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert imap.expunge()[0] == "OK"
        imap.logout()
        acked = acked[2:]
        assert subjects(postern) == collections.Counter(acked)
        with pytest.raises(smtplib.SMTPResponseException):
            smtp.sendmail("a@elsewhere.test", [JOE], noise("late", 3000000))
        os.unlink(filler)

        def there_is_room():
            try:
                with postern.smtp() as again:
                    again.sendmail("a@elsewhere.test", [JOE], noise("after", 400000))
                return True
            except smtplib.SMTPException:
                return False
        wait_until(there_is_room, 60, "service to be back", every=0.3)
        assert subjects(postern) == collections.Counter(acked + ["after"])
        assert_store_is_whole(postern)
        postern.stop()
        done = postern._run(["check", postern.dir, "--json"])
        assert done.returncode == 0, done.stdout + done.stderr
        postern.check_log()
    finally:
        postern.close(check=False)


def test_full_disk_for_the_queue(small_disk, small_instance):
    """What waits for another server: 452 when there is no room, what was taken is kept, and all goes out once."""
    sink = FakeSmtp()
    sink.stop()
    postern = small_instance(conf={"queue.retry_first": "1s", "queue.retry_max": "2s", "queue.probe": "500ms"})
    try:
        postern.init().start()
        postern.add_domain("passed-on.test", "gateway", sink.address)
        postern.add_mailbox("mary@passed-on.test", None)
        filler = fill(small_disk, 6 << 20)
        acked, code = [], 250
        smtp = postern.smtp()
        for i in range(40):
            try:
                smtp.sendmail("a@elsewhere.test", ["mary@passed-on.test"], noise(f"q{i}", 400000))
                acked.append(f"q{i}")
            except smtplib.SMTPResponseException as e:
                code = e.smtp_code
                break
        assert code in (451, 452), "a full disk is told as a reason to try later"
        assert acked, "there was room for some"
        assert len(postern.json("queue", "list", "--domain", "passed-on.test")["items"]) == len(acked)
        # Also over the death of the room, while the disk is full.
        postern.kill("queue")
        wait_until(lambda: all(r["state"] == "ready" for r in postern.rooms()), 60, "all rooms to be back")
        assert len(postern.json("queue", "list", "--domain", "passed-on.test")["items"]) == len(acked)
        os.unlink(filler)

        def there_is_room():
            try:
                with postern.smtp() as again:
                    again.sendmail("a@elsewhere.test", ["mary@passed-on.test"], noise("after", 400000))
                return True
            except smtplib.SMTPException:
                return False
        wait_until(there_is_room, 60, "service to be back", every=0.3)
        sink.start()
        wait_until(lambda: len(sink.messages) >= len(acked) + 1, 60, "all to arrive")
        wait_until(lambda: not postern.json("queue", "list", "--domain", "passed-on.test")["items"], 60, "an empty queue")
        arrived = collections.Counter(re.search(rb"^Subject: number (\S+)\r$", m.data, re.M).group(1).decode() for m in sink.messages)
        assert arrived == collections.Counter(acked + ["after"])
        postern.stop()
        postern.check_log()
    finally:
        postern.close(check=False)
        sink.stop()


def test_what_was_sent_on_a_full_disk_is_not_sent_again(small_disk, small_instance):
    """A server comes back while the queue cannot write what became of a message: each arrives once all the same."""
    sink = FakeSmtp()
    sink.stop()
    postern = small_instance(conf={"queue.retry_first": "1s", "queue.retry_max": "2s", "queue.probe": "500ms"})
    try:
        postern.init().start()
        postern.add_domain("passed-on.test", "gateway", sink.address)
        postern.add_mailbox("mary@passed-on.test", None)
        with postern.smtp() as smtp:
            for i in range(5):
                smtp.sendmail("a@elsewhere.test", ["mary@passed-on.test"], noise(f"w{i}", 30000))
        filler = fill(small_disk, 16 << 10)
        sink.start()
        postern.wait_log("queue.result.unwritten", 60)
        os.unlink(filler)
        wait_until(lambda: not postern.json("queue", "list", "--domain", "passed-on.test")["items"], 60, "an empty queue")
        arrived = collections.Counter(re.search(rb"^Subject: number (\S+)\r$", m.data, re.M).group(1).decode() for m in sink.messages)
        assert arrived == collections.Counter(f"w{i}" for i in range(5))
        postern.stop()
    finally:
        postern.close(check=False)
        sink.stop()


def test_store_survives_a_signal_to_stop_under_load(postern):
    """SIGTERM while mail flows: what was acknowledged is there after the next start."""
    postern.add_domain("example.test")
    postern.add_mailbox(JOE, PASSWORD)
    load = Load(postern).start()
    wait_until(lambda: len(load.acked) > 50, 60, "mail to flow")
    os.kill(postern.process.pid, signal.SIGTERM)
    assert postern.process.wait(30) == 0
    postern._forget_process()
    load.stop()
    postern.start()
    assert_law(load, numbers(postern))
    assert_store_is_whole(postern)


def test_compaction_under_load(postern):
    """Space of expunged mail comes back while mail flows, and nothing else changes."""
    postern.set_option("store.segment_size", "1M")
    postern.restart()
    postern.add_domain("example.test")
    postern.add_mailbox(JOE, PASSWORD)
    imap = postern.imap(JOE, PASSWORD)
    for i in range(60):
        assert imap.append("Trash", None, None, noise(f"t{i}", 100000))[0] == "OK"
    load = Load(postern).start()
    imap.select("Trash")
    imap.store("1:55", "+FLAGS", r"(\Deleted)")
    assert imap.expunge()[0] == "OK"
    done = postern.json("store", "compact")
    load.stop()
    assert done["after_bytes"] < done["before_bytes"], done
    imap.select("Trash", readonly=True)
    kept = [item[1] for item in imap.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(item, tuple)]
    assert kept == [noise(f"t{i}", 100000) for i in range(55, 60)]
    imap.logout()
    assert_law(load, numbers(postern))
    assert_store_is_whole(postern)
    postern.stop()
    done = postern._run(["check", postern.dir, "--json"])
    assert done.returncode == 0, done.stdout + done.stderr
    postern.start()
