# SPDX-License-Identifier: Apache-2.0
"""Rows S01, S05, S08, S10, S11, S14, S15, S25, S28 and S30 of docs/THREATS.md, against a running instance."""
import pytest

from rawsmtp import Closed, RawSmtp

JOE, PASSWORD = "joe@example.test", "Correct-horse-1"


@pytest.fixture(scope="module")
def house():
    from harness import Instance
    instance = Instance(conf={"smtp.max_errors": "1000"})
    try:
        instance.init().start()
        instance.add_domain("example.test")
        instance.add_mailbox(JOE, PASSWORD)
        yield instance
    except BaseException:
        instance.close(check=False)
        raise
    instance.close()


def inbox(house):
    return house.mail(JOE, PASSWORD)


def rss(house):
    return house.room("smtpd")["rss_bytes"]


SEQUENCES = [b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n",
             b"\r\n.\r\r\n", b"\r\r\n.\r\r\n"]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=[repr(s)[2:-1].replace("\\", "") for s in SEQUENCES])
def test_s01_smuggling(house, sequence):
    """One reply to DATA, 5xx, no message: what is no CRLF.CRLF ends nothing."""
    before = len(inbox(house))
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        assert raw.cmd("DATA")[0] == 354
        raw.send(b"Subject: a\r\n\r\nx" + sequence + b"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<joe@example.test>\r\n"
                 b"DATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n")
        assert 500 <= raw.code() < 600
        assert raw.cmd("NOOP")[0] == 250 and raw.cmd("DATA")[0] == 503
    assert len(inbox(house)) == before


@pytest.mark.parametrize("sequence", SEQUENCES, ids=[repr(s)[2:-1].replace("\\", "") for s in SEQUENCES])
def test_s01_in_chunks(house, sequence):
    before = len(inbox(house))
    body = b"Subject: a\r\n\r\nx" + sequence + b"MAIL FROM:<evil@elsewhere.test>\r\n"
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        raw.send(b"BDAT %d LAST\r\n" % len(body) + body)
        assert raw.code() == 554
        assert raw.cmd("NOOP")[0] == 250
    assert len(inbox(house)) == before


@pytest.mark.parametrize("more", [b"NOOP\r\n", b"EHLO evil\r\n", b"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<joe@example.test>\r\n"])
def test_s05_injection_before_the_handshake(house, more):
    """What was sent in clear behind STARTTLS is never executed, and EHLO has to come again."""
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.send(b"STARTTLS\r\n" + more)
        assert raw.code() == 220
        raw.start_tls_now()
        assert raw.cmd("MAIL FROM:<a@elsewhere.test>")[0] == 503
        assert "STARTTLS" not in raw.ehlo()
        assert raw.cmd("RCPT TO:<joe@example.test>")[0] == 503
        raw.envelope(JOE)


def test_s08_illegal_pipelining(house):
    mail = b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<joe@example.test>\r\n"
    before = len(inbox(house))
    with RawSmtp(house) as raw:
        raw.send(b"EHLO x\r\n" + mail + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        assert raw.code() == 554 and raw.is_closed()
    with RawSmtp(house) as raw:     # the body before 354
        raw.ehlo()
        raw.send(mail + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        assert [raw.code() for _ in range(3)] == [250, 250, 554] and raw.is_closed()
    with RawSmtp(house) as raw:     # what RFC 2920 allows
        raw.ehlo()
        raw.send(mail + b"DATA\r\n")
        assert [raw.code() for _ in range(3)] == [250, 250, 354]
        raw.send(b"Subject: x\r\n\r\nfair\r\n.\r\n" + mail + b"RSET\r\n" + mail + b"DATA\r\n")
        assert [raw.code() for _ in range(7)] == [250, 250, 250, 250, 250, 250, 354]
        raw.send(b"Subject: x\r\n\r\nfair\r\n.\r\nQUIT\r\n")
        assert [raw.code(), raw.code()] == [250, 221]
    assert len(inbox(house)) == before + 2


def test_s10_bdat_counts_exactly(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.send(b"BDAT 14\r\nNOOP\r\nNOOP\r\n\r\nNOOP\r\n")     # without MAIL: read off, never executed
        assert [raw.code(), raw.code()] == [503, 250]
        raw.send(b"BDAT 12 LAST\r\nQUIT\r\nQUIT\r\nNOOP\r\n")
        assert [raw.code(), raw.code()] == [503, 250]
        raw.envelope(JOE)
        raw.send(b"BDAT 12\r\nRSET\r\nRSET\r\nDATA\r\nNOOP\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\n")
        assert [raw.code() for _ in range(5)] == [250, 503, 250, 250, 503]
        raw.envelope(JOE)
        raw.send(b"BDAT 3\r\na\nbBDAT 6 LAST\r\nQUIT\r\n")       # refused within: the rest is read off too
        assert [raw.code(), raw.code()] == [554, 503]
        assert raw.cmd("BDAT 0 LAST")[0] == 503
        raw.envelope(JOE)
        assert raw.cmd("BDAT 0")[0] == 250 and raw.cmd("BDAT 0 LAST")[0] == 250


@pytest.mark.parametrize("size", ["18446744073709551615", "18446744073709551616", "-1", "1e3", "0x10", ""])
def test_s10_bdat_that_cannot_be_counted(house, size):
    """The end of the session: nothing behind it can be told from a message."""
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        raw.send(f"BDAT {size} LAST\r\nNOOP\r\nNOOP\r\n")
        assert 500 <= raw.code() < 560 and raw.is_closed() == b" "


def test_s10_many_small_chunks(house):
    with RawSmtp(house, timeout=60) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        before = rss(house)
        for _ in range(100):
            raw.send(b"BDAT 1\r\nx" * 500)
            assert [raw.code() for _ in range(500)] == [250] * 500
        assert rss(house) < before + (30 << 20)
        assert raw.cmd("BDAT 0 LAST")[0] == 250


@pytest.mark.parametrize("start", [b"", b"EHLO ", b"MAIL FROM:<", b"RCPT TO:<", b"AUTH PLAIN "])
def test_s11_overlong_command(house, start):
    with RawSmtp(house) as raw:
        before = rss(house)
        sent = 0
        try:
            raw.send(start)
            while sent < 10 << 20:
                raw.send(b"x" * 65536)
                sent += 65536
        except OSError:
            pass
        assert sent < 10 << 20, "it reads for ever"
        assert raw.is_closed() and rss(house) < before + (10 << 20)


def test_s11_overlong_address(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.cmd("EHLO " + "x" * 65000)[0] == 500
        assert raw.cmd("MAIL FROM:<" + "x" * 10000 + "@elsewhere.test>")[0] == 500
        assert raw.cmd("MAIL FROM:<" + "x" * 3000 + "@elsewhere.test>")[0] == 501
        assert raw.cmd("MAIL FROM:<a@elsewhere.test>")[0] == 250
        assert raw.cmd("RCPT TO:<" + "x" * 3000 + "@example.test>")[0] == 501


@pytest.mark.parametrize("where", ["body", "header"])
@pytest.mark.parametrize("octets, accepted", [(999, True), (65536, True), (65537, False), (10 << 20, False)])
def test_s14_overlong_lines(house, where, octets, accepted):
    """Lines of up to 65,536 octets arrive intact, longer ones are refused; nothing is ever cut."""
    line = b"L" * octets if where == "body" else b"X-Long: " + b"L" * (octets - 8)
    text = b"Subject: l\r\n\r\n" + line + b"\r\n" if where == "body" else b"Subject: l\r\n" + line + b"\r\n\r\nbody\r\n"
    before = inbox(house)
    with RawSmtp(house, timeout=60) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        assert raw.data(text + b".\r\n") == (250 if accepted else 554)
    after = inbox(house)
    assert len(after) == len(before) + accepted
    if accepted:
        assert after[-1].endswith(text)


def test_s15_nul(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        for line in (b"MAIL FROM:<a\0@elsewhere.test>", b"MAIL FROM:<a@elsewhere.test> ENVID=a+00b", b"MAIL FROM:<a@elsewhere.test>\0"):
            raw.send(line + b"\r\n")
            assert raw.code() == 501, line
        assert raw.cmd("MAIL FROM:<a@elsewhere.test>")[0] == 250
        for line in (b"RCPT TO:<joe\0@example.test>", b"RCPT TO:<joe@example.test\0.evil.test>", b"RCPT TO:<joe@example.test> ORCPT=rfc822;a+00b"):
            raw.send(line + b"\r\n")
            assert raw.code() == 501, line
        assert raw.cmd("RCPT TO:<joe@example.test>")[0] == 250
        before = len(inbox(house))
        assert raw.data(b"Sub\0ject: x\r\n\r\nx\r\n.\r\n") == 554
        raw.envelope(JOE)
        assert raw.data(b"Subject: x\r\n\r\nx\0y\r\n.\r\n") == 554
    assert len(inbox(house)) == before


def test_s25_rcpt_flood(house):
    """452 past the limit, then the end; memory stays where it was."""
    with RawSmtp(house, timeout=60) as raw:
        raw.ehlo()
        raw.cmd("MAIL FROM:<a@elsewhere.test>")
        before = rss(house)
        codes = []
        try:
            for turn in range(1000):
                raw.send(b"".join(b"RCPT TO:<%s@example.test>\r\n" % (b"joe" if turn % 20 == 19 else b"joe%d" % (100 * turn + i)) for i in range(100)))
                codes += [raw.code() for _ in range(100)]
        except (Closed, OSError):
            pass
        assert len(codes) < 3100 and rss(house) < before + (20 << 20)
    with RawSmtp(house, timeout=60) as raw:
        raw.ehlo()
        raw.cmd("MAIL FROM:<a@elsewhere.test>")
        raw.send(b"RCPT TO:<joe@example.test>\r\n" * 2001)
        codes = [raw.code() for _ in range(2001)]
        assert codes == [250] * 1000 + [452] * 1000 + [421] and raw.is_closed()


RELAY_FORMS = [
    "x@ext.test", '"x@ext.test"@example.test', "x%ext.test@example.test", "@example.test:x@ext.test",
    "@example.test,@other.test:x@ext.test", "ext.test!x@example.test", "x@ext.test@example.test", "x@[127.0.0.1]",
    "x@[IPv6:::1]", '"x@ext.test"', "x", "x@", "joe@example.test.", "@example.test", "", "joe@sub.example.test",
    "joe@example.tes", "joe@example.test@ext.test", '"joe@example.test"@ext.test', "joe@example.test%ext.test",
    "joe@ example.test", "joe @example.test", "joe@example.test,x@ext.test", "joe@example.test>,<x@ext.test",
    "joe@example.test\t", "joe@ext.test (example.test)", "joe(x)@example.test", "=?x?q?joe=40example.test?=@ext.test",
    "joe@xn--example-.test", "joe@127.0.0.1", "joe@localhost", "\\joe@ext.test", "joe@[example.test]", "ext.test!joe",
]


@pytest.mark.parametrize("sender", ["joe@example.test", "", "stranger@elsewhere.test"], ids=["local", "null", "foreign"])
def test_s28_open_relay(house, sender):
    """Only addresses that exist at exactly a hosted domain are accepted without a login."""
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.cmd(f"MAIL FROM:<{sender}>")[0] == 250
        for form in RELAY_FORMS:
            code, text = raw.cmd(f"RCPT TO:<{form}>")
            assert 500 <= code < 560, (form, code, text)
        for form in ("joe@example.test", "JOE@Example.TEST", '"joe"@example.test', "@ext.test:joe@example.test"):
            code, text = raw.cmd(f"RCPT TO:<{form}>")
            assert code == 250, (form, code, text)


CODE = [";id;", "$(id)", "../../x", "|cmd", "-oX", "`id`", "x'/**/UNION/**/SELECT/**/X'00'--", "%n%n%s", "a b", "\\\\x", "*", "${x}"]


@pytest.mark.parametrize("local", CODE)
def test_s30_address_as_code(house, local):
    """Opaque data: the mailbox of that name gets it, or nobody does."""
    quoted = '"%s"@example.test' % local.replace("\\", "\\\\")
    before = len(inbox(house))
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.cmd(f"MAIL FROM:<{quoted}>")[0] == 250
        assert raw.cmd(f"RCPT TO:<{quoted}>")[0] == 550
        assert raw.cmd(f"RCPT TO:<{JOE}>")[0] == 250
        assert raw.data(b"Subject: x\r\n\r\nx\r\n.\r\n") == 250
    after = inbox(house)
    assert len(after) == before + 1 and after[-1].startswith(b"Return-Path: <")
    assert after[-1].count(b"\r\nReceived: ") == 1


def test_s27_vrfy_expn_uniform(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        for verb in ("VRFY", "EXPN"):
            replies = {str(raw.cmd(f"{verb} {name}")) for name in (JOE, "nobody@example.test", "joe", "x@ext.test")}
            assert len(replies) == 1 and (("252" if verb == "VRFY" else "502") in replies.pop())


def test_http_is_sent_away(house):
    with RawSmtp(house) as raw:
        raw.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@elsewhere.test>\r\n")
        assert raw.code() == 421 and raw.is_closed() == b" "
