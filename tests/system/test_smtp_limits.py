# SPDX-License-Identifier: Apache-2.0
"""Limits of the SMTP server at their value and one past it, time, stop and reload."""
import os
import select
import signal
import socket
import subprocess
import time

import pytest

from harness import wait_until
from rawsmtp import RawSmtp

JOE, PASSWORD = "joe@example.test", "Correct-horse-1"
OPTIONS = {"smtp.max_size": "64K", "smtp.max_recipients": "100", "smtp.max_errors": "10",
           "limits.per_address": "3", "limits.exempt_networks": "192.0.2.0/24", "smtp.greet_pause": "600ms"}


@pytest.fixture(scope="module")
def house():
    from harness import Instance
    instance = Instance(conf=OPTIONS)
    try:
        instance.init().start()
        instance.add_domain("example.test")
        instance.add_mailbox(JOE, PASSWORD)
        yield instance
    except BaseException:
        instance.close(check=False)
        raise
    instance.close()


def connections(house):
    return house.room("smtpd")["counters"]["connections.open"]


@pytest.fixture(autouse=True)
def nobody(house):
    """None of the test before counts any more."""
    wait_until(lambda: connections(house) == 0, 20, "the connections of the test before to be gone")


def put_in_force(house, option, value):
    house.set_option(option, value)
    house.cli("reload")


@pytest.fixture
def hasty(house):
    """It waits two seconds for its clients. In other tests these may be slow."""
    put_in_force(house, "smtp.timeout", "2s")
    yield house
    put_in_force(house, "smtp.timeout", "5m")


def trickle(sock, pieces):
    """One after the other, never silent for long, until the other side speaks or ends; whether it did."""
    for piece in pieces:
        if select.select([sock], [], [], 0.3)[0]:
            return True
        sock.sendall(piece)
    return False


def message_of(size):
    head = b"Subject: s\r\n\r\n"
    lines, rest = divmod(size - len(head), 72)
    body = (b"x" * 70 + b"\r\n") * lines
    if rest == 1:
        body, rest = body[:-72] + b"x" * 69 + b"\r\n", 2
    return head + body + (b"x" * (rest - 2) + b"\r\n" if rest else b"")


@pytest.mark.parametrize("over", [0, 1])
def test_size(house, over):
    size = 65536 + over
    with RawSmtp(house) as raw:
        assert "SIZE 65536" in raw.ehlo()
        assert raw.cmd(f"MAIL FROM:<a@b.test> SIZE={size}")[0] == (552 if over else 250)
        raw.cmd("RSET")
        raw.envelope(JOE)
        body = message_of(size)
        assert len(body) == size
        assert raw.data(body + b".\r\n") == (552 if over else 250)
        raw.envelope(JOE)
        raw.send(b"BDAT %d LAST\r\n" % size + body)
        assert raw.code() == (552 if over else 250) and raw.cmd("NOOP")[0] == 250


@pytest.mark.parametrize("size", [65537, 4 * 65536])
def test_a_chunk_over_the_limit_is_read_off(house, size):
    """Refused once all of it came: a client that does not read while it sends hears why, and goes on."""
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        raw.send(b"BDAT %d\r\n" % size + b"x" * size)
        code, texts = raw.reply()
        assert code == 552 and texts[0].startswith("5.3.4 ")
        assert raw.cmd("BDAT 0 LAST")[0] == 503
        raw.envelope(JOE)
        raw.send(b"BDAT 18 LAST\r\nSubject: s\r\n\r\nok\r\n")
        assert raw.code() == 250


@pytest.mark.parametrize("size", [4 * 65536 + 1, 10**12])
def test_a_chunk_that_nobody_would_read_off(house, size):
    """The session ends, and who sends on for a while still hears why."""
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        raw.send(b"BDAT %d LAST\r\n" % size + b"x" * min(size, 800_000))
        code, texts = raw.reply()
        assert code == 552 and texts[0].startswith("5.3.4 ") and raw.is_closed() == b" "


def test_command_line_length(house):
    with RawSmtp(house) as raw:
        assert raw.cmd("NOOP " + "x" * (4096 - 7))[0] == 250
        assert raw.cmd("NOOP " + "x" * (4096 - 6))[0] == 500
        assert raw.cmd("NOOP")[0] == 250


def test_recipients(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.cmd("MAIL FROM:<a@b.test>")
        raw.send(b"RCPT TO:<joe@example.test>\r\n" * 102)
        assert [raw.code() for _ in range(102)] == [250] * 100 + [452] * 2
        assert raw.data(b"Subject: x\r\n\r\nmany\r\n.\r\n") == 250


def test_errors_end_the_session(house):
    with RawSmtp(house) as raw:
        start = time.monotonic()
        codes = [raw.cmd("XYZZY")[0] for _ in range(10)]
        assert codes == [500] * 10 and raw.code() == 421 and raw.is_closed()
        assert time.monotonic() - start > 3, "the later ones are slow"


def test_connections_per_address(house):
    open_ones = [RawSmtp(house) for _ in range(3)]
    try:
        assert [raw.greeting[0] for raw in open_ones] == [220] * 3
        with RawSmtp(house) as raw:
            assert raw.greeting[0] == 421 and raw.is_closed()
        open_ones.pop().close()
        wait_until(lambda: connections(house) == 2, 20, "a place")
        with RawSmtp(house) as raw:
            assert raw.greeting[0] == 220
    finally:
        for raw in open_ones:
            raw.close()


def test_limits_follow_a_reload(house):
    put_in_force(house, "limits.per_address", "1")
    try:
        with RawSmtp(house) as first:
            assert first.greeting[0] == 220
            with RawSmtp(house) as second:
                assert second.greeting[0] == 421
    finally:
        put_in_force(house, "limits.per_address", OPTIONS["limits.per_address"])


def test_a_reload_is_over_when_every_room_has_it(house):
    pid = house.room("smtpd")["pid"]
    house.set_option("smtp.max_size", "65K")
    os.kill(pid, signal.SIGSTOP)
    try:
        reload = house._spawn(["-d", house.dir, "reload"], stdout=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            reload.wait(3)
    finally:
        os.kill(pid, signal.SIGCONT)
    try:
        assert reload.wait(60) == 0
        with RawSmtp(house) as raw:
            assert "SIZE 66560" in raw.ehlo()
    finally:
        put_in_force(house, "smtp.max_size", OPTIONS["smtp.max_size"])


def test_talk_before_the_greeting(house):
    """S08: 554 and the end; whoever waits is greeted."""
    put_in_force(house, "smtp.greet_pause", "60s")
    try:
        with RawSmtp(house, greet=False) as raw:
            raw.send(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\n")
            assert raw.code() == 554 and raw.is_closed()
    finally:
        put_in_force(house, "smtp.greet_pause", OPTIONS["smtp.greet_pause"])
    with RawSmtp(house) as raw:
        assert raw.greeting[0] == 220


def test_slow_command(hasty):
    """S22: a line has one deadline, however its octets trickle in."""
    with RawSmtp(hasty) as raw:
        assert trickle(raw.sock, [b"NOOP "] + [b"x"] * 200), "it waits for every octet"
        assert b"421" in raw.is_closed()


def test_slow_data(hasty):
    with RawSmtp(hasty) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        assert raw.cmd("DATA")[0] == 354
        assert trickle(raw.sock, [b"x\r\n"] * 200), "it waits for every line"
        assert b"421" in raw.is_closed()


def test_slow_handshake(hasty):
    """S22: a handshake has a deadline, too, whether it begins with the connection or with STARTTLS."""
    # A record of 512 octets with a ClientHello, of which nothing is wrong but that it never ends.
    hello = [bytes([octet]) for octet in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)]

    def ends(sock):
        assert trickle(sock, hello), "it waits for every octet"
        try:
            return sock.recv(100) == b""
        except ConnectionError:
            return True

    with socket.create_connection(("127.0.0.1", hasty.port("submission")), 20) as sock:
        assert ends(sock)
    with RawSmtp(hasty) as raw:
        raw.ehlo()
        assert raw.cmd("STARTTLS")[0] == 220
        assert ends(raw.sock)
    with RawSmtp(hasty, "submission") as raw:   # a second client is served as ever
        raw.ehlo()


def test_slow_reader(hasty):
    """S23: what nobody reads is not made."""
    with RawSmtp(hasty) as raw:
        raw.sock.settimeout(3)
        try:
            for _ in range(100):
                raw.send(b"NOOP\r\n" * 1000)
        except OSError:
            pass
        assert hasty.room("smtpd")["rss_bytes"] < 400 << 20
        assert b"421" in raw.is_closed()


def test_stop_finishes_what_is_begun(house):
    """And what does not end is cut off by the room itself, before the supervisor has to."""
    with RawSmtp(house) as idle, RawSmtp(house) as busy, RawSmtp(house) as stuck:
        for raw in (busy, stuck):
            raw.ehlo()
            raw.envelope(JOE)
            assert raw.cmd("DATA")[0] == 354
            raw.send(b"Subject: x\r\n\r\nbegun-1\r\n")
        house.process.send_signal(signal.SIGTERM)
        assert idle.code() == 421 and idle.is_closed()
        busy.send(b".\r\n")
        assert [busy.code(), busy.code()] == [250, 421]
        assert house.process.wait(30) == 0
    assert "room.stop.late" not in house.log()
    house._forget_process()
    house.start()
    assert len([m for m in house.mail(JOE, PASSWORD) if b"begun-1" in m]) == 1
