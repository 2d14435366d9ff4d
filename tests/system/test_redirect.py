# SPDX-License-Identifier: Apache-2.0
"""Mail that addresses here pass on: sender rewritten (SRS), bytes untouched, bounces find back, circles end."""
import re

import pytest

from harness import wait_until
from peers import FakeSmtp
from peers.elsewhere import instance_with_elsewhere
from rawsmtp import RawSmtp

PASSWORD = "Correct-horse-1"
JOE = "joe@example.test"
BODY = (b"Received: from x by y; Sun, 22 Nov 2026 01:02:03 +0000\r\nDKIM-Signature: v=1; a=rsa-sha256; d=a.test;\r\n\tb=abc=\r\n"
        b"From: Ann <ann@a.test>\r\nSubject:  two  blanks \r\nX-Odd:\t tab\r\n\r\n.dot\r\n8-bit \xe4\xff\r\n\r\n")


@pytest.fixture(scope="module")
def sink():
    with FakeSmtp(port=0) as server:
        yield server


@pytest.fixture(scope="module")
def house(sink):
    with instance_with_elsewhere(sink) as it:
        it.add_mailbox(JOE, PASSWORD)
        it.cli("address", "add", "dan@example.test", "--type", "redirect", "--to", "dan@far.test")
        it.cli("address", "add", "sales@example.test", "--type", "redirect", "--to", JOE, "--to", "dan@far.test")
        yield it


def send(house, rcpt, body=BODY, sender="Ann@a.test"):
    with RawSmtp(house) as raw:
        raw.ehlo()
        code, text = raw.cmd(f"MAIL FROM:<{sender}>")
        assert code == 250, text
        code, text = raw.cmd(f"RCPT TO:<{rcpt}>")
        if code != 250:
            return code, text[0]
        assert raw.cmd("DATA")[0] == 354
        raw.send(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
        code, text = raw.reply()
        return code, text[0]


def arrived(sink, count=1):
    wait_until(lambda: sum(bool(m.recipients) for m in sink.messages) >= count, 60, f"{count} messages")
    with sink.lock:
        found = [m for m in sink.messages if m.recipients]      # those that were not refused
        sink.messages.clear()
    assert len(found) == count
    return found


def return_path(house, sink):
    assert send(house, "dan@example.test")[0] == 250
    return arrived(sink)[0].sender


def test_sender_is_ours_and_bytes_are_theirs(house, sink):
    assert send(house, "dan@example.test")[0] == 250
    message = arrived(sink)[0]
    assert message.recipients == ["dan@far.test"]
    assert re.fullmatch(r"SRS0=[a-z2-7]{8}=[a-z2-7]{2}=a\.test=Ann@example\.test", message.sender), message.sender
    assert message.data.endswith(BODY)
    front = message.data[:-len(BODY)]
    assert re.fullmatch(rb"Delivered-To: dan@example\.test\r\nReceived: from client\.test [^\0]*\+0000\r\n", front), front
    assert front.count(b"\nReceived:") == 1 and b"Return-Path" not in front


def test_a_mailbox_beside_it_has_the_sender_as_it_was(house, sink):
    assert send(house, "sales@example.test")[0] == 250
    assert arrived(sink)[0].sender.startswith("SRS0=")
    stored = house.mail(JOE, PASSWORD)[-1]
    assert stored.startswith(b"Return-Path: <Ann@a.test>\r\nReceived:") and stored.endswith(BODY)
    assert b"Delivered-To" not in stored


def test_ones_own_domain_and_the_null_sender_stay(house, sink):
    assert send(house, "dan@example.test", sender="")[0] == 250
    assert arrived(sink)[0].sender == ""
    with house.submission(JOE, PASSWORD) as smtp:
        smtp.sendmail(JOE, ["dan@example.test"], b"From: joe@example.test\r\n\r\nx\r\n")
        smtp.sendmail(JOE, ["dan@far.test"], b"From: joe@example.test\r\n\r\ndirect\r\n")
    found = arrived(sink, 2)
    assert {m.sender for m in found} == {JOE}
    assert [m.data.startswith(b"Delivered-To: dan@example.test\r\n") for m in found if b"direct" not in m.data] == [True]
    assert [b"Delivered-To" in m.data for m in found if b"direct" in m.data] == [False]


def test_hops_become_srs1_and_never_longer(house, sink):
    assert send(house, "dan@example.test", sender="SRS0=abcd=xy=b.test=eve@a.test")[0] == 250
    first = arrived(sink)[0].sender
    assert re.fullmatch(r"SRS1=[a-z2-7]{8}=a\.test==abcd=xy=b\.test=eve@example\.test", first), first
    assert send(house, "dan@example.test", sender=first.replace("@example.test", "@a.test"))[0] == 250
    assert len(arrived(sink)[0].sender) == len(first)
    assert send(house, first, b"Subject: back\r\n\r\nx\r\n", "")[0] == 250      # by way of who was first
    assert arrived(sink)[0].recipients == ["SRS0=abcd=xy=b.test=eve@a.test"]


def test_a_bounce_finds_its_way_back(house, sink):
    back = return_path(house, sink)
    assert send(house, back, b"Subject: undelivered\r\n\r\nback-1\r\n", "")[0] == 250
    message = arrived(sink)[0]
    assert message.sender == "" and message.recipients == ["Ann@a.test"] and b"back-1" in message.data
    assert send(house, back.lower(), b"Subject: undelivered\r\n\r\nback-2\r\n", "")[0] == 250
    assert arrived(sink)[0].recipients == ["ann@a.test"]


def test_only_bounces_and_only_what_we_made(house, sink):
    back = return_path(house, sink)
    assert send(house, back, sender="spammer@a.test")[0] == 550
    for wrong in (back.replace("a.test", "b.test"), back.replace("=Ann", "=Eve"), "SRS0=aaaaaaaa=aa=a.test=ann@example.test",
                  "SRS0=x@example.test", "SRS1=aaaaaaaa=a.test==x=y=b.test=z@example.test"):
        assert send(house, wrong, sender="")[0] == 550, wrong
    with house.submission(JOE, PASSWORD) as smtp:
        smtp.mail(JOE)
        assert smtp.rcpt(back)[0] == 550
    assert not sink.messages


def test_secrets_turn_and_return_paths_grow_old(house, sink):
    house.cli("timer", "run")
    back = return_path(house, sink)
    house.travel(days=21)
    house.cli("timer", "run")
    assert send(house, back, b"Subject: late\r\n\r\nx\r\n", "")[0] == 250
    arrived(sink)
    house.travel(days=10)                   # a new secret by now, which opens what the old one made
    fresh = return_path(house, sink)
    house.cli("timer", "run")
    newer = return_path(house, sink)
    assert newer != fresh
    assert send(house, fresh, b"Subject: x\r\n\r\nx\r\n", "")[0] == 250
    arrived(sink)
    code, text = send(house, back, b"Subject: x\r\n\r\nx\r\n", "")
    assert code == 550 and "too old" in text


def test_the_sender_who_logged_in_hears_of_a_refusal(house, sink):
    """... through the way back, where his domain is here and nothing was rewritten."""
    sink.answers["RCPT"] = b"550 5.1.1 unknown\r\n"
    try:
        with house.submission(JOE, PASSWORD) as smtp:
            smtp.sendmail(JOE, ["dan@example.test"], b"From: joe@example.test\r\n\r\ntold-1\r\n")
        wait_until(lambda: any(b"told-1" in m and b"Final-Recipient: rfc822; dan@example.test" in m
                               for m in house.mail(JOE, PASSWORD)), 60, "the bounce")
        before = house.room("queue")["counters"]["notifications"]
        withheld = house.room("queue")["counters"]["notifications.withheld"]
        assert send(house, "dan@example.test")[0] == 250
        wait_until(lambda: house.room("queue")["counters"]["notifications.withheld"] == withheld + 1, 60, "the refusal")
        assert house.room("queue")["counters"]["notifications"] == before
    finally:
        sink.answers.clear()


def test_queued_mail_is_passed_on_the_same_way(house, sink):
    """Accepted for the customer's server, and after the switch the address is a redirect."""
    with FakeSmtp() as old:
        house.add_domain("moved.test", "gateway", old.address)
        house.cli("address", "add", "dan@moved.test", "--type", "redirect", "--to", "dan@far.test")
        old.stop()
        assert send(house, "dan@moved.test")[0] == 250
        house.cli("domain", "switch", "moved.test", "hosted")
        message = arrived(sink)[0]
    assert re.fullmatch(r"SRS0=.*=a\.test=Ann@moved\.test", message.sender), message.sender
    assert message.data.startswith(b"Delivered-To: dan@moved.test\r\nReceived:") and message.data.endswith(BODY)
    wait_until(lambda: not house.json("queue", "list")["items"], 60, "an empty queue")


# -- S37: circles ------------------------------------------------------------------

def looped(house, rcpt, front):
    return send(house, rcpt, front + BODY)


def test_s37_received_lines(house, sink):
    received = b"Received: from a by b; Sun, 22 Nov 2026 01:02:03 +0000\r\n"
    assert looped(house, "dan@example.test", received * 48)[0] == 250      # with BODY's and ours: 50, smtp.max_hops
    arrived(sink)
    code, text = looped(house, "dan@example.test", received * 49)
    assert code == 554 and text.startswith("5.4.6")


def test_s37_comes_back_once_and_ends(house, sink):
    """dan@far.test passes it back to dan@example.test, and strips every Received line on its way."""
    assert send(house, "dan@example.test")[0] == 250
    message = arrived(sink)[0]
    stripped = message.data[:message.data.index(b"Received:")] + message.data[message.data.index(b"DKIM-Signature"):]
    code, text = send(house, "dan@example.test", stripped, message.sender)
    assert code == 554 and text == "5.4.6 This message was passed on by <dan@example.test> before: a loop"
    code, text = send(house, "sales@example.test", stripped.replace(b"dan@example", b"SALES@example"), message.sender)
    assert code == 554
    # The queue may not have noted yet that the first one went; nothing comes behind it.
    wait_until(lambda: not house.json("queue", "list")["items"], 60, "an empty queue")
    assert not sink.messages


def test_s37_delivered_to_lines(house, sink):
    lines = b"".join(b"Delivered-To: x%d@a.test\r\n" % i for i in range(51))
    assert looped(house, "dan@example.test", lines[lines.index(b"\n") + 1:])[0] == 250
    arrived(sink)
    code, text = looped(house, "dan@example.test", lines)
    assert code == 554 and text.startswith("5.4.6")
    assert looped(house, JOE, b"Delivered-To: joe@example.test\r\n")[0] == 250      # a mailbox passes nothing on


def test_s37_circles_that_can_be_seen(house):
    house.cli("address", "add", "c1@example.test", "--type", "redirect", "--to", "c2@example.test")
    house.cli("address", "add", "c2@example.test", "--type", "redirect", "--to", "c1@example.test")
    code, text = send(house, "c1@example.test")
    assert code == 550 and text.startswith("5.4.6")
