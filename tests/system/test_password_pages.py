# SPDX-License-Identifier: Apache-2.0
"""The pages at / and /password, as a browser without scripts sees them (FEATURES M7 to M10; THREATS H13, H14)."""
import email
import email.policy
import html.parser
import http.client
import imaplib
import re
import urllib.parse

import pytest

from harness import wait_until
from harness.instance import tls_context
from harness.totp import turn_on

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"
SAFE = "safe@other.test"


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.add_domain("example.test")
    p.add_domain("other.test", customer="elsewhere")
    p.add_mailbox(SAFE, PASSWORD)
    return p


class Form(html.parser.HTMLParser):
    """Forms of a page: [{name: value}], labels, words; ids that labels and errors name must be there."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.ids, self.wanted, self.words, self.invalid, self.tags = [], set(), set(), "", [], []
        self.feed(text)
        assert self.wanted <= self.ids, self.wanted - self.ids

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.tags.append((tag, a))
        self.ids.add(a.get("id"))
        self.wanted |= {x for k in ("for", "aria-describedby") if k in a for x in a[k].split()}
        if tag == "form":
            self.forms.append({})
        if tag == "input" and "name" in a:
            self.forms[-1][a["name"]] = a.get("value", "")
        if a.get("aria-invalid"):
            self.invalid.append(a["name"])

    def handle_data(self, data):
        self.words += data


def ask(p, method, path, form=None, language="en", host=None, headers=()):
    """(status, headers, text)"""
    web = http.client.HTTPSConnection("127.0.0.1", p.port("https"), context=tls_context(), timeout=30)
    host = host or f"mail.example.test:{p.port('https')}"
    more = {"Host": host, "Accept-Language": language, **dict(headers)}
    body = None
    if form is not None:
        body = urllib.parse.urlencode(form)
        more["Content-Type"] = "application/x-www-form-urlencoded"
    web.request(method, path, body, more)
    answer = web.getresponse()
    text = answer.read().decode()
    web.close()
    return answer.status, answer.headers, text


def logs_in(p, user, password):
    try:
        p.imap(user, password).logout()
        return True
    except imaplib.IMAP4.error:
        return False


def letters(p):
    return [email.message_from_bytes(m, policy=email.policy.default).get_body(("plain",)).get_content()
            for m in p.mail(SAFE, PASSWORD)]


def link(p, act, *, host=None):
    """The path of the link that act() has mailed."""
    n = len(letters(p))
    act()
    text = wait_until(lambda: len(found := letters(p)) > n and found[-1], 20, "the letter")
    found = re.findall(r"https://\S+", text)
    assert len(found) == 1, text
    url = urllib.parse.urlsplit(found[0])
    assert url.netloc == f"mail.example.test:{p.port('https')}"         # as configured, whatever was asked
    return url.path


def add(p, user):
    p.add_mailbox(user, None)
    p.cli("mailbox", "set", user, "--recovery", SAFE)
    return user


@pytest.mark.parametrize("language, words", [("en", ("At least 12", "differ", "is set", "the policy asks for")),
                                             ("de-AT,de;q=0.9,en;q=0.5", ("Mindestens 12", "verschieden", "festgelegt", "die Richtlinie verlangt"))])
def test_an_invitation_is_taken_up_in_the_browser(house, language, words):       # M9
    user = add(house, f"invited-{language[:2]}@example.test")
    path = link(house, lambda: house.cli("mailbox", "invite", user))
    for _ in range(3):                              # programs that follow links spend nothing
        status, headers, text = ask(house, "GET", path, language=language)
        assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    page = Form(text)
    assert words[0] in page.words and user in page.words
    assert ("html", {"lang": language[:2]}) in page.tags
    form = page.forms[0]
    status, _, text = ask(house, "POST", "/password", form | {"new": NEW, "again": NEW + "x"}, language)
    page = Form(text)
    assert status == 422 and page.invalid == ["again"] and words[1] in page.words
    status, _, text = ask(house, "POST", "/password", page.forms[0] | {"new": "weak", "again": "weak"}, language)
    page = Form(text)
    assert status == 422 and page.invalid == ["new"] and words[3] in page.words and "weak" not in text
    status, _, text = ask(house, "POST", "/password", page.forms[0] | {"new": NEW, "again": NEW}, language)
    assert status == 200 and words[2] in Form(text).words
    assert logs_in(house, user, NEW)
    status, _, text = ask(house, "POST", "/password", form | {"new": PASSWORD, "again": PASSWORD}, language)
    assert status == 404 and not logs_in(house, user, PASSWORD)         # once
    assert ask(house, "GET", path)[0] == 404
    assert path.rsplit("/", 1)[1] not in house.log()


def test_forgot_password_in_the_browser(house):                       # M9
    user = add(house, "forgetful@example.test")
    house.cli("mailbox", "password", user, "--password-stdin", stdin=PASSWORD + "\n")
    answers = []

    def forget(name):
        form = next(f for f in Form(ask(house, "GET", "/password")[2]).forms if f["do"] == "forgot")
        answers.append(ask(house, "POST", "/password", form | {"forgot_user": name}))
    path = link(house, lambda: forget(user))
    forget("nobody@example.test")
    forget("x@nowhere.test")
    assert len({(status, text) for status, _, text in answers}) == 1 and answers[0][0] == 200
    form = Form(ask(house, "GET", path)[2]).forms[0]
    assert ask(house, "POST", "/password", form | {"new": NEW, "again": NEW})[0] == 200
    assert logs_in(house, user, NEW) and not logs_in(house, user, PASSWORD)


def test_a_default_password_is_changed_in_the_browser(house):         # M8
    house.cli("mailbox", "add", "new@example.test", "--password-stdin", "--must-change", stdin=PASSWORD + "\n")
    form = Form(ask(house, "GET", "/password")[2]).forms[0]
    filled = form | {"user": "new@example.test", "current": PASSWORD, "new": NEW, "again": NEW}
    for wrong, invalid in (({"current": "Wrong-password-1"}, "current"), ({"user": "nobody@example.test"}, "current"),
                           ({"new": PASSWORD, "again": PASSWORD}, "new"), ({"new": "weak", "again": "weak"}, "new")):
        status, _, text = ask(house, "POST", "/password", filled | wrong)
        assert status in (401, 422) and Form(text).invalid == [invalid], text
        assert not logs_in(house, "new@example.test", NEW)
    assert ask(house, "POST", "/password", filled)[0] == 200
    assert logs_in(house, "new@example.test", NEW)


def test_the_form_asks_for_the_code_of_a_second_factor(house):        # H27
    from harness.totp import code, turn_on, wrong_code
    house.add_mailbox("two@example.test", PASSWORD)
    secret, codes = turn_on(house, "two@example.test", PASSWORD)
    form = Form(ask(house, "GET", "/password")[2]).forms[0]
    filled = form | {"user": "two@example.test", "current": PASSWORD, "new": NEW, "again": NEW}
    for totp in ("", wrong_code(secret, house.now())):
        status, _, text = ask(house, "POST", "/password", filled | {"totp": totp})
        assert status in (401, 422) and Form(text).invalid == ["totp"], text
    assert ask(house, "POST", "/password", filled | {"totp": code(secret, house.now(), 1)})[0] == 200
    assert ask(house, "POST", "/password", filled | {"current": NEW, "new": PASSWORD, "again": PASSWORD,
                                                     "totp": codes[0]})[0] == 200


def test_a_page_is_closed_to_scripts_frames_and_referers(house):      # H14
    for path in ("/password", "/password/" + 64 * "0", "/password/style.css"):
        _, headers, text = ask(house, "GET", path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
        assert "script" not in policy and "unsafe" not in policy
        assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
        assert "<script" not in text and " style=" not in text
    evil = "\"><script>alert(1)</script>'&@x"
    text = ask(house, "POST", "/password", {"do": "change", "user": evil, "current": "x", "new": NEW, "again": NEW})[2]
    assert "<script" not in text and Form(text).forms[0]["user"] == evil


def test_a_link_names_the_configured_host_alone(house):               # H13
    user = add(house, "poisoned@example.test")
    form = {"do": "forgot", "forgot_user": user}
    n = len(letters(house))
    for host, more in (("evil.test", ()), (f"good:@evil.test", ()), ("mail.example.test", (("X-Forwarded-Host", "evil.test"),)),
                       ("mail.example.test", (("Forwarded", "host=evil.test"),))):
        status, _, text = ask(house, "POST", "/password", form, host=host, headers=more)
        assert status in (400, 421), (host, text)
    path = link(house, lambda: ask(house, "POST", "/password", form, host="MAIL.example.test"))     # looks at the host
    assert len(letters(house)) == n + 1
    assert Form(ask(house, "GET", path)[2]).forms[0]["do"] == "reset"


@pytest.mark.parametrize("method, path, form, status", [
    ("POST", "/password/x", {"do": "reset"}, 405), ("DELETE", "/password", None, 405), ("POST", "/password", {}, 400),
    ("POST", "/password", {"do": "delete"}, 400), ("POST", "/password", {"do": "reset"}, 422),
    ("GET", "/password/" + 300 * "a", None, 404), ("POST", "/password", {"do": "change", "new": 8192 * "x"}, 413)])
def test_odd_requests(house, method, path, form, status):
    assert ask(house, method, path, form)[0] == status


@pytest.mark.parametrize("language, first, second", [("en", "The password has 4 characters, the policy asks for at least 12.", "Wrong name or password."),
                                                     ("de", "Das Passwort hat 4 Zeichen, die Richtlinie verlangt mindestens 12.", "Name oder Passwort stimmt nicht.")])
def test_what_a_page_gives_readers_and_password_managers(house, language, first, second):
    """Labels, what describes a field, what a password manager fills in; errors are sentences at their field."""
    user = add(house, f"labels-{language}@example.test")
    path = link(house, lambda: house.cli("mailbox", "invite", user))
    page = Form(ask(house, "GET", path, language=language)[2])
    inputs = [a for tag, a in page.tags if tag == "input" and a.get("type") != "hidden"]
    assert [(a.get("name"), a["autocomplete"], a["type"]) for a in inputs] == [
        (None, "username", "text"), ("new", "new-password", "password"), ("again", "new-password", "password")]
    assert inputs[0]["value"] == user and "hidden" in inputs[0] and inputs[1]["aria-describedby"] == "rule"
    page = Form(ask(house, "POST", "/password", page.forms[0] | {"new": "weak", "again": "weak"}, language)[2])
    wrong = next(a for tag, a in page.tags if a.get("aria-invalid"))
    assert wrong["aria-describedby"].split() == ["new-error", "rule"] and "autofocus" in wrong and first in page.words
    page = Form(ask(house, "GET", "/password", language=language)[2])
    form = page.forms[0] | {"user": user, "current": "x", "new": NEW, "again": NEW}
    page = Form(ask(house, "POST", "/password", form, language)[2])
    assert page.invalid == ["current"] and second in page.words and page.forms[0]["user"] == user
    named = {a["name"]: a for tag, a in page.tags if tag == "input" and "name" in a}
    assert [named[n]["autocomplete"] for n in ("user", "current", "new")] == ["username", "current-password", "new-password"]
    assert named["user"]["autocapitalize"] == "none" and ("html", {"lang": language}) in page.tags


@pytest.mark.parametrize("language, words", [("en", ("Mail server mail.example.test", "app passwords")),
                                             ("de-AT,de;q=0.9", ("Mailserver mail.example.test", "App-Passwörter")),
                                             ("xx", ("Mail server mail.example.test", "app passwords"))])
def test_where_texts_lead_there_is_a_page(house, language, words):
    status, headers, text = ask(house, "GET", "/", language=language)
    page = Form(text)
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert all(w in page.words for w in words) and not page.forms
    assert not [t for t, a in page.tags if t in ("script", "style", "img") or "style" in a or any(k.startswith("on") for k in a)]
    # Every link leads somewhere, at this server.
    links = [a["href"] for _, a in page.tags if "href" in a]
    assert len(links) == 4
    for link_ in links:
        status, _, text = ask(house, "GET", link_.split("#")[0], language=language)
        assert link_.startswith("/") and status == 200
        assert "#" not in link_ or link_.split("#")[1] in Form(text).ids
    assert ask(house, "HEAD", "/")[0] == 200 and ask(house, "POST", "/", {})[0] == 405
    assert ask(house, "GET", "/else")[0] == 404


def test_the_refusal_of_a_password_leads_there(house):
    """Whoever has a second factor is told an address by his mail program, and finds words there."""
    user = "factor@example.test"
    house.add_mailbox(user, PASSWORD)
    turn_on(house, user, PASSWORD)
    with pytest.raises(imaplib.IMAP4.error) as refusal:
        house.imap(user, PASSWORD)
    url = re.search(r"https://\S+?(?=[\s'\]]|$)", str(refusal.value)).group()
    found = urllib.parse.urlsplit(url)
    assert found.netloc == f"mail.example.test:{house.port('https')}"
    status, _, text = ask(house, "GET", found.path)
    assert status == 200 and "app passwords" in Form(text).words
