# SPDX-License-Identifier: Apache-2.0
"""The copy of old mail from a server that has POP3 alone (M41): exact, once, resumable, and nothing is deleted there."""
import collections
import datetime
import hashlib
import imaplib

import pytest
from harness import wait_until
from oldserver import Folder
from peers.pop3 import Pop3Server
from peers.valve import Valve

from test_move import DOMAIN, JOE, NEW, OLD, kill_in_the_middle, old_imap, read_all, tree, wait_done

PASSWORDS = f"{JOE}:secret\n"


def body(text, date="Tue, 15 Nov 2022 10:00:00 +0100"):
    return f"From: ann@elsewhere.test\r\nDate: {date}\r\nSubject: {text}\r\n\r\n{text}\r\n".encode()


@pytest.fixture
def house(postern):
    postern.add_domain(DOMAIN)
    postern.add_mailbox(JOE, NEW)
    return postern


def start(postern, source, passwords=PASSWORDS, *more):
    return postern.json("move", "start", DOMAIN, "--from", source, "--passwords",
                        postern.write_file("passwords", passwords), *more)


def start_fake(postern, server):
    return start(postern, f"pop3://127.0.0.1:{server.port}", PASSWORDS, "--tls", "none")


def refuse_fake(postern, server, *more):
    return postern.refused("move", "start", DOMAIN, "--from", f"pop3://127.0.0.1:{server.port}", *more, "--passwords",
                           postern.write_file("passwords", PASSWORDS))


def inbox(postern):
    imap = postern.imap(JOE, NEW, timeout=120)
    try:
        return read_all(imap, "INBOX")
    finally:
        imap.logout()


def sums(messages):
    return collections.Counter(hashlib.sha256(m).hexdigest() for m in messages)


def here(postern):
    return collections.Counter(m[0] for m in inbox(postern))


@pytest.mark.root
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_from_dovecot(house, make_old_server, tls):
    """Bytes and order, a second run that copies nothing, a third that copies what came meanwhile, and the proof."""
    server = make_old_server({JOE: OLD}).start()
    server.fill(JOE, 1000, (Folder("INBOX"),))
    port = server.ports["pop3s" if tls == "tls" else "pop3"]
    source = f"{'pop3s' if tls == 'tls' else 'pop3'}://127.0.0.1:{port}"
    start(house, source, f"{JOE}:{OLD}\n")
    assert wait_done(house)["messages_new"] == 1000
    imap = old_imap(server)
    assert [m[0] for m in inbox(house)] == [m[0] for m in read_all(imap, "INBOX")]
    start(house, source, f"{JOE}:{OLD}\n")
    status = wait_done(house)
    assert (status["messages_new"], status["messages_done"], status["from"]) == (0, 1000, source)
    imap.append("INBOX", None, imaplib.Time2Internaldate(1_700_000_000), body("one more"))
    start(house, source, f"{JOE}:{OLD}\n")
    assert wait_done(house)["messages_new"] == 1
    assert len(read_all(imap, "INBOX")) == 1001         # nothing was deleted there
    proof = house.json("move", "proof", DOMAIN)
    assert (proof["complete"], proof["messages_there"], proof["messages_here"]) == (True, 1001, 1001)


@pytest.mark.root
def test_with_a_master_user(house, make_old_server):
    server = make_old_server({JOE: OLD}).start()
    server.fill(JOE, 10, (Folder("INBOX"),))
    house.json("move", "start", DOMAIN, "--from", f"pop3s://127.0.0.1:{server.ports['pop3s']}", "--master-user", "master",
               "--password-stdin", stdin="master-secret\n")
    assert wait_done(house)["messages_new"] == 10


@pytest.mark.root
@pytest.mark.parametrize("victim", ["mover", "store", "filter"])
def test_killed_in_the_middle(house, make_old_server, victim):
    server = make_old_server({JOE: OLD}).start()
    server.fill(JOE, 1500, (Folder("INBOX"),))
    size = sum(size for _, size, _ in tree(server))
    with Valve(server.ports["pop3s"], size // 2) as valve:
        start(house, f"pop3s://127.0.0.1:{valve.port}", f"{JOE}:{OLD}\n")
        kill_in_the_middle(house, valve, size, victim)
        wait_done(house)
    imap = old_imap(server)
    assert here(house) == collections.Counter(m[0] for m in read_all(imap, "INBOX"))


def test_a_poor_server(house):
    """No CAPA, no PIPELINING; dots at line starts, an empty message, the Date field for an internal date."""
    messages = [("a1", body("one")), ("a2", body("two") + b".\r\n..\r\n.x\r\n"), ("a3", b"")]
    with Pop3Server(messages, capa=None) as server:
        start_fake(house, server)
        assert wait_done(house)["messages_new"] == 3
        assert here(house) == sums(m for _, m in messages)
        dates = {m[2] for m in inbox(house)}
        assert datetime.datetime(2022, 11, 15, 9, tzinfo=datetime.timezone.utc).timestamp() in dates
        assert server.verbs() <= {"CAPA", "USER", "PASS", "UIDL", "LIST", "RETR"}, server.verbs()


def test_one_uidl_for_two_messages(house):
    """RFC 1939 7 lets a server give identical messages one UIDL: both are here, once each, after every run."""
    messages = [("same", body("twin")), ("same", body("twin")), ("other", body("other"))]
    with Pop3Server(messages, capa=("PIPELINING", "USER", "UIDL")) as server:
        for new in (3, 0):
            start_fake(house, server)
            status = wait_done(house)
            assert (status["messages_new"], status["messages_done"]) == (new, 3)
        assert here(house) == sums(m for _, m in messages)
        messages.append(("same", body("twin")))
        start_fake(house, server)
        assert wait_done(house)["messages_new"] == 1
        assert here(house) == sums(m for _, m in messages)


def test_a_connection_that_breaks(house):
    messages = [(f"u{i}", body(f"message {i} " + "x" * 3000)) for i in range(40)]
    with Pop3Server(messages, capa=("PIPELINING",), cut_at=20) as server:
        start_fake(house, server)
        wait_done(house)
        assert server.sessions >= 3         # the check, the try that broke, and the next
        assert here(house) == sums(m for _, m in messages)


def test_a_message_that_is_not_given(house):
    """One bad message hides no other, and is named."""
    messages = [(f"u{i}", body(f"message {i}")) for i in range(5)]
    with Pop3Server(messages, refused=(3,)) as server:
        start_fake(house, server)

        def over():
            status = house.json("move", "status", DOMAIN)
            return status if status["state"] != "running" else None
        status = wait_until(over, 60, "the copy to end")
        assert (status["messages_new"], status["messages_failed"]) == (4, 1), status
        assert here(house) == sums(m for i, (_, m) in enumerate(messages, 1) if i != 3)


def test_refused_with_a_reason(house):
    with Pop3Server([], capa=("USER",)) as server:
        assert "STLS" in refuse_fake(house, server)                     # starttls is what is wanted where nothing is said
        assert server.verbs() <= {"CAPA"}, "a password went over plain text"
    with Pop3Server([], password="another") as server:
        assert "login refused" in refuse_fake(house, server, "--tls", "none")
    with Pop3Server([], uidl=False) as server:
        assert "UIDL" in refuse_fake(house, server, "--tls", "none")
    assert house.json("move", "status", DOMAIN)["state"] == "none"
