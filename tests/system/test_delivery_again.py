# SPDX-License-Identifier: Apache-2.0
"""A mailbox goes away between RCPT and the end of the data: its mail goes where directory says then, once, or is refused."""
import email
import email.policy
import os
import signal

import pytest

from harness import Instance, wait_until
from peers import FakeSmtp
from rawsmtp import RawSmtp

PASSWORD = "Correct-horse-1"


@pytest.fixture(scope="module")
def house():
    instance = Instance(conf={"rooms.store": "2", "queue.retry_first": "1s", "queue.retry_max": "1s"})
    try:
        instance.init().start()
        instance.add_domain("example.test")
        for name in ("mary", "nora", "olaf"):   # of an even and an odd shard
            instance.add_mailbox(f"{name}@example.test", PASSWORD)
        yield instance
        instance.close()
    except BaseException:
        instance.close(check=False)
        raise


def count(house, name, marker):
    return sum(marker in m for m in house.mail(f"{name}@example.test", PASSWORD))


def to_alias(house, name, to, domain="example.test"):
    house.cli("mailbox", "remove", f"{name}@{domain}")
    house.cli("address", "add", f"{name}@{domain}", "--type", "alias", "--to", f"{to}@example.test")


def begun(house, *names, service="smtp"):
    raw = RawSmtp(house, service)
    raw.ehlo()
    if service == "submission":
        assert raw.auth("mary@example.test", PASSWORD) == 235
    raw.envelope(*[f"{name}@example.test" for name in names],
                 sender="mary@example.test" if service == "submission" else "a@elsewhere.test")
    assert raw.cmd("DATA")[0] == 354
    return raw


def end(raw, marker):
    raw.send(b"From: mary@example.test\r\nSubject: x\r\n\r\n" + marker + b"\r\n.\r\n")
    reply = raw.reply()
    raw.close()
    return reply


def test_converted_to_an_alias(house):
    house.add_mailbox("a1@example.test", PASSWORD)
    raw = begun(house, "a1")
    to_alias(house, "a1", "nora")
    assert end(raw, b"alias-1")[0] == 250
    assert count(house, "nora", b"alias-1") == 1


def test_the_new_target_has_a_copy_already(house):
    house.add_mailbox("a2@example.test", PASSWORD)
    raw = begun(house, "a2", "nora", "olaf")
    to_alias(house, "a2", "nora")
    assert end(raw, b"alias-2")[0] == 250
    assert [count(house, name, b"alias-2") for name in ("nora", "olaf")] == [1, 1]


def test_an_alias_of_what_went_away_is_asked_about_too(house):
    house.add_mailbox("a3@example.test", PASSWORD)
    house.cli("address", "add", "info3@example.test", "--type", "alias", "--to", "a3@example.test")
    raw = begun(house, "info3")
    house.cli("address", "remove", "info3@example.test")
    house.cli("mailbox", "remove", "a3@example.test")
    house.cli("address", "add", "info3@example.test", "--type", "alias", "--to", "olaf@example.test")
    assert end(raw, b"alias-3")[0] == 250
    assert count(house, "olaf", b"alias-3") == 1


def test_removed_and_made_again(house):
    house.add_mailbox("a4@example.test", PASSWORD)
    raw = begun(house, "a4")
    house.cli("mailbox", "remove", "a4@example.test")
    house.add_mailbox("a4@example.test", PASSWORD)
    assert end(raw, b"again-4")[0] == 250
    assert count(house, "a4", b"again-4") == 1


def test_the_only_recipient_is_gone(house):
    house.add_mailbox("a5@example.test", PASSWORD)
    raw = begun(house, "a5")
    house.cli("mailbox", "remove", "a5@example.test")
    code, text = end(raw, b"gone-5")
    assert code == 550 and "5.1.1" in text[0]


def test_one_of_a_shard_is_gone_and_nobody_has_it_yet(house):
    """Shards decide as one: the sender comes again and hears which one it is."""
    for name in ("a6", "b6", "c6"):
        house.add_mailbox(f"{name}@example.test", PASSWORD)
    raw = begun(house, "a6", "c6")
    house.cli("mailbox", "remove", "a6@example.test")
    code, text = end(raw, b"gone-6")
    if code == 250:     # they are of different shards: the other one had its copy
        assert count(house, "c6", b"gone-6") == 1
    else:
        assert code == 451 and "4.2.1" in text[0]
        assert count(house, "c6", b"gone-6") == 0


def test_others_have_their_copy_and_the_sender_is_told_of_the_rest(house):
    for name in ("a7", "b7", "c7", "d7"):
        house.add_mailbox(f"{name}@example.test", PASSWORD)
    raw = begun(house, "a7", "b7", service="submission")
    house.cli("mailbox", "remove", "a7@example.test")
    assert end(raw, b"rest-7")[0] == 250
    assert count(house, "b7", b"rest-7") == 1

    def bounce():
        for raw_mail in house.mail("mary@example.test", PASSWORD):
            if b"Final-Recipient: rfc822; a7@example.test" in raw_mail:
                return email.message_from_bytes(raw_mail, policy=email.policy.default)
        return None
    message = wait_until(bounce, 60, "the bounce")
    assert list(message.iter_parts())[1].get_payload()[1]["Status"] == "5.1.1"


def states(house, domain):
    return {r["state"] for m in house.json("queue", "list", "--domain", domain)["items"]
            for r in house.json("queue", "show", m["id"])["recipients"]}


def test_mail_in_the_queue_follows(house):
    """Queued mail that is decided for a mailbox asks again when that is gone."""
    with FakeSmtp() as old:
        house.add_domain("moving.test", "gateway", old.address)
        for name in ("ann", "bob"):
            house.add_mailbox(f"{name}@moving.test", PASSWORD)
        house.cli("address", "add", "desk@moving.test", "--type", "alias", "--to", "ann@moving.test")
        old.stop()
        with house.smtp() as smtp:
            smtp.sendmail("a@elsewhere.test", ["desk@moving.test"], b"Subject: q\r\n\r\nqueued-8\r\n")
            smtp.sendmail("a@elsewhere.test", ["bob@moving.test"], b"Subject: q\r\n\r\nqueued-9\r\n")
        filter_pid = house.room("filter")["pid"]
        os.kill(filter_pid, signal.SIGSTOP)     # which makes the digest between the decision and the store
        try:
            house.cli("domain", "switch", "moving.test", "hosted")
            house.wait_log(r"queue\.domain\.kicked.*moving\.test")
            wait_until(lambda: states(house, "moving.test") == {"active"}, 60, "both on their way into the mailboxes")
            house.cli("address", "remove", "desk@moving.test")
            house.cli("mailbox", "remove", "ann@moving.test")
            house.cli("address", "add", "ann@moving.test", "--type", "alias", "--to", "olaf@example.test")
        finally:
            os.kill(filter_pid, signal.SIGCONT)
        wait_until(lambda: not house.json("queue", "list")["items"], 60, "an empty queue")
        assert count(house, "olaf", b"queued-8") == 1
        assert sum(b"queued-9" in m for m in house.mail("bob@moving.test", PASSWORD)) == 1
