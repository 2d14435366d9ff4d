# SPDX-License-Identifier: Apache-2.0
"""Notices: what people are told by mail, in their language and their customer's words, once, and written down."""
import email
import email.policy

import pytest

from harness.wait import wait_until

PASSWORD = "Correct-Horse-7-Battery"


@pytest.fixture(scope="module")
def house(shared_postern):
    postern = shared_postern
    for customer, language in (("acme", "en"), ("gmbh", "de")):
        postern.cli("customer", "add", customer, "--language", language)
        postern.customers.add(customer)
        postern.add_domain(customer + ".test", customer=customer)
    return postern


@pytest.fixture
def box(house, request):
    """A mailbox of this test's own with each customer: box("acme") is its address."""
    def make(customer):
        address = f"{request.node.name[5:35].replace('[', '-').strip('-]')}@{customer}.test".lower()
        house.add_mailbox(address, PASSWORD)
        return address
    return make


def send(house, kind, to, *more):
    house.cli("template", "test", kind, "--to", to, *more)


def received(house, address, count=1):
    found = house.wait_mail(address, PASSWORD, count)
    assert len(found) == count
    return [email.message_from_bytes(m, policy=email.policy.default) for m in found]


def parts(message):
    return {p.get_content_type(): p.get_content() for p in message.walk() if not p.is_multipart()}


def log(house, *words):
    return house.json("notice", "log", *words)["items"]


def test_a_notice_arrives_whole(house, box):
    to = box("acme")
    send(house, "old_login", to, "--customer", "acme")
    (m,) = received(house, to)
    assert not m.defects and m["Subject"] == "Your new user name is joe@example.org"
    assert m["Auto-Submitted"] == "auto-generated" and m["MIME-Version"] == "1.0"
    assert m["From"].addresses[0].addr_spec == "do-not-reply@acme.test"
    assert m["To"].addresses[0].addr_spec == to and m["Content-Language"] == "en"
    assert abs(m["Date"].datetime.timestamp() - house.now()) < 120
    assert m["Message-ID"].startswith("<") and m["Message-ID"].endswith("@mail.example.test>")
    assert m["Return-Path"] == "<>"
    both = parts(m)
    assert set(both) == {"text/plain", "text/html"}
    assert "Your old user name:  custo1" in both["text/plain"] and "2026-01-01 00:00 UTC" in both["text/plain"]
    assert "custo1" in both["text/html"] and "<p>" in both["text/html"]


def test_german(house, box):
    to = box("gmbh")
    send(house, "quota_80", to, "--customer", "gmbh")
    (m,) = received(house, to)
    assert m["Subject"] == "Ihr Postfach ist zu 85 % voll" and m["Content-Language"] == "de"
    text = parts(m)["text/plain"]
    assert "belegt 1,7 GB von 2 GB" in text and "Löschen" not in text and "Nachrichten löschen" in text
    assert m["From"].addresses[0].addr_spec == "do-not-reply@gmbh.test"


def test_every_kind_in_every_language(house, box):
    to = box("acme")
    kinds = house.json("template", "list")["items"]
    assert {k["language"] for k in kinds} == {"en", "de"}
    for k in kinds:
        send(house, k["kind"], to, "--customer", "acme", "--language", k["language"])
    for m in received(house, to, len(kinds)):
        assert not m.defects
        for text in [m["Subject"], *parts(m).values()]:
            assert text.strip() and "{" not in text, text
