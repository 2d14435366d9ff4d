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


def test_a_customers_own_words(house, box):
    to = box("acme")
    html = house.write_file("template.html", '<p style="a{color:red}">Hi {person}: <a href="{link}">choose</a></p>\n')
    text = house.write_file("template.txt", "Hi {person},\nchoose here: {link}\n")
    house.cli("template", "set", "invitation", "--customer", "acme", "--language", "en", "--subject", "Grüße für {person}",
              "--text-file", text, "--html-file", html)
    shown = house.json("template", "show", "invitation", "--customer", "acme", "--language", "en")
    assert shown["source"] == "customer" and shown["text"] == "Hi {person},\nchoose here: {link}\n"
    send(house, "invitation", to, "--customer", "acme", "--language", "en")
    (m,) = received(house, to)
    both = parts(m)
    assert m["Subject"] == f"Grüße für {to}" and both["text/plain"].splitlines()[0] == f"Hi {to},"
    assert '<a href="https://mail.example.org/password/0123456789">choose</a>' in both["text/html"]
    # Another customer, and another language, have the built-in words still.
    assert house.json("template", "show", "invitation", "--customer", "gmbh")["source"] == "built-in"
    assert house.json("template", "show", "invitation", "--customer", "acme", "--language", "de")["source"] == "built-in"
    house.cli("template", "set", "invitation", "--language", "de", "--subject", "Vom Betreiber", "--text", "{link}")
    assert house.json("template", "show", "invitation", "--customer", "gmbh")["source"] == "provider"
    house.cli("template", "reset", "invitation", "--customer", "acme", "--language", "en")
    house.cli("template", "reset", "invitation", "--language", "de")
    assert house.json("template", "show", "invitation", "--customer", "acme", "--language", "en")["source"] == "built-in"


def test_values_stay_text(house):
    """H20: what a person's name holds is neither HTML, nor a header, nor looked at for variables again."""
    name = "<img src=x onerror=alert(1)> {old_login} {{7*7}} $(id) '\" \u2028Bcc: eve@evil.test"
    house.add_mailbox("mean@acme.test", PASSWORD, "--name", name)
    house.cli("template", "set", "old_login", "--customer", "acme", "--language", "en", "--subject", "{person}",
              "--text", "{person}", "--html", "<p title='{person}'>{person}</p>")
    house.cli("login", "add", "mean@acme.test", "mean17")
    house.cli("mailbox", "set", "mean@acme.test", "--quota", "1G")
    (m,) = received(house, "mean@acme.test")
    both = parts(m)
    assert not m.defects and m["Bcc"] is None
    assert m["Subject"] == name.replace("\u2028", "").replace("  ", " ")
    assert both["text/plain"].strip() == name
    value = both["text/html"].partition("title='")[2].partition("'")[0]
    assert "<" not in value and '"' not in value and "{old_login}" in value and "mean17" not in both["text/html"]
    assert "<img" not in both["text/html"]
    house.cli("template", "reset", "old_login", "--customer", "acme", "--language", "en")


@pytest.mark.parametrize("field,value,reason", [
    ("subject", "{pasword}", "there is no variable {pasword} in this notice; there are: address, person"),
    ("text", "see {old_login}", "there is no variable {old_login}"), ("html", "<p>{deadline}</p>", "there is no variable"),
    ("subject", "{link}", "is secret and cannot be in a subject"), ("text", " ", "it is empty")])
def test_templates_are_checked(house, field, value, reason):
    texts = {"subject": "x", "text": "y", "html": "<p>z</p>"} | {field: value}
    words = [w for name, text in texts.items() for w in ("--" + name, text)]
    assert reason in house.refused("template", "set", "reset", "--customer", "acme", "--language", "en", *words)
    assert reason in house.refused("template", "preview", "reset", "--customer", "acme", *words)
    assert house.json("template", "show", "reset", "--customer", "acme")["source"] == "built-in"


def test_limits_of_a_template(house):
    def put(subject, text):
        return house.try_cli("template", "set", "test", "--customer", "acme", "--language", "en", "--subject", subject,
                             "--text-file", house.write_file("long.txt", text)).returncode
    assert put("s" * 200, "t" * 32768) == 0
    assert put("s" * 201, "t") == 2 and put("s", "t" * 32769) == 2
    house.cli("template", "reset", "test", "--customer", "acme", "--language", "en")
    assert "known languages are en, de" in house.refused("template", "show", "test", "--language", "fr")
    assert "there is no notice nothing" in house.refused("template", "show", "nothing")


def test_from_whom(house, box):
    to = box("acme")
    assert house.json("notice", "sender", "acme")["from"] == "do-not-reply@acme.test"
    assert "not an address of one of the customer's domains" in house.refused("notice", "set-sender", "acme", "--from",
                                                                              "a@gmbh.test")
    house.cli("notice", "set-sender", "acme", "--from", "service@acme.test", "--from-name", "Müller & Söhne")
    send(house, "test", to, "--customer", "acme")
    (m,) = received(house, to)
    assert m["From"].addresses[0].addr_spec == "service@acme.test"
    assert m["From"].addresses[0].display_name == "Müller & Söhne"
    house.cli("notice", "set-sender", "acme", "--from", "")
    assert house.json("notice", "sender", "acme")["from"] == "do-not-reply@acme.test"


def test_the_log_says_what_was_sent_and_no_secret(house, box):
    to = box("acme")
    send(house, "first_password", to, "--customer", "acme")
    (m,) = received(house, to)
    assert "Abcd-2345-efgh" in parts(m)["text/plain"]
    one = wait_until(lambda: log(house, "--to", to, "--state", "sent"), 10, "it to be sent")[0]
    assert one["kind"] == "first_password" and one["customer"] == "acme" and one["subject"] == m["Subject"]
    assert one["queue_id"] and one["sent_ms"] >= one["made_ms"]
    shown = house.json("notice", "show", one["id"])
    assert "First password:  ***" in shown["text"] and "Abcd-2345" not in str(shown)
    assert one in log(house, "--customer", "acme") and one in log(house, "--kind", "first_password")
    assert one not in log(house, "--customer", "gmbh") and one not in log(house, "--kind", "reset")
    ids = [n["id"] for n in log(house)]
    assert ids == sorted(ids, reverse=True)


def test_old_notices_are_forgotten(postern):
    postern.add_domain("acme.test")
    postern.cli("template", "test", "test", "--to", "nobody@acme.test", "--customer", "acme")
    wait_until(lambda: log(postern, "--state", "sent"), 10, "it to be sent")
    postern.travel(days=399)
    postern.cli("timer", "run", "notices.trim")
    assert log(postern)
    postern.travel(days=2)
    postern.cli("timer", "run", "notices.trim")
    assert not log(postern)


@pytest.mark.parametrize("role", ["directory", "queue"])
def test_exactly_once_whatever_dies(postern, role):
    """Rooms are killed while notices flow; each arrives, and none twice."""
    postern.add_domain("acme.test")
    postern.add_mailbox("joe@acme.test", PASSWORD)
    sent = 0
    for _ in range(4):
        for _ in range(4):
            sent += postern.try_cli("template", "test", "test", "--to", "joe@acme.test", "--customer", "acme").returncode == 0
        postern.kill(role)
    made = len(log(postern))
    assert made >= sent
    wait_until(lambda: postern.json("timer", "run") and not log(postern, "--state", "waiting"), 60, "all to be sent")
    found = postern.wait_mail("joe@acme.test", PASSWORD, made, seconds=60)
    ids = [email.message_from_bytes(m)["Message-ID"] for m in found]
    assert len(ids) == len(set(ids)) == made


def test_a_notice_waits_for_the_queue_and_is_sealed(postern):
    postern.add_domain("acme.test")
    postern.add_mailbox("joe@acme.test", PASSWORD)
    postern.cli("template", "test", "first_password", "--to", "joe@acme.test", "--customer", "acme")
    (m,) = postern.wait_mail("joe@acme.test", PASSWORD, 1)
    assert b"Abcd-2345-efgh" in m
    wait_until(lambda: log(postern, "--state", "sent"), 10, "it to be written down")
    postern.stop()
    folder = f"{postern.dir}/data/directory"
    for name in ("directory.db", "directory.db-wal"):
        try:
            with open(f"{folder}/{name}", "rb") as f:
                assert b"Abcd-2345-efgh" not in f.read()
        except FileNotFoundError:
            pass
    postern.start()
