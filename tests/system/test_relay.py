# SPDX-License-Identifier: Apache-2.0
"""Delivery to other servers: bytes, capabilities, TLS, MX, and servers that say what none should (S06, S07, S12, F16)."""
import itertools
import time

import pytest

from harness import Instance, wait_until
from peers import FakeDns, FakeSmtp

PASSWORD = "Correct-horse-7"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def dns():
    with FakeDns({("sender.test", "MX"): []}) as server:
        yield server


@pytest.fixture(scope="module")
def mx_sink():
    with FakeSmtp() as sink:
        yield sink


@pytest.fixture(scope="module")
def instance(dns, mx_sink):
    conf = {"dns.servers": dns.address, "relay.port": mx_sink.port, "relay.private_mx": "true",
            "queue.retry_first": "1s", "queue.retry_max": "2s", "queue.probe": "500ms", "relay.timeout": "3s"}
    it = Instance(conf=conf)
    try:
        it.init().start()
        it.add_domain("sender.test")
        it.add_mailbox("joe@sender.test", PASSWORD)
        yield it
        it.close()
    except BaseException:
        it.close(check=False)
        raise


def gateway(instance, sink, *more):
    """A new gateway domain whose server is sink, with a known address in it."""
    domain = f"d{next(numbers)}.test"
    instance.add_domain(domain, "gateway", sink.address, "acme", *more)
    instance.add_mailbox(f"mary@{domain}", None)
    return f"mary@{domain}"


def send(instance, to, text=b"Subject: x\r\n\r\nbody\r\n", sender="a@elsewhere.test", **more):
    with instance.smtp() as smtp:
        smtp.sendmail(sender, [to] if isinstance(to, str) else to, text, **more)


def submit(instance, to, text=b"From: joe@sender.test\r\nSubject: x\r\n\r\nbody\r\n", **more):
    with instance.submission("joe@sender.test", PASSWORD) as smtp:
        smtp.sendmail("joe@sender.test", [to], text, **more)


def arrived(sink, to, count=1, seconds=60):
    return wait_until(lambda: len(sink.to(to)) >= count and sink.to(to), seconds, f"{count} messages for {to}")


def queued(instance, domain):
    return instance.json("queue", "list", "--domain", domain)["items"]


def waits(instance, to, pattern, seconds=60):
    """The message's last error once it holds the pattern."""
    domain = to.split("@")[1]
    return wait_until(lambda: next((m["error"] for m in queued(instance, domain) if pattern in m["error"]), None),
                      seconds, f"{pattern!r} as error of {to}: {queued(instance, domain)}", every=0.1)


def bounce(instance, about, seconds=60):
    """The text of the notification that names an address, from joe's mailbox."""
    def find():
        for text in instance.mail("joe@sender.test", PASSWORD):
            if b"multipart/report" in text and about.encode() in text:
                return text
        return None
    return wait_until(find, seconds, f"a bounce about {about}", every=0.2)


# -- bytes ---------------------------------------------------------------------

BODIES = [b".\r\n", b"..\r\n.\r\n...\r\n", b"no line end", b"\r\n\r\n", b"8-bit \xc3\xa4\xff\x80\r\n", b"x" * 990 + b"\r\n",
          b".leading\r\n" * 1000, b"a" * 300000 + b"\r\n"]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_bytes_arrive_as_they_came(instance, mx_sink, body):
    to = gateway(instance, mx_sink)
    text = b"Subject: bytes\r\n\r\n" + body
    if len(body) > 200000:
        text = b"Subject: bytes\r\n\r\n" + b"\r\n".join([b"y" * 900] * 4000) + b"\r\n"
    send(instance, to, text)
    got = arrived(mx_sink, to)[0].data
    assert got.endswith(text if text.endswith(b"\r\n") else text + b"\r\n")
    assert got.count(b"\nReceived:") + got.startswith(b"Received:") == 1


def test_a_stream_of_messages_shares_connections(instance):
    with FakeSmtp() as sink:
        to = gateway(instance, sink)
        with instance.smtp() as smtp:
            for i in range(50):
                smtp.sendmail("a@elsewhere.test", [to], b"Subject: %d\r\n\r\nx\r\n" % i)
        got = arrived(sink, to, 50)
        assert len({m.data.split(b"Subject: ")[1] for m in got}) == 50
        assert sink.sessions <= 21      # never more at a time than queue.per_host, and each used again
        assert sink.commands.count(b"EHLO mail.example.test\r\n") == sink.sessions


def test_recipients_of_one_server_share_a_transaction(instance):
    with FakeSmtp(answers={"RCPT": lambda line: b"550 5.1.1 no\r\n" if b"mary" in line else None}) as sink:
        to = gateway(instance, sink)
        other = to.replace("mary", "max")
        instance.add_mailbox(other, None)
        send(instance, [to, other])
        assert arrived(sink, other)[0].recipients == [other]
        assert len([c for c in sink.commands if c.startswith(b"MAIL")]) == 1


@pytest.mark.parametrize("capabilities", [(), ("PIPELINING",), ("SIZE", "DSN", "8BITMIME", "SMTPUTF8")])
def test_capabilities(instance, capabilities):
    with FakeSmtp(capabilities=capabilities) as sink:
        to = gateway(instance, sink)
        send(instance, to, b"Subject: x\r\n\r\n\xc3\xa4\r\n", mail_options=["BODY=8BITMIME"])
        arrived(sink, to)
        mail = next(c for c in sink.commands if c.startswith(b"MAIL"))
        assert (b"BODY=8BITMIME" in mail) == ("8BITMIME" in capabilities)
        assert (b"SIZE=" in mail) == ("SIZE" in capabilities)


def test_helo_only(instance):
    with FakeSmtp(answers={"EHLO": b"502 no\r\n"}) as sink:
        to = gateway(instance, sink)
        send(instance, to)
        arrived(sink, to)
        assert b"HELO mail.example.test\r\n" in sink.commands


def test_too_big_for_the_server_bounces_without_being_sent(instance, dns, mx_sink):
    with FakeSmtp(capabilities=("SIZE 1000",)) as sink:
        to = gateway(instance, sink)
        submit(instance, to, b"From: joe@sender.test\r\n\r\n" + b"x" * 100 + b"\r\n" + b"\r\n".join([b"y" * 70] * 20))
        assert b"5.3.4" in bounce(instance, to)
        assert not sink.messages


# -- TLS -------------------------------------------------------------------------

def certificate(instance):
    return instance.dir + "/tls/cert.pem", instance.dir + "/tls/key.pem"


def test_tls_is_used_where_it_is_offered(instance):
    with FakeSmtp(certificate=certificate(instance)) as sink:
        to = gateway(instance, sink)
        send(instance, to)
        assert arrived(sink, to)[0].tls


def test_tls_none(instance):
    with FakeSmtp(certificate=certificate(instance)) as sink:
        to = gateway(instance, sink, "--server-tls", "none")
        send(instance, to)
        assert not arrived(sink, to)[0].tls


def test_broken_tls_falls_back_where_it_is_a_wish(instance):
    with FakeSmtp(capabilities=("STARTTLS",), answers={"STARTTLS": b"220 go\r\n250-EVIL\r\n250 SIZE 1\r\n"}) as sink:
        sink.context = None
        to = gateway(instance, sink)
        send(instance, to)
        assert not arrived(sink, to, seconds=60)[0].tls


def forget(instance, to):
    """Its next attempt may be under way: then the queue says so, and gives it away a moment later."""
    number = str(queued(instance, to.split("@")[1])[0]["id"])
    wait_until(lambda: instance.try_cli("queue", "remove", number).returncode == 0, 60, "the message to be removed")


@pytest.mark.parametrize("wish", ["required", "verified"])
@pytest.mark.parametrize("answers, offered", [
    ({}, False), ({"STARTTLS": b"454 4.7.0 no\r\n"}, True), ({"STARTTLS": b"554 no\r\n"}, True),
    ({"STARTTLS": b"220 go\r\n250 injected\r\n"}, True), ({"STARTTLS": b"354 what\r\n"}, True),
])
def test_required_tls_is_never_done_without(instance, wish, answers, offered):
    with FakeSmtp(capabilities=("STARTTLS",) if offered else (), answers=answers) as sink:
        to = gateway(instance, sink, "--server-tls", wish)
        send(instance, to)
        waits(instance, to, "4.")
        assert not sink.messages
        assert not any(c.startswith(b"MAIL") for c in sink.commands)
        forget(instance, to)


def test_verified_tls_refuses_a_certificate_that_nobody_signed(instance):
    with FakeSmtp(certificate=certificate(instance)) as sink:
        to = gateway(instance, sink, "--server-tls", "verified")
        send(instance, to)
        waits(instance, to, "TLS handshake")
        assert not sink.messages
        forget(instance, to)


# -- what no server should say (S12) ---------------------------------------------

HOSTILE = {
    "greeting without end": {"CONNECT": b"220 " + b"x" * 200000},
    "ehlo without end": {"EHLO": b"250-x\r\n" * 20000},
    "code only": {"CONNECT": b"220\r\n", "EHLO": b"25\r\n"},
    "nul": {"CONNECT": b"220 \0\0\0\r\n", "MAIL": b"\0\0\0\r\n"},
    "http": {"CONNECT": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"},
    "mixed codes": {"EHLO": b"250-a\r\n550 b\r\n"},
    "truncated status": {"RCPT": b"450 4.1.\r\n"},
    "greeting 354": {"CONNECT": b"354 go\r\n"},
    "data 250": {"DATA": b"250 kept?\r\n"},
    "final 354": {"END": b"354 more\r\n"},
    "hangs up": {"CONNECT": b""},
    "hangs up at RCPT": {"RCPT": b""},
    "says nothing": {"CONNECT": lambda line: time.sleep(6)},
    "drips": {"MAIL": lambda line: time.sleep(6)},
    "ansi and lines": {"RCPT": b"450-a\nsender: root\r\n450 \x1b[31m<script>\r\n"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_replies_mean_later(instance, name):
    with FakeSmtp(answers=HOSTILE[name]) as sink:
        to = gateway(instance, sink)
        send(instance, to)
        error = waits(instance, to, "4.")
        assert "\x1b" not in error and "\n" not in error
        sink.answers.clear()            # and once it behaves, the mail goes
        instance.cli("queue", "flush", "--domain", to.split("@")[1])
        arrived(sink, to)
    assert instance.room("relay")["restarts"] == 0


# -- MX ----------------------------------------------------------------------------

def test_mx_in_order_and_past_one_that_refuses(instance, dns, mx_sink):
    dns.records |= {("b.test", "MX"): [(20, "mx2.b.test"), (10, "mx1.b.test")], ("mx1.b.test", "A"): ["127.0.0.9"],
                    ("mx2.b.test", "A"): ["127.0.0.1"]}
    submit(instance, "x@b.test")
    arrived(mx_sink, "x@b.test")


def test_a_domain_without_mx_is_its_own_host(instance, dns, mx_sink):
    dns.records |= {("c.test", "A"): ["127.0.0.1"]}
    submit(instance, "x@c.test")
    arrived(mx_sink, "x@c.test")


def test_null_mx_bounces_at_once(instance, dns, mx_sink):
    dns.records |= {("null.test", "MX"): [(0, "")], ("null.test", "A"): ["127.0.0.1"]}
    submit(instance, "x@null.test")
    text = bounce(instance, "x@null.test")
    assert b"5.1.10" in text and b"null MX" in text
    assert not mx_sink.to("x@null.test")


def test_a_domain_that_does_not_exist_bounces(instance):
    submit(instance, "x@nowhere.test")
    assert b"5.1.2" in bounce(instance, "x@nowhere.test")


def test_an_mx_of_our_own_name_is_a_loop(instance, dns, mx_sink):
    dns.records |= {("loop.test", "MX"): [(10, "mail.example.test"), (20, "mx2.b.test")],
                    ("mail.example.test", "A"): ["127.0.0.1"], ("mx2.b.test", "A"): ["127.0.0.1"]}
    submit(instance, "x@loop.test")
    assert b"5.4.6" in bounce(instance, "x@loop.test")
    dns.records |= {("backup.test", "MX"): [(10, "mx2.b.test"), (20, "mail.example.test")]}
    submit(instance, "x@backup.test")
    arrived(mx_sink, "x@backup.test")


def test_a_server_with_our_name_is_a_loop(instance):
    with FakeSmtp(answers={"CONNECT": b"220 mail.example.test ESMTP\r\n"}) as sink:
        to = gateway(instance, sink)
        send(instance, to)
        waits(instance, to, "loops back")
        forget(instance, to)


@pytest.mark.parametrize("trouble", ["SERVFAIL", "DROP"])
def test_dns_trouble_means_later(instance, dns, mx_sink, trouble):
    domain = f"{trouble.lower()}.test"
    dns.records |= {(domain, "MX"): trouble}
    submit(instance, f"x@{domain}")
    waits(instance, f"x@{domain}", "4.4.3")
    dns.records |= {(domain, "MX"): [(10, "mx2.b.test")], ("mx2.b.test", "A"): ["127.0.0.1"]}
    instance.cli("queue", "flush", "--domain", domain)
    arrived(mx_sink, f"x@{domain}")


def test_private_addresses_of_an_mx_are_not_connected(make_postern):
    addresses = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "192.168.1.1", "100.64.0.1", "172.31.0.1"]
    with FakeDns() as dns, FakeSmtp() as sink:
        for i, address in enumerate(addresses):
            dns.records |= {(f"p{i}.test", "MX"): [(10, f"mx.p{i}.test")], (f"mx.p{i}.test", "A"): [address]}
        dns.records |= {("v6.test", "MX"): [(10, "mx.v6.test")], ("mx.v6.test", "AAAA"): ["::1", "fe80::1", "::ffff:127.0.0.1"]}
        it = make_postern(conf={"dns.servers": dns.address, "relay.port": sink.port}).init().start()
        it.add_domain("sender.test")
        it.add_mailbox("joe@sender.test", PASSWORD)
        for domain in [f"p{i}.test" for i in range(len(addresses))] + ["v6.test"]:
            submit(it, f"x@{domain}")
            waits(it, f"x@{domain}", "private")
        assert sink.sessions == 0
