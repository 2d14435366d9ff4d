# SPDX-License-Identifier: Apache-2.0
"""RFC 3461: success is reported for mail that a mailbox here took, where the sender asked for it and nowhere else."""
import email
import email.policy

import pytest

from harness import wait_until
from rawsmtp import RawSmtp

JOE, MARY, PASSWORD = "joe@example.test", "mary@example.test", "Correct-horse-1"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    for who in (JOE, MARY, "nora@example.test"):
        shared_postern.add_mailbox(who, PASSWORD)
    shared_postern.cli("address", "add", "info@example.test", "--type", "alias", "--to", MARY)
    shared_postern.cli("address", "add", "team@example.test", "--type", "list", "--to", MARY, "--to", "nora@example.test")
    return shared_postern


def send(house, marker, *rcpts, sender=JOE, mail="", service="submission"):
    """rcpts: (address, parameters)."""
    with RawSmtp(house, service) as raw:
        raw.ehlo()
        if service == "submission":
            assert raw.auth(JOE, PASSWORD) == 235
        assert raw.cmd(f"MAIL FROM:<{sender}>{mail}")[0] == 250
        for address, parameters in rcpts:
            assert raw.cmd(f"RCPT TO:<{address}>{parameters}")[0] == 250
        body = f"From: {JOE}\r\nSubject: {marker}\r\n\r\nbody-{marker}\r\n.\r\n".encode()
        assert raw.data(body) == 250


def reports(house, marker):
    found = []
    for raw in house.mail(JOE, PASSWORD):
        message = email.message_from_bytes(raw, policy=email.policy.default)
        if message.get_content_type() == "multipart/report" and marker.encode() in raw:
            found.append(message)
    return found


def one_report(house, marker):
    found = wait_until(lambda: reports(house, marker), 60, f"a report about {marker}", every=0.1)
    assert len(found) == 1
    human, status, original = found[0].iter_parts()
    assert original.get_content_type() == "text/rfc822-headers"
    assert f"body-{marker}".encode() not in found[0].as_bytes()
    assert "Return-Path" not in original.get_content()
    return found[0], status.get_payload()


def test_delivered(house):
    send(house, "one", (MARY, " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Bname@x.test"), mail=" ENVID=env+2B1")
    message, (whole, recipient) = one_report(house, "one")
    assert message["Subject"] == "Your mail was delivered / Ihre Nachricht wurde zugestellt"
    assert message["Return-Path"] == "<>" and message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == JOE
    assert whole["Original-Envelope-Id"] == "env+1"
    assert recipient["Final-Recipient"] == f"rfc822; {MARY}"
    assert recipient["Original-Recipient"] == "rfc822;first+name@x.test"
    assert recipient["Action"] == "delivered" and recipient["Status"] == "2.1.5"


def test_an_alias_is_delivered_under_the_name_that_was_used(house):
    send(house, "alias", ("info@example.test", " NOTIFY=SUCCESS"))
    _, (_, recipient) = one_report(house, "alias")
    assert recipient["Final-Recipient"] == "rfc822; info@example.test" and recipient["Action"] == "delivered"


def test_a_list_is_expanded_and_its_members_are_not_told_of(house):
    send(house, "list", ("team@example.test", " NOTIFY=SUCCESS"))
    _, payload = one_report(house, "list")
    assert len(payload) == 2
    assert payload[1]["Final-Recipient"] == "rfc822; team@example.test" and payload[1]["Action"] == "expanded"


def test_several_are_one_report_and_only_of_those_that_asked(house):
    send(house, "some", (MARY, " NOTIFY=SUCCESS"), ("nora@example.test", ""), (JOE, " NOTIFY=NEVER"),
         ("postmaster@example.test", " NOTIFY=SUCCESS"))
    _, payload = one_report(house, "some")
    assert sorted(r["Final-Recipient"].split("; ")[1] for r in payload[1:]) == [MARY, "postmaster@example.test"]


def test_nothing_where_it_was_not_asked_for(house):
    before = house.room("queue")["counters"]["notifications"]
    send(house, "quiet", (MARY, ""), ("team@example.test", " NOTIFY=FAILURE,DELAY"), ("nora@example.test", " NOTIFY=NEVER"))
    send(house, "null", (MARY, " NOTIFY=SUCCESS"), sender="", service="smtp")
    send(house, "after", (MARY, " NOTIFY=SUCCESS"))     # behind which the others would have been, too
    one_report(house, "after")
    assert house.room("queue")["counters"]["notifications"] == before + 1
    assert not reports(house, "quiet") and not reports(house, "null")


def test_the_queue_dies_and_the_report_comes_once(house):
    house.kill("queue")
    send(house, "crash", (MARY, " NOTIFY=SUCCESS"))
    one_report(house, "crash")
