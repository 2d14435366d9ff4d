# SPDX-License-Identifier: Apache-2.0
"""Sessions of mail programs end with what opened them, while nothing is said on them (THREATS H27: revoke while connected)."""
import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import struct

import pytest
from harness import wait_until
from harness.api import WebApi
from harness.totp import turn_on
from imapraw import Client
from peers.managesieve import ManageSieve

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"
PROTOCOLS = ["imap", "idle", "pop3", "submission", "transaction", "sieve"]
numbers = itertools.count(1)


class Session:
    """Logged in, and silent from then on."""

    def __init__(self, postern, user, password, protocol):
        self.protocol, self.tag = protocol, None
        if protocol in ("imap", "idle"):
            self.client = Client(postern, user, password)
            self.client.ok("SELECT INBOX")
            self.tag = self.client.idle() if protocol == "idle" else None
        elif protocol == "pop3":
            self.client = postern.pop3(user, password)
        elif protocol == "sieve":
            self.client = ManageSieve(postern.port("sieve")).start_tls()
            assert self.client.login(user, password).ok
        else:
            self.client = postern.submission(user, password)
            if protocol == "transaction":
                assert self.client.mail(user)[0] == 250 and self.client.rcpt(user)[0] == 250

    def farewell(self):
        """What the server says by itself, up to the end of the connection."""
        if self.tag or self.protocol == "imap":
            return self.client.closed(20)
        if self.protocol == "sieve":
            answer = self.client.answer()
            with pytest.raises(ConnectionError):
                self.client.answer()
            return f"{answer.status} {answer.text}".encode()
        return self.client.file.read()

    def goes_on(self):
        if self.tag:
            self.client.done(self.tag)
            self.tag = self.client.idle()
        elif self.protocol == "imap":
            self.client.ok("NOOP")
        elif self.protocol == "sieve":
            assert self.client.do("LISTSCRIPTS").ok
        else:
            assert self.client.noop()


FAREWELLS = {"imap": b"* BYE", "idle": b"* BYE", "pop3": b"-ERR [SYS/TEMP] The session was ended",
             "submission": b"421 4.7.0 Your login is not good any more",
             "transaction": b"421 4.7.0 Your login is not good any more", "sieve": b"BYE Your login is not good any more"}


@pytest.fixture
def joe(shared_postern):
    number = next(numbers)
    shared_postern.add_domain(f"revoked{number}.test")
    user = f"joe@revoked{number}.test"
    shared_postern.add_mailbox(user, PASSWORD)
    return user


def new_password(postern, joe):
    postern.cli("mailbox", "password", joe, "--password-stdin", stdin=NEW + "\n")


def removal(postern, joe):
    postern.cli("mailbox", "remove", joe, "--discard-mail")


def conversion(postern, joe):
    postern.add_mailbox("mary@" + joe.split("@")[1], PASSWORD)
    postern.cli("address", "convert", joe, "--type", "alias", "--to", "mary@" + joe.split("@")[1])


def second_factor(postern, joe):
    turn_on(postern, joe, PASSWORD)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("revoke", [new_password, removal, conversion, second_factor])
def test_a_silent_session_ends_at_once(shared_postern, joe, revoke, protocol):
    session = Session(shared_postern, joe, PASSWORD, protocol)
    revoke(shared_postern, joe)
    assert FAREWELLS[protocol] in session.farewell()


def test_an_app_password_takes_its_own_sessions_with_it(shared_postern, joe):
    made = [shared_postern.json("apppassword", "add", joe, name)["password"] for name in ("one", "two")]
    kinds = [p for p in PROTOCOLS if p != "pop3"]       # one session at a time has the maildrop
    first, second, own = ([Session(shared_postern, joe, password, p) for p in kinds] for password in (*made, PASSWORD))
    shared_postern.cli("apppassword", "remove", joe, "one")
    for session in first:
        assert FAREWELLS[session.protocol] in session.farewell()
    for session in second + own:
        session.goes_on()
    new_password(shared_postern, joe)
    for session in second + own:
        assert FAREWELLS[session.protocol] in session.farewell()


def test_data_that_flows_is_read_to_its_end_and_refused(shared_postern, joe):
    smtp = Session(shared_postern, joe, PASSWORD, "transaction").client
    assert smtp.docmd("DATA")[0] == 354
    smtp.send(b"From: <%s>\r\n" % joe.encode())
    new_password(shared_postern, joe)
    smtp.send(b"Subject: late\r\n\r\nlate\r\n.\r\n")
    assert smtp.getreply() == (530, b"5.7.0 Your login is not good any more, log in again")
    assert smtp.getreply() == (421, b"4.7.0 Your login is not good any more")


def test_a_restart_of_the_shard_ends_what_it_could_not_end_any_more(postern):
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    sessions = [Session(postern, "joe@example.test", PASSWORD, p) for p in ("submission", "sieve")]
    postern.kill("store")
    for session in sessions:
        assert FAREWELLS[session.protocol] in session.farewell()


def tokens_left(postern):
    with contextlib.closing(sqlite3.connect(os.path.join(postern.dir, "data", "directory", "directory.db"))) as db:
        return db.execute("SELECT count(*) FROM token").fetchone()[0]


@pytest.fixture
def waiting(postern):
    """ManageSieve where AUTHENTICATE was sent, and auth does not get to it."""
    postern.set_option("log.level", "debug")
    postern.cli("reload")
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    client = ManageSieve(postern.port("sieve")).start_tls()
    auth = postern.pids("auth")[0]
    os.kill(auth, signal.SIGSTOP)
    client.send('AUTHENTICATE "PLAIN" "AGpvZUBleGFtcGxlLnRlc3QAQ29ycmVjdC1ob3JzZS0x"\r\nNOOP\r\n')
    yield postern, client, lambda: os.kill(auth, signal.SIGCONT)


def test_a_client_that_hangs_up_while_it_logs_in_leaves_no_token(waiting):
    postern, client, go_on = waiting
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    go_on()
    wait_until(lambda: postern.room("sieved")["counters"]["logouts"] == 1, 20, "the token to be given back")
    postern.stop()
    assert tokens_left(postern) == 0


def test_a_client_of_the_web_that_hangs_up_while_it_logs_in_leaves_no_token(postern):
    """Nobody was told of the session, which would be good for half an hour."""
    postern.set_option("log.level", "debug")
    postern.cli("reload")
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    web, auth = WebApi(postern), postern.pids("auth")[0]
    os.kill(auth, signal.SIGSTOP)
    since = postern.log_size()
    web.request("POST", "/api/v1/session", json.dumps({"login": "joe@example.test", "password": PASSWORD}),
                {"Content-Type": "application/json"})
    postern.wait_log("httpd.request.begun", 20, since)
    web.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    web.sock.close()
    postern.wait_log("httpd.connection.closed", 20, since)
    os.kill(auth, signal.SIGCONT)
    wait_until(lambda: postern.room("httpd")["counters"]["logouts"] == 1, 20, "the token to be given back")
    # Whoever is told of his session keeps it, also when he hangs up afterwards.
    web = WebApi(postern).login("joe@example.test", PASSWORD)
    web.close()
    assert web.ask("GET", "/session")[0] == 200
    postern.stop()
    assert tokens_left(postern) == 1


def test_a_room_that_stops_while_somebody_logs_in_leaves_no_token(waiting):
    postern, client, go_on = waiting
    since = postern.log_size()
    postern.process.send_signal(signal.SIGTERM)
    postern.wait_log("sieve.connection.closed", 20, since)
    go_on()
    postern.stop()
    assert tokens_left(postern) == 0
