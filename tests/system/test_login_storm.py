# SPDX-License-Identifier: Apache-2.0
"""A password is changed while logins storm in over every protocol (FEATURES M2): once the call has returned no old password
opens anything, the new one does, and no session of an old one lives."""
import imaplib
import poplib
import random
import smtplib
import ssl
import threading
import time

import pytest

from harness.doors import hang_up
from harness.wait import wait_until

USER = "joe@example.test"
ROUNDS, WORKERS = 6, 8
REFUSED = (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException)
GONE = REFUSED + (OSError, ssl.SSLError, EOFError)


def password(i):
    return f"Password-of-round-{i}"


class Storm:
    """Logs in with the passwords of this round and the one before, until it is stopped."""

    def __init__(self, postern):
        self.postern, self.round, self.over = postern, 0, threading.Event()
        self.lock, self.seen, self.sessions, self.errors = threading.Lock(), [], [], []
        self.threads = [threading.Thread(target=self._work, args=(i,)) for i in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def _login(self, protocol, text):
        if protocol == "imap":
            session = self.postern.imap(USER, text)
            try:
                session.select("INBOX")
            except (OSError, ssl.SSLError) as e:    # it was let in, and ended at the change: SELECT found nobody
                raise imaplib.IMAP4.abort(str(e)) from None
        elif protocol == "pop3":
            session = self.postern.pop3(USER, text)
        else:
            session = self.postern.submission(USER, text)
        return session

    def _work(self, seed):
        dice = random.Random(seed)
        while not self.over.is_set():
            which = max(0, self.round - dice.randrange(2))
            protocol = dice.choice(("imap", "pop3", "submission"))
            began = time.monotonic()
            try:
                session = self._login(protocol, password(which))
            except REFUSED:
                session = None
            except OSError as e:         # nothing may be refused for another reason
                self.errors.append(repr(e))
                return
            with self.lock:
                self.seen.append((began, protocol, which, session is not None))
                if session is not None and protocol != "submission":
                    self.sessions.append((protocol, which, session))
                    old = self.sessions.pop(0) if len(self.sessions) > 30 else None
                else:
                    old = (protocol, which, session) if session else None
            if old:
                hang_up(old[2])

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)


def alive(protocol, session):
    try:
        return session.noop()[0] == "OK" if protocol == "imap" else session.noop().startswith(b"+OK")
    except GONE:
        return False


def opens(door):
    """A maildrop that a session of a moment ago still holds is no wrong password."""
    try:
        hang_up(door(USER, password(ROUNDS)))
    except poplib.error_proto as e:
        assert b"IN-USE" in e.args[0], e
        return False
    return True


def test_a_password_changes_in_a_storm_of_logins(make_postern):
    postern = make_postern(conf={"rooms.auth": "2", "rooms.imapd": "2", "auth.argon2_memory": "64K",
                                 "auth.argon2_passes": "1"}).init().start()
    postern.add_domain("example.test")
    postern.add_mailbox(USER, password(0))
    storm, changed = Storm(postern), [time.monotonic()]
    try:
        for i in range(1, ROUNDS + 1):
            n = len(storm.seen)
            deadline = time.monotonic() + 60
            while len(storm.seen) < n + 3 * WORKERS and time.monotonic() < deadline:
                time.sleep(0.02)
            postern.cli("mailbox", "password", USER, "--password-stdin", stdin=password(i) + "\n")
            changed.append(time.monotonic())
            storm.round = i
            with postern.submission(USER, password(i)):
                pass
            postern.imap(USER, password(i)).logout()
    finally:
        storm.stop()
    assert not storm.errors, storm.errors
    late = [(p, which) for began, p, which, ok in storm.seen
            if ok and which < ROUNDS and began > changed[which + 1]]
    assert not late, late                                   # an old password opened something
    used = {(p, ok) for _, p, _, ok in storm.seen}
    assert used == {(p, ok) for p in ("imap", "pop3", "submission") for ok in (True, False)}
    assert {which for _, _, which, ok in storm.seen if ok} >= set(range(1, ROUNDS))
    of_old = [(p, which) for p, which, session in storm.sessions if which < ROUNDS and alive(p, session)]
    assert not of_old, of_old                               # a session of an old password lives
    for _, _, session in storm.sessions:
        hang_up(session)
    for door in (postern.imap, postern.pop3, postern.submission):
        with pytest.raises(REFUSED):
            door(USER, password(ROUNDS - 1))
        wait_until(lambda door=door: opens(door), 20, "the new password to open the door")
