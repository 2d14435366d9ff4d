# SPDX-License-Identifier: Apache-2.0
"""POP3 over a running instance, with poplib and with octets of our own."""
import poplib
import secrets
import socket

import pytest

from harness.instance import tls_context

PASSWORD = "Correct-horse-1"
BODIES = [b"Subject: one\r\n\r\nfirst\r\n", b"Subject: two\r\n\r\n.\r\n..dots\r\n.\r\n", b"Subject: three\r\n\r\nl1\r\nl2\r\nl3\r\n"]


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    return shared_postern


@pytest.fixture
def user(house, request):
    """A mailbox of its own with the three messages."""
    address = request.node.name.replace("[", "-").replace("]", "").replace("_", "-") + "@example.test"
    house.add_mailbox(address, PASSWORD)
    with house.smtp() as smtp:
        for body in BODIES:
            smtp.sendmail("a@elsewhere.test", [address], body)
    return address


def test_all_commands(house, user):
    pop = house.pop3(user, PASSWORD)
    count, size = pop.stat()
    assert count == 3
    sizes = [int(line.split()[1]) for line in pop.list()[1]]
    assert sum(sizes) == size
    for number, body in enumerate(BODIES, 1):
        lines = pop.retr(number)[1]
        message = b"\r\n".join(lines) + b"\r\n"
        assert message.endswith(body) and len(message) == sizes[number - 1]
    assert pop.top(3, 2)[1][-2:] == [b"l1", b"l2"]
    assert pop.top(3, 0)[1][-1] == b""
    uids = [line.split()[1] for line in pop.uidl()[1]]
    assert len(set(uids)) == 3 and pop.uidl(2).split()[2] == uids[1]
    pop.dele(2)
    for call in (lambda: pop.retr(2), lambda: pop.dele(2), lambda: pop.list(2), lambda: pop.retr(4), lambda: pop.retr(0)):
        with pytest.raises(poplib.error_proto):
            call()
    assert pop.stat()[0] == 2
    pop.rset()
    assert pop.stat()[0] == 3
    pop.quit()


def test_a_message_that_cannot_be_read_is_no_empty_one(make_postern):
    p = make_postern().init().start()
    p.add_domain("example.test")
    p.add_mailbox("joe@example.test", PASSWORD)
    marker = secrets.token_hex(20)
    with p.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["joe@example.test"], f"Subject: damaged\r\n\r\n{marker}X\r\n")
        smtp.sendmail("a@elsewhere.test", ["joe@example.test"], BODIES[0])
    p.flip_behind(marker)
    pop = p.pop3("joe@example.test", PASSWORD)
    for call in (lambda: pop.retr(1), lambda: pop.top(1, 5)):
        with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            call()
    assert pop.retr(2)[1][-1] == b"first"
    p.flip_behind(marker)
    assert pop.retr(1)[1][-1] == f"{marker}X".encode()
    pop.quit()


def test_deletes_at_quit_only(house, user):
    pop = house.pop3(user, PASSWORD)
    uids = [line.split()[1] for line in pop.uidl()[1]]
    pop.dele(1)
    pop.close()     # no QUIT: nothing happens
    pop = house.pop3(user, PASSWORD)
    assert pop.stat()[0] == 3
    pop.dele(1)
    pop.dele(3)
    pop.quit()
    pop = house.pop3(user, PASSWORD)
    assert [line.split()[1] for line in pop.uidl()[1]] == uids[1:2]
    pop.quit()
    assert len(house.mail(user, PASSWORD)) == 1


def test_one_session_at_a_time(house, user):
    first = house.pop3(user, PASSWORD)
    second = house.pop3()
    second.user(user)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        second.pass_(PASSWORD)
    first.quit()
    second.user(user)
    second.pass_(PASSWORD)
    second.quit()


def test_wrong_password(house, user):
    pop = house.pop3()
    pop.user(user)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]") as wrong:
        pop.pass_("wrong")
    pop.user("nobody@example.test")
    with pytest.raises(poplib.error_proto) as unknown:
        pop.pass_("wrong")
    assert str(wrong.value) == str(unknown.value)
    pop.close()


def test_capabilities(house):
    pop = house.pop3()
    capa = pop.capa()
    assert {"TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"} <= set(capa)
    assert capa["SASL"] == ["PLAIN", "LOGIN"] and "STLS" not in capa
    pop.quit()


def raw(house):
    sock = tls_context().wrap_socket(socket.create_connection(("127.0.0.1", house.port("pop3s")), 60))
    return sock, sock.makefile("rb")


@pytest.mark.parametrize("how", ["plain", "initial", "login"])
def test_sasl(house, user, how):
    from base64 import b64encode
    token = b64encode(f"\0{user}\0{PASSWORD}".encode())
    sock, lines = raw(house)
    assert lines.readline().startswith(b"+OK")
    if how == "initial":
        sock.sendall(b"AUTH PLAIN " + token + b"\r\n")
    elif how == "plain":
        sock.sendall(b"AUTH PLAIN\r\n")
        assert lines.readline() == b"+ \r\n"
        sock.sendall(token + b"\r\n")
    else:
        sock.sendall(b"AUTH LOGIN\r\n")
        assert lines.readline() == b"+ VXNlcm5hbWU6\r\n"
        sock.sendall(b64encode(user.encode()) + b"\r\n")
        assert lines.readline() == b"+ UGFzc3dvcmQ6\r\n"
        sock.sendall(b64encode(PASSWORD.encode()) + b"\r\n")
    assert lines.readline().startswith(b"+OK")
    sock.sendall(b"QUIT\r\n")
    assert lines.readline().startswith(b"+OK")
    sock.close()


def test_pipelining(house, user):
    sock, lines = raw(house)
    sock.sendall(f"USER {user}\r\nPASS {PASSWORD}\r\nSTAT\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n".encode())
    text = lines.read()
    assert text.count(b"+OK") == 7 and b"\r\n..\r\n...dots\r\n..\r\n.\r\n" in text
    sock.close()
    assert len(house.mail(user, PASSWORD)) == 2


def test_line_limit(house):
    for n, ok in ((512, True), (513, False)):
        sock, lines = raw(house)
        lines.readline()
        sock.sendall(b"NOOP " + b"x" * (n - 7) + b"\r\n" + b"CAPA\r\n")
        lines.readline()
        assert bool(lines.readline()) == ok
        sock.close()


def test_large_message_in_constant_memory(house, user):
    body = b"Subject: large\r\n\r\n" + b"." * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * 280000
    with house.smtp(timeout=60) as smtp:
        smtp.sendmail("a@elsewhere.test", [user], body)
    pop = house.pop3(user, PASSWORD, timeout=60)
    message = b"\r\n".join(pop.retr(4)[1]) + b"\r\n"
    pop.quit()
    assert message.endswith(body)
