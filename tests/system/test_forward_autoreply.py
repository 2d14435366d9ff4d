# SPDX-License-Identifier: Apache-2.0
"""M16, M28: mailboxes that pass mail on and reply by themselves, between two dates of a time zone."""
import datetime
import email
import email.policy
import zoneinfo

import pytest

from harness import wait_until
from peers import FakeSmtp
from peers.elsewhere import instance_with_elsewhere
from rawsmtp import RawSmtp

PASSWORD = "Correct-horse-1"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def sink():
    with FakeSmtp() as server:
        yield server


@pytest.fixture(scope="module")
def house(sink):
    with instance_with_elsewhere(sink) as it:
        yield it


@pytest.fixture(autouse=True)
def empty(sink):
    sink.messages.clear()


def box(house, name):
    house.add_mailbox(f"{name}@example.test", PASSWORD)
    return f"{name}@example.test"


def send(house, to, subject="hello", sender="ann@a.test", header=b""):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(to, sender=sender)
        return raw.data(header + f"From: {sender or 'x@a.test'}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nx\r\n.\r\n".encode())


def at(house, *when):
    house.travel_to(datetime.datetime(*when, tzinfo=BERLIN))


def outgoing(sink, count, seconds=60):
    """Without our own notices, which are passed on as well."""
    def found():
        return [m for m in sink.messages if b"Auto-Submitted: auto-generated" not in m.data]
    wait_until(lambda: len(found()) >= count, seconds, f"{count} messages")
    messages = found()
    assert len(messages) == count, messages
    sink.messages.clear()
    return messages


def quiet(house, sink):
    """Nothing went out: what comes behind it went out alone."""
    probe = "probe@example.test"
    if house.try_cli("mailbox", "show", probe).returncode:
        box(house, "probe")
        house.cli("forward", "set", probe, "--to", "probe@far.test")
    assert send(house, probe, "probe") == 250
    assert [m.recipients for m in outgoing(sink, 1)] == [["probe@far.test"]]


def mine(house, user):
    """Mail of others; the notices about changes are not counted."""
    return [m for m in house.mail(user, PASSWORD) if b"From: ann@a.test" in m or b"From: bea@a.test" in m]


def test_forward_with_and_without_a_copy(house, sink):
    to = box(house, "f1")
    shown = house.json("forward", "set", to, "--to", "dan@far.test", "--to", "eve@far.test")
    assert shown["to"] == ["dan@far.test", "eve@far.test"] and not shown["keep"]
    assert 'redirect "dan@far.test";' in shown["script"] and "stop;" in shown["script"]
    assert send(house, to) == 250
    found = outgoing(sink, 2)
    assert sorted(m.recipients[0] for m in found) == ["dan@far.test", "eve@far.test"]
    assert all(m.sender.startswith("SRS0=") and m.data.startswith(b"Delivered-To: f1@example.test\r\n") for m in found)
    assert not mine(house, to)
    house.cli("forward", "set", to, "--to", "dan@far.test", "--keep")
    assert send(house, to) == 250
    outgoing(sink, 1)
    assert len(mine(house, to)) == 1
    house.cli("forward", "remove", to)
    assert send(house, to) == 250
    assert len(mine(house, to)) == 2
    assert house.json("forward", "show", to)["to"] == []
    quiet(house, sink)


def test_the_user_is_told_that_mail_goes_elsewhere(house):
    to = box(house, "f2")
    house.cli("forward", "set", to, "--to", "dan@far.test", "--keep")
    message = house.wait_mail(to, PASSWORD, 1)[0]
    assert b"dan@far.test" in message and b"Auto-Submitted:" in message


def test_circles_are_refused(house):
    a, b, c = box(house, "c1"), box(house, "c2"), box(house, "c3")
    house.cli("address", "add", "alias-c1@example.test", "--type", "alias", "--to", a)
    assert a in house.refused("forward", "set", a, "--to", a)
    assert a in house.refused("forward", "set", a, "--to", "alias-c1@example.test")
    house.cli("forward", "set", a, "--to", b)
    house.cli("forward", "set", b, "--to", c)
    why = house.refused("forward", "set", c, "--to", "dan@far.test", "--to", a)
    assert "come back" in why and c in why
    assert house.json("forward", "show", c)["to"] == []


@pytest.mark.parametrize("args, field", [
    (("--start", "2027-02-02", "--end", "2027-02-01"), "last day"), (("--zone", "Mars/Olympus"), "Mars/Olympus"),
])
def test_wrong_dates_and_zones_are_named(house, args, field):
    if house.try_cli("mailbox", "show", "w1@example.test").returncode:
        box(house, "w1")
    assert field in house.refused("forward", "set", "w1@example.test", "--to", "dan@far.test", *args)
    assert field in house.refused("autoreply", "set", "w1@example.test", "--text", "x", *args)


@pytest.mark.parametrize("option", ["--start", "--end"])
@pytest.mark.parametrize("day", ["2026-13-01", "2027-02-29", "soon", "24.12.2026", ""])
def test_a_day_that_is_none(house, option, day):
    for words in (("forward", "set", "w1@example.test", "--to", "dan@far.test"), ("autoreply", "set", "w1@example.test", "--text", "x")):
        done = house.try_cli(*words, option, day)
        assert done.returncode == 2 and f"{option}: expected a day such as 2026-12-24" in done.stderr and day in done.stderr


def test_at_most_four_targets(house):
    to = box(house, "w2")
    targets = [x for i in range(4) for x in ("--to", f"d{i}@far.test")]
    house.cli("forward", "set", to, *targets)
    assert "4" in house.refused("forward", "set", to, *targets, "--to", "one@far.test")


def test_dates_of_a_forward_follow_the_zone(house, sink):
    to = box(house, "d1")
    house.cli("forward", "set", to, "--to", "dan@far.test", "--start", "2027-01-10", "--end", "2027-01-12", "--zone",
              "Europe/Berlin")
    for when, goes in (((2027, 1, 9, 23, 59), False), ((2027, 1, 10, 0, 1), True), ((2027, 1, 12, 23, 59), True),
                       ((2027, 1, 13, 0, 1), False)):
        at(house, *when)
        before = len(mine(house, to))
        assert send(house, to) == 250
        if goes:
            outgoing(sink, 1)
        assert len(mine(house, to)) == before + (not goes), when
    quiet(house, sink)


def test_summer_time_begins_on_the_last_day(house, sink):
    """28 March 2027: the day has 23 hours. 21:30 UTC is 23:30 there, 22:30 UTC is tomorrow."""
    to = box(house, "d2")
    house.cli("forward", "set", to, "--to", "dan@far.test", "--start", "2027-03-28", "--end", "2027-03-28", "--zone",
              "Europe/Berlin")
    for hour, minute, day, goes in ((22, 30, 27, False), (23, 30, 27, True), (21, 30, 28, True), (22, 30, 28, False)):
        house.travel_to(datetime.datetime(2027, 3, day, hour, minute, tzinfo=datetime.timezone.utc))
        before = len(mine(house, to))
        assert send(house, to) == 250
        if goes:
            outgoing(sink, 1)
        assert len(mine(house, to)) == before + (not goes), (day, hour)
    quiet(house, sink)


def test_autoreply(house, sink):
    at(house, 2027, 5, 1, 12, 0)
    to = box(house, "r1")
    text = 'I am "away" \\ until\nMonday.\n\nGr\u00fc\u00dfe\n'
    shown = house.json("autoreply", "set", to, "--text", text, "--subject", "Abwesend \u00fc", "--days", "3")
    assert shown["on"] and shown["text"] == text and "vacation :days 3" in shown["script"]
    for _ in range(2):
        assert send(house, to) == 250
    assert send(house, to, sender="bea@a.test") == 250
    found = outgoing(sink, 2)
    assert sorted(m.recipients[0] for m in found) == ["ann@a.test", "bea@a.test"] and {m.sender for m in found} == {""}
    reply = email.message_from_bytes(found[0].data, policy=email.policy.default)
    assert reply["Subject"] == "Abwesend \u00fc" and reply["Auto-Submitted"].startswith("auto-replied")
    assert reply["To"] == found[0].recipients[0] and to in reply["From"]
    assert reply.get_content().replace("\r\n", "\n").strip() == text.strip()
    assert len(mine(house, to)) == 3
    house.travel(days=3, minutes=1)
    assert send(house, to) == 250
    outgoing(sink, 1)
    house.cli("autoreply", "remove", to)
    house.travel(days=4)
    assert send(house, to) == 250
    quiet(house, sink)


@pytest.mark.parametrize("case, header, sender", [
    ("list", b"List-Id: <l.a.test>\r\n", "ann@a.test"), ("auto", b"Auto-Submitted: auto-replied\r\n", "ann@a.test"),
    ("bulk", b"Precedence: bulk\r\n", "ann@a.test"), ("null", b"", ""), ("daemon", b"", "MAILER-DAEMON@a.test"),
    ("owner", b"", "owner-l@a.test"),
])
def test_no_reply_to_lists_machines_and_bounces(house, sink, case, header, sender):
    to = box(house, f"n-{case}")
    house.cli("autoreply", "set", to, "--text", "away")
    assert send(house, to, sender=sender, header=header) == 250
    quiet(house, sink)


def test_reply_between_dates_beside_a_forward_and_own_rules(house, sink):
    at(house, 2027, 6, 1, 12, 0)
    to = box(house, "b1")
    house.cli("autoreply", "set", to, "--text", "away", "--start", "2027-06-01", "--end", "2027-06-02", "--zone", "Europe/Berlin")
    house.cli("forward", "set", to, "--to", "dan@far.test", "--keep")
    script = house.write_file("own.sieve", 'require "fileinto"; require "mailbox"; fileinto :create "Own";')
    house.cli("sieve", "put", to, "own", script, "--active")
    assert send(house, to) == 250
    assert sorted(m.recipients[0] for m in outgoing(sink, 2)) == ["ann@a.test", "dan@far.test"]
    assert len([m for m in house.mail(to, PASSWORD, "Own") if b"ann@a.test" in m]) == 1
    at(house, 2027, 6, 12, 12, 0)
    assert send(house, to, sender="bea@a.test") == 250
    assert [m.recipients[0] for m in outgoing(sink, 1)] == ["dan@far.test"]


def test_two_replies_do_not_talk(house, sink):
    a, b = box(house, "t1"), box(house, "t2")
    for who in (a, b):
        house.cli("autoreply", "set", who, "--text", "away")
    with house.submission(a, PASSWORD) as smtp:
        smtp.sendmail(a, [b], f"From: {a}\r\nTo: {b}\r\nSubject: talk\r\n\r\nx\r\n".encode())
    house.wait_mail(a, PASSWORD, 1)
    wait_until(lambda: not house.json("queue", "list")["items"], 60, "an empty queue")
    assert len(house.mail(a, PASSWORD)) == 1 and len(house.mail(b, PASSWORD)) == 1
