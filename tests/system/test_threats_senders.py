# SPDX-License-Identifier: Apache-2.0
"""Rows S34 to S37 of docs/THREATS.md: who a message says it is from, whom we tell of failures, and mail in circles."""
import itertools

import pytest

from harness import Instance, wait_until
from peers import FakeDns, FakeSmtp
from rawsmtp import RawSmtp

JOE, MARY, BOSS, PASSWORD = "joe@example.test", "mary@example.test", "boss@example.test", "Correct-horse-1"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def sink():
    with FakeSmtp() as server:
        yield server


@pytest.fixture(scope="module")
def house(sink):
    with FakeDns() as dns:
        it = Instance(conf={"dns.servers": dns.address, "relay.private_mx": "true", "smtp.max_errors": "1000"})
        try:
            it.init().start()
            it.add_domain("example.test")
            it.add_domain("alternate.test")
            it.add_domain("foreign.test", customer="other")
            for who in (JOE, MARY, BOSS, "eve@foreign.test", "any@alternate.test"):
                it.add_mailbox(who, PASSWORD)
            it.cli("mailbox", "set", "any@alternate.test", "--send-any")
            it.cli("address", "add", "joe.smith@example.test", "--type", "alias", "--to", JOE)
            it.cli("address", "add", "joe@alternate.test", "--type", "alias", "--to", JOE)
            it.cli("address", "add", "team@example.test", "--type", "list", "--to", JOE, "--to", MARY)
            it.add_domain("gateway.test", "gateway", sink.address)
            it.add_mailbox("gina@gateway.test", PASSWORD)
            yield it
            it.close()
        except BaseException:
            it.close(check=False)
            raise


def data(raw, header):
    header = header.encode() if isinstance(header, str) else header
    assert raw.cmd("DATA")[0] == 354
    raw.send(header + b"\r\nSubject: s34\r\n\r\nbody\r\n.\r\n")
    return raw.reply()


# -- S34: who wrote it, read in one way or not at all ------------------------------

UNCLEAR = {
    "two": "From: a@a.test\r\nFrom: b@b.test",
    "two of one": "From: a@a.test\r\nfrom: a@a.test",
    "blank before the name": " From: a@a.test",
    "blank before it, behind another": "From: a@a.test\r\n From: b@b.test",
    "tab before it": "\tFrom: b@b.test\r\nFrom: a@a.test",
    "blank before the colon": "From : a@a.test",
    "the same beside a right one": "From : b@b.test\r\nFrom: a@a.test",
    "tab before the colon": "From\t: a@a.test",
    "folded name": "From\r\n : a@a.test",
    "list of two domains": "From: a@a.test, b@b.test",
    "group of two domains": "From: friends: a@a.test, b@b.test;",
    "encoded address": "From: =?utf-8?q?boss=40b.test=2C?=@a.test",
    "encoded in angles": "From: <=?utf-8?q?boss=40b.test?=@a.test>",
    "route": "From: <@a.test:b@b.test>",
    "backslash": "From: a\\,b@b.test",
    "behind the angle": "From: <a@a.test>b@b.test",
    "two angles": "From: <a@a.test><b@b.test>",
    "address as a name": "From: a@a.test <b@b.test>",
    "two at": "From: a@a.test@b.test",
    "comment in it": "From: a(x)@b.test",
    "open quote": "From: \"a <a@a.test>",
    "open comment": "From: (a <a@a.test>",
    "nested": "From: a <<a@a.test>>",
    "hundred and one": "From: " + ", ".join(f"a{i}@a.test" for i in range(101)),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_s34_unclear(house, case):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        code, text = data(raw, UNCLEAR[case])
    assert code == 550 and text[0].startswith("5.6.0"), (code, text)


CLEAR = [
    "From: a@a.test", "From: A <a@a.test>\r\nSender: b@b.test\r\nResent-From: c@c.test", "from:a@a.test (A)",
    "From: \"Boss, A.\" <a@a.test>", "From:\r\n A <a@a.test>", "From: =?utf-8?q?boss=40b.test?= <a@a.test>",
    "From: a@a.test, b@a.test", "From: undisclosed:;", "From: MAILER-DAEMON", "X-From: a@a.test, b@b.test", "X: y",
    "From: " + ", ".join(f"a{i}@a.test" for i in range(100)),
]


@pytest.mark.parametrize("header", CLEAR, ids=[h[:40] for h in CLEAR])
def test_s34_clear(house, header):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE)
        assert data(raw, header)[0] == 250


# -- S35: whoever logged in writes as himself --------------------------------------

def submit(house, header, sender=JOE, user=JOE):
    with RawSmtp(house, "submission") as raw:
        raw.ehlo()
        assert raw.auth(user, PASSWORD) == 235
        code, text = raw.cmd(f"MAIL FROM:<{sender}>")
        if code != 250:
            return code, text[0]
        assert raw.cmd(f"RCPT TO:<{MARY}>")[0] == 250
        code, text = data(raw, header)
        return code, text[0]


FOREIGN = {
    "foreign envelope": (f"From: {JOE}", BOSS),
    "list as envelope": (f"From: {JOE}", "team@example.test"),
    "From": f"From: {BOSS}",
    "From elsewhere": "From: boss@elsewhere.test",
    "named From": f"From: Joe <{BOSS}>",
    "folded From": f"From: Joe\r\n <{BOSS}>",
    "two From": f"From: {JOE}\r\nFrom: {BOSS}",
    "two From, own ones": f"From: {JOE}\r\nFrom: {JOE}",
    "list": f"From: {JOE}, {BOSS}",
    "list, the other way": f"From: {BOSS}, {JOE}",
    "group": f"From: {BOSS}:{JOE};",
    "group with him": f"From: us: {JOE}, {BOSS};",
    "Sender": f"From: {JOE}\r\nSender: {BOSS}",
    "Resent-From": f"From: {JOE}\r\nResent-From: {BOSS}",
    "Resent-Sender": f"From: {JOE}\r\nResent-From: {JOE}\r\nResent-Sender: {BOSS}",
    "second Resent-From": f"From: {JOE}\r\nResent-From: {JOE}\r\nResent-From: {BOSS}",
    "unclear Sender": f"From: {JOE}\r\nSender: {JOE} {BOSS}",
    "no From": "To: mary@example.test",
    "no From but Sender": f"Sender: {JOE}",
    "no address": "From: Joe",
    "empty group": "From: us:;",
    "name is an address": f"From: \"{BOSS}\" <{JOE}>",
    "name is an address, encoded": f"From: =?utf-8?q?boss=40example=2Etest?= <{JOE}>",
    "name is an address, in base64": f"From: =?utf-8?b?Ym9zc0BleGFtcGxlLnRlc3Q=?= <{JOE}>",
    "blank before the colon": f"From : {BOSS}\r\nFrom: {JOE}",
    "blank before the name": f" From: {BOSS}\r\nFrom: {JOE}",
    "encoded address": "From: =?utf-8?q?boss?=@example.test",
    "atom split": "From: \"boss@example.test x\"@example.test",
    "literal": "From: joe@[127.0.0.1]",
    "other customer": "From: eve@foreign.test",
    "list address": "From: team@example.test",
}


@pytest.mark.parametrize("case", FOREIGN)
def test_s35_refused(house, case):
    header, sender = FOREIGN[case] if isinstance(FOREIGN[case], tuple) else (FOREIGN[case], JOE)
    before = len(house.mail(MARY, PASSWORD))
    code, text = submit(house, header, sender)
    assert code == 550 and text.startswith(("5.7.1", "5.6.0")), (code, text)
    if text.startswith("5.7.1") and BOSS in header and case != "atom split":
        assert f"<{BOSS}>" in text      # which one it is
    assert len(house.mail(MARY, PASSWORD)) == before


OWN = {
    "himself": (f"From: {JOE}", JOE),
    "other case": ("From: Joe <JOE@Example.TEST>", "Joe@example.test"),
    "alias": ("From: joe.smith@example.test\r\nSender: joe@example.test", "joe.smith@example.test"),
    "alias in another domain": ("From: joe@alternate.test", JOE),
    "sub-address": ("From: joe+shop@example.test", "joe+shop@example.test"),
    "null sender": (f"From: {JOE}", ""),
    "several of his own": (f"From: {JOE}, joe.smith@example.test\r\nSender: {JOE}", JOE),
    "his address as a name": (f"From: \"{JOE}\" <{JOE}>", JOE),
    "group": (f"From: us: {JOE};", JOE),
    "resent": (f"From: {JOE}\r\nResent-From: {JOE}\r\nResent-Sender: {JOE}", JOE),
}


@pytest.mark.parametrize("case", OWN)
def test_s35_his_own(house, case):
    header, sender = OWN[case]
    assert submit(house, header, sender)[0] == 250


def test_s35_the_provider_frees_an_account_for_its_customers_domains(house):
    assert submit(house, f"From: {BOSS}\r\nSender: nobody@example.test", MARY, "any@alternate.test")[0] == 250
    assert submit(house, "From: eve@foreign.test", MARY, "any@alternate.test")[0] == 550
    assert submit(house, "From: x@elsewhere.test", MARY, "any@alternate.test")[0] == 550
    house.cli("mailbox", "set", "any@alternate.test", "--send-any=false")
    assert submit(house, f"From: {BOSS}", "any@alternate.test", "any@alternate.test")[0] == 550


def test_s35_a_right_that_ends_while_the_data_comes(house):
    house.cli("address", "add", "was@example.test", "--type", "alias", "--to", JOE)
    with RawSmtp(house, "submission") as raw:
        raw.ehlo()
        raw.auth(JOE, PASSWORD)
        raw.envelope(MARY, sender="was@example.test")
        assert raw.cmd("DATA")[0] == 354
        house.cli("address", "remove", "was@example.test")
        raw.send(f"From: {JOE}\r\n\r\nx\r\n.\r\n")
        code, text = raw.reply()
    assert code == 550 and "<was@example.test>" in text[0]


# -- S36: no word to senders whom nobody has proved ---------------------------------

def counters(house):
    found = house.room("queue")["counters"]
    return found["notifications"], found["notifications.withheld"]


def strange(house, rcpt, body=b"From: a@victim.test\r\n\r\nx\r\n.\r\n", params=""):
    """The code of RCPT, and of the end of the data where it came to that."""
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.cmd("MAIL FROM:<a@victim.test>")[0] == 250
        codes = [raw.cmd(f"RCPT TO:<{rcpt}>{params}")[0]]
        if codes[0] == 250:
            codes.append(raw.data(body))
        return codes


def test_s36_unknown_and_full_are_refused_in_the_session(house):
    before = counters(house)
    house.add_mailbox("full@example.test", PASSWORD, "--quota", "20K")
    assert strange(house, "nobody@example.test") == [550]
    assert strange(house, "nobody+x@example.test") == [550]
    big = b"From: a@victim.test\r\n\r\n" + (b"y" * 70 + b"\r\n") * 600 + b".\r\n"
    assert strange(house, "full@example.test", big)[-1] in (452, 552)
    assert counters(house) == before
    assert not house.json("queue", "list")["items"]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
def test_s36_what_the_next_server_refuses_is_not_told(house, sink, verb):
    sink.answers[verb] = b"550 5.7.1 infected, or unknown, or full\r\n"
    sink.answers["RCPT"] = sink.answers.get("RCPT")
    try:
        before = counters(house)
        count = 1
        assert strange(house, "gina@gateway.test", params=" NOTIFY=FAILURE,DELAY") == [250, 250]
        wait_until(lambda: counters(house)[1] == before[1] + count, 15, "the refusal")
        wait_until(lambda: not house.json("queue", "list")["items"], 15, "an empty queue")
        assert counters(house)[0] == before[0]
    finally:
        sink.answers.clear()


def test_s36_the_provider_may_tell(house, sink):
    """queue remove --bounce is an order: somebody has looked at this message."""
    def waiting():
        found = house.json("queue", "list", "--state", "deferred")["items"]
        return [m["id"] for m in found if m["sender"] == "a@victim.test"]

    sink.answers["RCPT"] = b"451 4.3.0 later\r\n"
    try:
        for more, told in ((), 0), (("--bounce",), 1):
            assert strange(house, "gina@gateway.test") == [250, 250]
            message = wait_until(waiting, 15, "the message that waits")[0]
            before = counters(house)
            house.cli("queue", "remove", message, *more)
            assert counters(house) == (before[0] + told, before[1])
    finally:
        sink.answers.clear()


def test_s36_who_logged_in_is_told(house, sink):
    sink.answers["RCPT"] = b"550 5.1.1 unknown\r\n"
    try:
        with house.submission(JOE, PASSWORD) as smtp:
            smtp.sendmail(JOE, ["gina@gateway.test"], f"From: {JOE}\r\n\r\ntold-36\r\n".encode())
        wait_until(lambda: any(b"told-36" in m and b"multipart/report" in m for m in house.mail(JOE, PASSWORD)), 15,
                   "the bounce")
    finally:
        sink.answers.clear()
