# SPDX-License-Identifier: Apache-2.0
"""In which language somebody is written to and refused (M45): his own, else his customer's, else the instance's."""
import csv
import imaplib

import pytest

from harness.api import WebApi
from harness.wait import wait_until
from test_password_pages import Form, ask
from test_notices import log

PASSWORD = "Correct-Horse-7-Battery"
SAFE = "safe@elsewhere.test"
FIRST = {"en": "Your new mailbox {}", "de": "Ihr neues Postfach {}"}
RESET = {"en": "A new password for {}", "de": "Ein neues Passwort für {}"}


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    for customer, more in (("gmbh", ("--language", "de")), ("acme", ("--language", "en")), ("plain", ())):
        p.cli("customer", "add", customer, *more)
        p.customers.add(customer)
        p.add_domain(customer + ".test", customer=customer)
    return p


def newest(p, to):
    rows = log(p, "--to", to)
    return rows[0] if rows else {"id": 0}


def told(p, to, act):
    """The notice that goes out to this address because of act()."""
    before = newest(p, to)["id"]
    act()
    return wait_until(lambda: (row := newest(p, to))["id"] > before and row["state"] == "sent" and row, 20, "the notice")


def invited(p, address):
    """The invitation to a mailbox, as the log has it."""
    p.cli("mailbox", "set", address, "--recovery", SAFE)
    return told(p, SAFE, lambda: p.cli("mailbox", "invite", address))


def in_language(p, address, language):
    shown = invited(p, address)
    return shown["language"] == language and shown["subject"] == FIRST[language].format(address)


@pytest.mark.parametrize("customer, own, language", [("gmbh", None, "de"), ("gmbh", "en", "en"), ("acme", "de", "de"),
                                                     ("acme", None, "en"), ("plain", None, "en"), ("plain", "de", "de")])
def test_a_notice_speaks_the_persons_language(house, customer, own, language):
    address = f"notice-{own}@{customer}.test".lower()
    house.add_mailbox(address, None, *(("--language", own) if own else ()))
    assert house.json("mailbox", "show", address)["language"] == (own or "default")
    assert in_language(house, address, language)
    other = "de" if language == "en" else "en"
    assert house.json("mailbox", "set", address, "--language", other)["language"] == other
    assert in_language(house, address, other)
    house.cli("mailbox", "set", address, "--language", "default")
    assert in_language(house, address, "de" if customer == "gmbh" else "en")
    rows = {m["address"]: m["language"] for m in house.json("mailbox", "list", "--domain", f"{customer}.test")["items"]}
    assert rows[address] == "default"


def test_the_instance_has_a_language(house):
    address = "instance@plain.test"
    house.add_mailbox(address, None)
    house.set_option("host.language", "de")
    house.cli("reload")
    try:
        assert house.json("customer", "show", "plain")["language"] == "default"
        assert in_language(house, address, "de")
        assert "de" in ask(house, "GET", "/password", language="fr")[1]["Content-Language"]
        assert house.json("template", "show", "invitation")["language"] == "de"
        house.cli("customer", "set", "plain", "--language", "en")
        assert in_language(house, address, "en")
        house.cli("customer", "set", "plain", "--language", "default")
        assert in_language(house, address, "de")
    finally:
        house.set_option("host.language", "en")
        house.cli("reload")
    assert in_language(house, address, "en")


@pytest.mark.parametrize("words", [("mailbox", "add", "x@acme.test"), ("mailbox", "set", "odd@acme.test"),
                                   ("admin", "add", "someone", "--customer", "acme"), ("admin", "set", "oddly"),
                                   ("customer", "add", "odd"), ("customer", "set", "acme")])
def test_an_unknown_language_is_refused(house, words):
    if words[1:2] == ("set",) and words[0] == "mailbox":
        house.add_mailbox("odd@acme.test", None)
    if words[:2] == ("admin", "set"):
        house.cli("admin", "add", "oddly", "--customer", "acme", "--recovery", "oddly@outside.test", "--language", "de")
    said = house.refused(*words, "--language", "fr")
    assert '"fr": known languages are en, de' in said
    said = house.refused(*words, "--language", "fr", "--lang", "de")
    assert '"fr": bekannte Sprachen sind en, de' in said
    if words[:2] == ("admin", "set"):
        assert house.json("admin", "show", "oddly")["language"] == "de"


def test_people_set_their_own(house):
    """A user, and an admin without a mailbox; nothing else of what admins set."""
    user, other = "self@gmbh.test", "other@gmbh.test"
    house.add_mailbox(user, PASSWORD)
    house.add_mailbox(other, PASSWORD)
    web = WebApi(house).login(user, PASSWORD)
    status, _, body = web.ask("PATCH", f"/mailboxes/{user}", {"language": "en"})
    assert (status, body["language"]) == (200, "en")
    for language, text in (("en", "only an admin may say quota"), ("de", "nur ein Administrator darf quota angeben")):
        status, _, body = web.ask("PATCH", f"/mailboxes/{user}", {"language": "de", "quota": "9T"},
                                  {"Accept-Language": language})
        assert (status, body["field"], body["detail"]) == (403, "quota", text)
    for field in ("name", "retention", "recovery", "send_any", "hosted"):
        value = {"send_any": True, "hosted": True, "recovery": "me@evil.test"}.get(field, "30")
        assert web.ask("PATCH", f"/mailboxes/{user}", {field: value})[0] == 403
    assert web.ask("PATCH", f"/mailboxes/{other}", {"language": "en"})[0] == 404
    shown = house.json("mailbox", "show", user)
    assert (shown["language"], shown["quota_bytes"], shown["recovery"]) == ("en", 0, "")
    house.cli("admin", "add", "dora", "--domain", "gmbh.test", "--recovery", "dora@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
    house.cli("admin", "add", "emil", "--domain", "gmbh.test", "--recovery", "emil@outside.test", "--language", "de")
    web = WebApi(house).login("dora", PASSWORD)
    assert web.ask("PATCH", "/admins/dora", {"language": "de"})[0] == 200
    assert web.ask("PATCH", "/admins/dora", {"recovery": "dora@evil.test"})[0] == 403
    assert web.ask("PATCH", "/admins/emil", {"language": "en"})[0] == 404
    rows = {r["login"]: r["language"] for r in house.json("admin", "list", "--domain", "gmbh.test")["items"]}
    assert rows == {"dora": "de", "emil": "de"}


def test_an_admins_letter(house):
    """Staff of an English customer, and of the provider, who read German."""
    for login, office in (("fritz", ("--customer", "acme")), ("grete", ("--provider",))):
        for language in ("de", "en"):
            house.try_cli("admin", "add", login, *office, "--recovery", f"{login}@outside.test")
            house.cli("admin", "set", login, "--language", language)
            house.travel(hours=2)
            row = told(house, f"{login}@outside.test",
                       lambda: ask(house, "POST", "/password", {"do": "forgot", "forgot_user": login}))
            assert row["language"] == language and row["subject"] == RESET[language].format(login)


def test_files_carry_it(house):
    house.add_domain("files.test", customer="gmbh")
    path = house.write_file("accounts.csv", "address,language\nann,en\nbea,\ncarl,default\ndirk,de\n")
    house.cli("import", "accounts", path, "--domain", "files.test")
    want = {"ann@files.test": "en", "bea@files.test": "default", "carl@files.test": "default", "dirk@files.test": "de"}

    def there():
        return {m["address"]: m["language"] for m in house.json("mailbox", "list", "--domain", "files.test")["items"]}
    assert there() == want
    text = house.cli("export", "accounts", "files.test")
    assert [row["language"] for row in csv.DictReader(text.splitlines())] == ["en", "", "", "de"]
    for address in want:
        house.cli("mailbox", "remove", address)
    house.cli("import", "accounts", house.write_file("again.csv", text), "--domain", "files.test")
    assert there() == want and house.cli("export", "accounts", "files.test") == text
    path = house.write_file("bad.csv", "address,language\nbad,fr\n")
    assert 'line 2: "fr": known languages are en, de' in house.refused("import", "accounts", path, "--domain", "files.test")
    assert there() == want


@pytest.mark.parametrize("own, text", [("en", "setting one of your own"), ("de", "Setzen eines eigenen")])
def test_a_default_password_is_refused_in_it(house, own, text):
    address = f"must-{own}@{'gmbh' if own == 'en' else 'acme'}.test"
    house.add_mailbox(address, PASSWORD, "--must-change", "--language", own)
    with pytest.raises(imaplib.IMAP4.error, match=text):
        house.imap(address, PASSWORD)


@pytest.mark.parametrize("asked, language", [(None, "de"), ("fr", "de"), ("fr, en;q=0.1", "en"), ("de", "de")])
def test_a_link_opens_in_it(house, asked, language):
    """What a browser asks for comes first; where it asks for nothing that is here, it is the person's."""
    address = f"link-{str(asked)[:2]}-{language}@acme.test"
    house.add_mailbox(address, None, "--language", "de")
    house.add_domain(f"letters-{str(asked)[:2]}-{language}.test", customer="plain")
    safe = f"safe@letters-{str(asked)[:2]}-{language}.test"
    house.add_mailbox(safe, PASSWORD)
    house.cli("mailbox", "set", address, "--recovery", safe)
    house.cli("mailbox", "invite", address)
    (letter,) = house.wait_mail(safe, PASSWORD, 1)
    path = "/password/" + letter.decode("ascii").split("/password/", 1)[1].replace("=\r\n", "")[:64].split()[0]
    title = {"en": "Set your password", "de": "Ihr Passwort festlegen"}[language]
    differ = {"en": "differ", "de": "verschieden"}[language]
    policy = {"en": "the policy asks for", "de": "die Richtlinie verlangt"}[language]
    done = {"en": "is set", "de": "festgelegt"}[language]
    status, headers, text = ask(house, "GET", path, language=asked or "")
    page = Form(text)
    assert (status, headers["Content-Language"]) == (200, language)
    assert ("html", {"lang": language}) in page.tags and title in page.words
    for new, again, code, words in (("a", "b", 422, differ), ("a", "a", 422, policy), (PASSWORD, PASSWORD, 200, done)):
        status, headers, text = ask(house, "POST", "/password", page.forms[0] | {"new": new, "again": again}, asked or "")
        assert (status, headers["Content-Language"]) == (code, language) and words in Form(text).words
