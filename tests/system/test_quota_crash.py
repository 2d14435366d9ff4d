# SPDX-License-Identifier: Apache-2.0
"""kill -9 of store and directory around the lines of a quota (M26): its user is told of 80 % and of 95 % once per crossing, in
the log of notices and in the mailbox. POSTERN_LONG=1: 30 rounds."""
import imaplib
import os
import random
import signal
import smtplib
import threading
import time

import pytest

from harness import wait_until

PASSWORD, JOE = "Correct-horse-1", "joe@crossing.test"
KB, SIZE = 1024, 1024 * 1024                            # of the quota, or the pool
ROUNDS = 30 if os.environ.get("POSTERN_LONG") else 3
WHO = [("store",), ("directory",), ("store", "directory"), ("directory", "store"), None]     # None: everything at once


def send(p, size):
    """Until it is acknowledged, and perhaps once too often; False where there is no room."""
    text = "From: a@elsewhere.test\r\nSubject: load\r\n\r\n" + ("y" * 70 + "\r\n") * (size // 72)

    def once():
        try:
            with p.smtp() as smtp:
                smtp.sendmail("a@elsewhere.test", [JOE], text)
            return "kept"
        except smtplib.SMTPResponseException as e:
            return "full" if b"full" in (e.smtp_error or b"") else None
        except smtplib.SMTPRecipientsRefused as e:
            return "full" if b"full" in list(e.recipients.values())[0][1] else None
        except (OSError, EOFError, smtplib.SMTPException):
            return None
    return wait_until(once, 120, "an answer") == "kept"


def letters(p):
    return sum(b"\r\nSubject: load\r\n" not in m for m in p.mail(JOE, PASSWORD))


def empty(p):
    def once():
        try:
            with p.imap(JOE, PASSWORD) as imap:
                imap.select("INBOX")
                imap.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
                return imap.expunge()[0] == "OK"
        except (OSError, EOFError, imaplib.IMAP4.error):
            return False
    wait_until(once, 60, "an empty mailbox")


def used(p):
    return p.json("mailbox", "show", JOE)["used_bytes"]


def told(p, of="quota"):
    return [n["kind"] for n in p.json("notice", "log", "--to", JOE)["items"] if n["kind"].startswith(of)][::-1]


class Killer:
    """Kills while something is done, a little after it began; waits until all is back."""

    def __init__(self, p, rng):
        self.p, self.rng = p, rng

    def around(self, act):
        pids = {r["role"]: r["pid"] for r in self.p.rooms()}
        who, failed = self.rng.choice(WHO), []

        def run():
            try:
                act()
            except Exception as e:      # pylint: disable=broad-except
                failed.append(e)
        self.p.crashes_expected = True
        thread = threading.Thread(target=run)
        thread.start()
        for role in who or ():
            time.sleep(self.rng.uniform(0, 0.1))
            os.kill(pids[role], signal.SIGKILL)
        if not who:
            time.sleep(self.rng.uniform(0, 0.1))
            self.p.kill_all()
            self.p.start()
        thread.join(180)
        assert not thread.is_alive() and not failed, failed
        wait_until(lambda: all(r["state"] == "ready" for r in self.p.rooms()), 60, "all rooms to be back")


@pytest.mark.parametrize("of", ["mailbox", "pool"])
def test_each_crossing_is_told_once(make_postern, of):
    kind = "quota" if of == "mailbox" else "pool"
    p = make_postern().init().start()
    p.cli("customer", "add", "crossing", "--pool", "100M" if of == "mailbox" else str(SIZE))
    p.cli("domain", "add", "crossing.test", "--customer", "crossing", "--mode", "hosted")
    p.add_mailbox(JOE, PASSWORD, *(("--quota", str(SIZE)) if of == "mailbox" else ()))
    rng = random.Random(os.environ.get("POSTERN_SEED", "1"))
    killer = Killer(p, rng)
    for n in range(ROUNDS):
        while used(p) < SIZE * 76 // 100 - 60 * KB:
            assert send(p, 50 * KB)
        assert used(p) < SIZE * 78 // 100
        killer.around(lambda: send(p, 65 * KB))             # with a copy more it is below 95 % still
        while used(p) < SIZE * 81 // 100:
            send(p, 20 * KB)
        wait_until(lambda: told(p, kind) == [kind + "_80", kind + "_95"] * n + [kind + "_80"], 30, f"the notice of 80 %, round {n}")
        while used(p) < SIZE * 93 // 100:
            assert send(p, 10 * KB)
        assert len(told(p, kind)) == 2 * n + 1
        killer.around(lambda: send(p, 35 * KB))
        wait_until(lambda: told(p, kind) == [kind + "_80", kind + "_95"] * (n + 1), 30, f"the notice of 95 %, round {n}")
        p.cli("timer", "run")
        wait_until(lambda: letters(p) >= 2, 30, "both letters")
        assert letters(p) == 2 and len(told(p, kind)) == 2 * n + 2
        killer.around(lambda: empty(p))                     # armed again
        empty(p)
        assert used(p) < 10 * KB
    p.restart()
    p.cli("timer", "run")
    assert told(p, kind) == [kind + "_80", kind + "_95"] * ROUNDS
    assert p.json("store", "check")["faults"] == 0


def test_what_directory_has_is_not_told_again(make_postern):
    """The shard dies when directory has been sent the crossing and it does not know: directory hears it twice."""
    p = make_postern().init().start()
    p.crashes_expected = True
    p.add_domain("crossing.test")
    p.add_mailbox(JOE, PASSWORD, "--quota", str(SIZE))
    imap = p.imap(JOE, PASSWORD)
    # The first message asks for a lease of the customer's pool, which is far larger than what comes.
    assert imap.append("INBOX", None, None, b"From: a@elsewhere.test\r\nSubject: load\r\n\r\nfirst\r\n")[0] == "OK"
    pids = {r["role"]: r["pid"] for r in p.rooms()}
    os.kill(pids["directory"], signal.SIGSTOP)
    try:
        # The session's channel ends at the shard: none of this asks directory.
        text = b"From: a@elsewhere.test\r\nSubject: load\r\n\r\n" + (b"y" * 70 + b"\r\n") * (860 * KB // 72)
        assert imap.append("INBOX", None, None, text)[0] == "OK"
        time.sleep(0.5)                                     # the crossing is on its way
        os.kill(pids["store"], signal.SIGKILL)
        time.sleep(0.5)
    finally:
        os.kill(pids["directory"], signal.SIGCONT)
    wait_until(lambda: all(r["state"] == "ready" for r in p.rooms()), 30, "all rooms to be back")
    wait_until(lambda: told(p), 30, "the notice")
    p.cli("timer", "run")
    wait_until(lambda: letters(p), 30, "the letter")
    assert send(p, 4 * KB)                                  # whatever else the shard has to tell goes along
    p.cli("timer", "run")
    time.sleep(0.5)
    assert told(p) == ["quota_80"] and letters(p) == 1
