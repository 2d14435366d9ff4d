# SPDX-License-Identifier: Apache-2.0
"""Limits of the SMTP server at their value and one past it, time, stop and reload."""
import signal
import socket
import time

import pytest

from rawsmtp import RawSmtp

JOE, PASSWORD = "joe@example.test", "Correct-horse-1"
OPTIONS = {"smtp.max_size": "64K", "smtp.max_recipients": "100", "smtp.max_errors": "10", "smtp.timeout": "2s",
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
        if over:
            assert raw.code() == 552 and raw.is_closed()
        else:
            assert raw.code() == 250 and raw.cmd("NOOP")[0] == 250


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
        with RawSmtp(house) as raw:
            assert raw.greeting[0] == 421 and raw.is_closed()
        open_ones.pop().close()
        time.sleep(0.2)
        with RawSmtp(house) as raw:
            assert raw.greeting[0] == 220
    finally:
        for raw in open_ones:
            raw.close()
        time.sleep(0.2)


def test_limits_follow_a_reload(house):
    house.set_option("limits.per_address", "1")
    house.cli("reload")
    try:
        with RawSmtp(house) as first:
            assert first.greeting[0] == 220
            with RawSmtp(house) as second:
                assert second.greeting[0] == 421
    finally:
        house.set_option("limits.per_address", OPTIONS["limits.per_address"])
        house.cli("reload")
        time.sleep(0.2)


def test_talk_before_the_greeting(house):
    """S08: 554 and the end; whoever waits is greeted."""
    with RawSmtp(house, greet=False) as raw:
        raw.send(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\n")
        assert raw.code() == 554 and raw.is_closed()
    with RawSmtp(house) as raw:
        assert raw.greeting[0] == 220


def test_slow_command(house):
    """S22: a line has one deadline, however its octets trickle in."""
    with RawSmtp(house) as raw:
        start = time.monotonic()
        try:
            for octet in b"NOOP xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":
                raw.send(bytes([octet]))
                time.sleep(0.3)
        except OSError:
            pass
        assert b"421" in raw.is_closed() and time.monotonic() - start < 15


def test_slow_data(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        assert raw.cmd("DATA")[0] == 354
        try:
            for _ in range(20):
                raw.send(b"x\r\n")
                time.sleep(0.3)
        except OSError:
            pass
        assert b"421" in raw.is_closed()


def test_slow_handshake(house):
    """S22: a handshake has a deadline, too, whether it begins with the connection or with STARTTLS."""
    def trickle(sock):
        start = time.monotonic()
        sock.settimeout(0.3)
        while time.monotonic() - start < 15:
            try:
                sock.sendall(b"\x16")
                if sock.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        return time.monotonic() - start

    sock = socket.create_connection(("127.0.0.1", house.port("submission")), 20)
    assert trickle(sock) < 10
    sock.close()
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.cmd("STARTTLS")[0] == 220
        assert trickle(raw.sock) < 10
    with RawSmtp(house, "submission") as raw:   # a second client is served as ever
        raw.ehlo()


def test_slow_reader(house):
    """S23: what nobody reads is not made."""
    with RawSmtp(house) as raw:
        raw.sock.settimeout(3)
        try:
            for _ in range(100):
                raw.send(b"NOOP\r\n" * 1000)
        except OSError:
            pass
        assert house.room("smtpd")["rss_bytes"] < 400 << 20
        assert b"421" in raw.is_closed()


def test_stop_finishes_what_is_begun(house):
    with RawSmtp(house) as idle, RawSmtp(house) as busy:
        busy.ehlo()
        busy.envelope(JOE)
        assert busy.cmd("DATA")[0] == 354
        busy.send(b"Subject: x\r\n\r\nbegun-1\r\n")
        house.process.send_signal(signal.SIGTERM)
        assert idle.code() == 421 and idle.is_closed()
        busy.send(b".\r\n")
        assert [busy.code(), busy.code()] == [250, 421]
    assert house.process.wait(15) == 0
    house._forget_process()
    house.start()
    assert any(b"begun-1" in m for m in house.mail(JOE, PASSWORD))
