# SPDX-License-Identifier: Apache-2.0
"""Mail that waits: outages, kills, switches, notifications, poison, the operator's commands."""
import base64
import email
import email.policy
import itertools
import os
import re
import signal
import time

import pytest

from harness import Instance, wait_until
from peers import FakeDns, FakeSmtp

PASSWORD = "Correct-horse-7"
CONF = {"queue.retry_first": "1s", "queue.retry_max": "2s", "queue.probe": "1s", "relay.timeout": "5s"}
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def instance():
    with FakeDns() as dns:
        it = Instance(conf=CONF | {"dns.servers": dns.address, "relay.private_mx": "true"})
        try:
            it.init().start()
            it.add_domain("sender.test")
            it.add_mailbox("joe@sender.test", PASSWORD)
            yield it
            it.close()
        except BaseException:
            it.close(check=False)
            raise


@pytest.fixture
def sink():
    with FakeSmtp() as server:
        yield server


def gateway(it, sink, *local):
    domain = f"q{next(numbers)}.test"
    it.add_domain(domain, "gateway", sink.address)
    for name in local or ("mary",):
        it.add_mailbox(f"{name}@{domain}", PASSWORD)
    return f"{(local or ('mary',))[0]}@{domain}"


def text(number, extra=b""):
    return b"Message-ID: <%d@client.test>\r\nSubject: number %d\r\n\r\nbody\r\n" % (number, number) + extra


def numbers_of(messages):
    return sorted(int(re.search(rb"Subject: number (\d+)", m)[1]) for m in messages)


def sink_numbers(sink):
    return numbers_of([m.data for m in list(sink.messages)])


def send(it, to, sender="a@elsewhere.test", count=1, start=0, **more):
    with it.smtp() as smtp:
        for i in range(start, start + count):
            smtp.sendmail(sender, [to] if isinstance(to, str) else to, text(i), **more)


def items(it, address=None):
    more = ["--domain", address.split("@")[1]] if address else []
    return it.json("queue", "list", *more)["items"]


def remove(it, number, *more):
    """Its next attempt may be under way: then the queue says so, and gives it away a moment later."""
    wait_until(lambda: it.try_cli("queue", "remove", number, *more).returncode == 0, 30, "the message to be removed")


def empty(it, address=None, seconds=60):
    wait_until(lambda: not items(it, address), seconds, f"an empty queue, but: {items(it, address)}", every=0.1)


def report(it, about, seconds=60, user="joe@sender.test"):
    """The parsed notification that names an address."""
    def find():
        for raw in it.mail(user, PASSWORD):
            message = email.message_from_bytes(raw, policy=email.policy.default)
            if message.get_content_type() == "multipart/report" and about.encode() in raw:
                return message
        return None
    return wait_until(find, seconds, f"a notification about {about}", every=0.2)


def submit(it, to, **more):
    with it.submission("joe@sender.test", PASSWORD) as smtp:
        smtp.sendmail("joe@sender.test", [to], b"From: joe@sender.test\r\n" + text(1), **more)


# -- notifications ---------------------------------------------------------------

def test_bounce_comes_to_the_senders_mailbox(instance):
    with FakeSmtp(answers={"RCPT": b"550-5.1.1 no such user here\r\n550 5.1.1 sender: <b>\x1b[31m\r\n"}) as sink:
        to = gateway(instance, sink)
        submit(instance, to)
        message = report(instance, to)
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.test>"
    assert message["To"] == "joe@sender.test"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Return-Path"] == "<>"
    human, status, original = message.iter_parts()
    assert "no such user here" in human.get_content()
    # The sender has a mailbox here, and reads it in both languages (M45).
    assert message["Subject"] == "Undelivered mail returned to sender / Unzustellbare Nachricht zurück an den Absender"
    assert "could not be delivered" in human.get_content() and "konnte den unten genannten Empfängern" in human.get_content()
    assert "\x1b" not in human.get_content()
    assert status.get_content_type() == "message/delivery-status"
    whole, recipient = status.get_payload()
    assert whole["Reporting-MTA"] == "dns; mail.example.test"
    assert recipient["Final-Recipient"] == f"rfc822; {to}"
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.1.1"
    assert recipient["Diagnostic-Code"].startswith("smtp; 550")
    assert original.get_content_type() == "message/rfc822"
    assert original.get_content()["Subject"] == "number 1"
    empty(instance, to)


def test_ret_headers_and_original_recipient(instance):
    with FakeSmtp(answers={"RCPT": b"550 5.1.1 no\r\n"}) as sink:
        to = gateway(instance, sink)
        with instance.submission("joe@sender.test", PASSWORD) as smtp:
            smtp.ehlo()
            smtp.mail("joe@sender.test", ["RET=HDRS", "ENVID=env+2B1"])
            smtp.rcpt(to, ["NOTIFY=FAILURE", "ORCPT=rfc822;first+2Bname@x.test"])
            smtp.data(b"From: joe@sender.test\r\n" + text(1))
        message = report(instance, to)
        _, status, original = message.iter_parts()
        assert original.get_content_type() == "text/rfc822-headers"
        whole, recipient = status.get_payload()
        assert whole["Original-Envelope-Id"] == "env+1"
        assert recipient["Original-Recipient"] == "rfc822;first+name@x.test"


def test_no_notification_for_the_null_sender_nor_where_it_is_not_wanted(instance):
    with FakeSmtp(answers={"RCPT": b"550 5.1.1 no\r\n"}) as sink:
        to = gateway(instance, sink)
        before = instance.room("queue")["counters"]["notifications"]
        send(instance, to, "")
        with instance.submission("joe@sender.test", PASSWORD) as smtp:
            smtp.ehlo()
            smtp.mail("joe@sender.test")
            smtp.rcpt(to, ["NOTIFY=NEVER"])
            assert smtp.data(b"From: joe@sender.test\r\n" + text(1))[0] == 250
        empty(instance, to)
        assert instance.room("queue")["counters"]["notifications"] == before


@pytest.mark.parametrize("capable", [False, True])
def test_success_is_told_where_the_next_server_cannot(instance, capable):
    with FakeSmtp(capabilities=("DSN",) if capable else ()) as sink:
        to = gateway(instance, sink)
        with instance.submission("joe@sender.test", PASSWORD) as smtp:
            smtp.ehlo()
            smtp.mail("joe@sender.test")
            smtp.rcpt(to, ["NOTIFY=SUCCESS,FAILURE"])
            smtp.data(b"From: joe@sender.test\r\n" + text(1))
        wait_until(lambda: sink.messages, 60, "the message")
        if capable:
            assert any(b"NOTIFY=SUCCESS,FAILURE" in c for c in sink.commands)
            empty(instance, to)
        else:
            status = list(report(instance, to).iter_parts())[1]
            assert status.get_payload()[1]["Action"] == "relayed"


def test_lifetime_and_delay(make_postern, sink):
    it = make_postern(conf=CONF | {"queue.lifetime": "8s", "queue.warn_after": "2s"}).init().start()
    it.add_domain("sender.test")
    it.add_mailbox("joe@sender.test", PASSWORD)
    to = gateway(it, sink)
    sink.stop()
    with it.submission("joe@sender.test", PASSWORD) as smtp:
        smtp.ehlo()
        smtp.mail("joe@sender.test")
        smtp.rcpt(to, ["NOTIFY=DELAY,FAILURE"])
        smtp.data(b"From: joe@sender.test\r\n" + text(1))

    def actions():
        found = []
        for raw in it.mail("joe@sender.test", PASSWORD):
            found += re.findall(rb"Action: (\w+)", raw)
        return found
    wait_until(lambda: actions()[:1] == [b"delayed"], 60, "the delay notice", every=0.2)
    wait_until(lambda: actions() == [b"delayed", b"failed"], 60, "the bounce", every=0.2)
    assert b"4.4.7" in it.mail("joe@sender.test", PASSWORD)[1]
    empty(it)           # the report is in the mailbox a moment before the queue has noted so


# -- a disk that gives other bytes ------------------------------------------------

def flip_last_byte(it):
    """Of the queue's log: it belongs to the body of the message that came last."""
    log = os.path.join(it.dir, "data", "queue", "log")
    with open(os.path.join(log, max(os.listdir(log))), "r+b") as f:
        f.seek(-1, os.SEEK_END)
        byte = f.read(1)
        f.seek(-1, os.SEEK_END)
        f.write(bytes([byte[0] ^ 0xff]))


def test_a_damaged_message_waits_for_its_disk(instance, sink):
    to = gateway(instance, sink)
    sink.stop()
    send(instance, to, count=2)
    flip_last_byte(instance)
    sink.start()
    wait_until(lambda: "could not be read" in str(items(instance, to)), 60, "the attempt to read it", every=0.1)
    wait_until(lambda: sink_numbers(sink) == [0], 60, "the other message")
    wait_until(lambda: len(items(instance, to)) == 1, 60, "the note that it was sent")
    flip_last_byte(instance)
    wait_until(lambda: sink_numbers(sink) == [0, 1], 60, "the mended message")
    empty(instance, to)


def test_a_message_that_stays_damaged_goes_back_as_its_header(make_postern, sink):
    it = make_postern(conf=CONF | {"queue.lifetime": "6s"}).init().start()
    it.add_domain("sender.test")
    it.add_mailbox("joe@sender.test", PASSWORD)
    to = gateway(it, sink)
    sink.stop()
    with it.submission("joe@sender.test", PASSWORD) as smtp:
        smtp.sendmail("joe@sender.test", [to], b"From: joe@sender.test\r\n" + text(7))
    flip_last_byte(it)
    sink.start()
    wait_until(lambda: it.mail("joe@sender.test", PASSWORD), 60, "the report", every=0.2)
    report = it.mail("joe@sender.test", PASSWORD)[0]
    assert b"could not be read" in report and b"Content-Type: text/rfc822-headers" in report and b"Subject: number 7" in report
    assert not sink.messages


# -- outages ---------------------------------------------------------------------

def test_an_outage_of_the_customers_server(make_postern, sink):
    """All goes once a probe has found the server back: each message's own next attempt is an hour away."""
    it = make_postern(conf=CONF | {"queue.retry_first": "1h", "queue.retry_max": "1h"}).init().start()
    to = gateway(it, sink)
    other = gateway(it, other_sink := FakeSmtp())
    sink.stop()
    send(it, to, count=30)
    waiting = items(it, to)
    assert len(waiting) == 30
    send(it, other)               # nobody else waits for it
    wait_until(lambda: other_sink.messages, 60, "mail for another server")
    wait_until(lambda: any("refused" in m["error"] for m in items(it, to)), 60, "an attempt")
    sink.start()
    wait_until(lambda: len(sink.messages) == 30, 60, "30 messages", every=0.05)
    assert sink_numbers(sink) == list(range(30))
    empty(it, to)
    other_sink.close()


def test_greylisting_is_tried_again(instance):
    seen = []
    with FakeSmtp(answers={"RCPT": lambda line: b"450 4.2.0 later\r\n" if not seen and not seen.append(1) else None}) as sink:
        to = gateway(instance, sink)
        send(instance, to)
        wait_until(lambda: sink.messages, 60, "the second attempt")


@pytest.mark.parametrize("room", ["queue", "relay", "directory", "smtpd"])
def test_kill_a_room_under_load(instance, sink, room):
    """What was acknowledged arrives; twice only where relay or queue died between a server's 250 and its note."""
    instance.crashes_expected = True
    to = gateway(instance, sink)
    sent, refused = [], 0
    pid = instance.room(room)["pid"]
    for i in range(40):
        if i == 20:
            os.kill(pid, signal.SIGKILL)
        try:
            send(instance, to, start=i)
            sent.append(i)
        except OSError:
            refused += 1
            time.sleep(0.1)
    wait_until(lambda: set(sent) <= set(sink_numbers(sink)), 60, "all that was acknowledged")
    empty(instance, to)
    got = sink_numbers(sink)
    if room in ("directory", "smtpd"):
        assert len([n for n in got if n in sent]) == len(sent), "twice"
    assert len(got) <= len(set(got)) + 25
    assert refused <= (20 if room == "smtpd" else 0)


def test_kill_everything_during_an_outage(make_postern, sink):
    it = make_postern(conf=CONF).init().start()
    to = gateway(it, sink)
    sink.stop()
    send(it, to, count=20)
    it.kill_all()
    it.start()
    assert len(items(it)) == 20
    sink.start()
    wait_until(lambda: len(sink.messages) >= 20, 60, "20 messages")
    empty(it)
    assert sink_numbers(sink) == list(range(20))


def test_stop_waits_for_what_has_begun(make_postern, sink):
    it = make_postern(conf=CONF).init().start()
    to = gateway(it, sink)
    sink.answers["END"] = lambda data: time.sleep(0.7) or b"250 kept\r\n"
    send(it, to, count=5)
    wait_until(lambda: b"DATA\r\n" in sink.commands, 60, "an attempt")
    it.stop()
    sink.answers.clear()
    it.start()
    empty(it)
    assert sink_numbers(sink) == list(range(5))


# -- the switch ------------------------------------------------------------------

def test_waiting_mail_goes_into_the_mailbox_after_the_switch(instance, sink):
    to = gateway(instance, sink)
    sink.stop()
    send(instance, to, count=20)
    instance.cli("domain", "switch", to.split("@")[1], "hosted")
    got = instance.wait_mail(to, PASSWORD, 20)
    assert numbers_of(got) == list(range(20))
    assert all(m.startswith(b"Return-Path: <a@elsewhere.test>\r\n") for m in got)
    empty(instance, to)
    sink.start()
    time.sleep(2)
    assert not sink.messages


def test_waiting_mail_follows_a_new_server(instance, sink):
    to = gateway(instance, sink)
    sink.stop()
    send(instance, to, count=5)
    with FakeSmtp() as other:
        instance.cli("domain", "set", to.split("@")[1], "--server", other.address)
        wait_until(lambda: len(other.messages) == 5, 60, "mail at the new server")
        empty(instance, to)


@pytest.mark.parametrize("room", ["queue", "store", "filter", "directory"])
def test_kill_during_the_switch_is_exactly_once(instance, sink, room):
    instance.crashes_expected = True
    to = gateway(instance, sink)
    sink.stop()
    send(instance, to, count=60)
    pid = instance.room(room)["pid"]
    instance.cli("domain", "switch", to.split("@")[1], "hosted")
    os.kill(pid, signal.SIGKILL)
    instance.wait_ready()
    empty(instance, to)
    assert numbers_of(instance.wait_mail(to, PASSWORD, 60)) == list(range(60))


# -- poison (S45) ----------------------------------------------------------------

def test_a_message_that_ends_relay_is_parked_and_the_rest_flows(make_postern, sink):
    it = make_postern(conf=CONF).init().start()
    it.crashes_expected = True
    to = gateway(it, sink, "mary", "poison")
    poison = to.replace("mary", "poison")
    killed = []

    def rcpt(line):
        if b"poison" in line:
            killed.append(1)        # before: the queue may have parked it when we are told that relay is dead
            it.kill("relay", wait=False)
        return None
    sink.answers["RCPT"] = rcpt
    send(it, poison, start=1000)
    send(it, to, count=30)
    wait_until(lambda: len(set(sink_numbers(sink))) == 30, 60, "the others")
    wait_until(lambda: len(items(it)) == 1, 60, "one message that stays", every=0.2)
    shown = it.json("queue", "show", items(it)[0]["id"])
    wait_until(lambda: it.json("queue", "show", shown["id"])["recipients"][0]["state"] == "parked", 60, "parked")
    assert len(killed) == 3
    sink.answers.clear()
    it.cli("queue", "flush", shown["id"])
    wait_until(lambda: 1000 in sink_numbers(sink), 60, "the parked one, after all")


# -- the operator ----------------------------------------------------------------

def test_list_show_flush_remove(instance, sink):
    to = gateway(instance, sink)
    sink.stop()
    send(instance, to, count=5)
    found = items(instance, to)
    assert [m["sender"] for m in found] == ["a@elsewhere.test"] * 5
    page = instance.json("queue", "list", "--domain", to.split("@")[1], "--limit", "2")
    assert len(page["items"]) == 2 and page["next"]
    rest = instance.json("queue", "list", "--domain", to.split("@")[1], "--after", page["next"])
    assert [m["id"] for m in page["items"] + rest["items"]] == [m["id"] for m in found]
    wait_until(lambda: any("refused" in m["error"] for m in items(instance, to)), 60, "the error")
    shown = instance.json("queue", "show", found[0]["id"])
    assert shown["recipients"][0]["address"] == to
    assert shown["expires_ms"] - shown["created_ms"] == 5 * 86400 * 1000
    remove(instance, found[4]["id"])
    assert len(items(instance, to)) == 4
    assert "no queued message" in instance.refused("queue", "show", found[4]["id"])
    assert "no queued message" in instance.refused("queue", "remove", 999999)
    sink.start()
    instance.cli("queue", "flush", "--domain", to.split("@")[1])
    wait_until(lambda: len(sink.messages) == 4, 60, "the flushed ones")


def test_remove_with_a_bounce(instance, sink):
    to = gateway(instance, sink)
    sink.stop()
    submit(instance, to)
    remove(instance, items(instance, to)[0]["id"], "--bounce")
    assert "Removed from the queue" in list(report(instance, to).iter_parts())[0].get_content()


def test_space_comes_back(make_postern, sink):
    it = make_postern(conf=CONF | {"queue.lifetime": "60s"}).init().start()     # sweeps every six seconds
    to = gateway(it, sink)
    body = base64.encodebytes(os.urandom(3 << 20)).replace(b"\n", b"\r\n")     # packs to three quarters
    keep = gateway(it, stopped := FakeSmtp())
    stopped.stop()
    with it.smtp() as smtp:
        smtp.sendmail("", [keep], text(7))
        for i in range(13):
            smtp.sendmail("", [to], text(i, body))
    wait_until(lambda: len(sink.messages) == 13, 60, "13 large messages")
    log = os.path.join(it.dir, "data", "queue", "log")
    wait_until(lambda: len(os.listdir(log)) <= 2, 60, f"fewer segments: {os.listdir(log)}", every=0.2)
    stopped.start()
    wait_until(lambda: stopped.messages, 60, "the one that waited")
    assert numbers_of([stopped.messages[0].data]) == [7]
    stopped.close()
