# SPDX-License-Identifier: Apache-2.0
"""The second factor of logins on the web, as one-time codes by the clock (RFC 6238; THREATS H27)."""
import base64
import email
import email.policy
import imaplib
import poplib
import re
import smtplib
import socket
import urllib.parse

import pytest

from harness import wait_until
from harness.api import SocketApi, WebApi
from harness.doors import EVERY, NONE, logs_in
from harness.instance import tls_context
from harness.totp import STEP, begin_step, code, stay, turn_on, wrong_code

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"
JOE = "joe@example.test"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    shared_postern.add_domain("other.test", customer="elsewhere")
    return shared_postern


@pytest.fixture
def joe(house, request):
    """A mailbox of its own for the test."""
    address = re.sub("[^a-z]+", "-", request.node.name.lower())[:40].strip("-") + "@example.test"
    house.add_mailbox(address, PASSWORD)
    return address


def log_in(house, login, password=PASSWORD, totp=None):
    """Status and body of a login on the web."""
    body = {"login": login, "password": password} | ({"totp": totp} if totp else {})
    status, _, answer = WebApi(house).ask("POST", "/session", body)
    return status, answer


def letters(house, address, password=PASSWORD):
    found = [email.message_from_bytes(m, policy=email.policy.default) for m in house.mail(address, password)]
    return [(m["Subject"], m.get_body(("plain",)).get_content()) for m in found]


def ask(house, token, login, verb, **body):
    status, _, answer = WebApi(house, token).ask("POST", f"/totp/{urllib.parse.quote(login, safe='@')}/{verb}", body)
    return status, answer

# -- turning it on and off --------------------------------------------------------------------------------------------

def test_it_is_turned_on_with_the_password_and_a_code(house, joe):
    token = log_in(house, joe)[1]["token"]
    status, answer = ask(house, token, joe, "start", password=PASSWORD + "x")
    assert (status, answer["field"]) == (403, "password")
    assert ask(house, token, joe, "start")[0] == 422
    status, made = ask(house, token, joe, "start", password=PASSWORD)
    assert status == 201 and re.fullmatch("[A-Z2-7]{32}", made["secret"])          # 160 bits
    uri = urllib.parse.urlsplit(made["uri"])
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", f"/mail.example.test:{joe}")
    assert urllib.parse.parse_qs(uri.query) == {"secret": [made["secret"]], "issuer": ["mail.example.test"],
                                                "algorithm": ["SHA1"], "digits": ["6"], "period": ["30"]}
    assert log_in(house, joe)[0] == 201                                             # nothing is in force yet
    shown = house.json("totp", "show", joe)
    assert (shown["on"], shown["waits"], shown["recovery_codes_left"]) == (False, True, 0)
    status, answer = ask(house, token, joe, "confirm", code=wrong_code(made["secret"], house.now()))
    assert (status, answer["field"], answer["type"]) == (422, "code", "urn:postern:second-factor")
    status, done = ask(house, token, joe, "confirm", code=code(made["secret"], house.now()))
    assert status == 200 and len(set(done["recovery_codes"])) == 10
    assert all(len(c.replace("-", "")) == 20 for c in done["recovery_codes"])
    shown = house.json("totp", "show", joe)
    assert shown["on"] and not shown["waits"] and shown["recovery_codes_left"] == 10
    assert abs(shown["since_ms"] / 1000 - house.now()) < 60
    secrets = [made["secret"], *done["recovery_codes"]]
    assert not [s for s in secrets if s in house.log() or s in str(house.json("audit", "list"))]
    # A second secret does not take the place of the first.
    status, answer = ask(house, token, joe, "start", password=PASSWORD)
    assert status == 409 and "turn it off first" in answer["detail"]


def test_a_secret_waits_for_half_an_hour(house, joe):
    secret = house.json("totp", "start", joe, "--password-stdin", stdin=PASSWORD + "\n")["secret"]
    again = house.json("totp", "start", joe, "--password-stdin", stdin=PASSWORD + "\n")["secret"]
    assert secret != again
    assert "not good" in house.refused("totp", "confirm", joe, "--code-stdin", stdin=code(secret, house.now()))
    house.travel(minutes=31)
    assert "start again" in house.refused("totp", "confirm", joe, "--code-stdin", stdin=code(again, house.now()))
    assert log_in(house, joe)[0] == 201


def test_ones_own_goes_with_the_password_or_a_code_and_an_admins_word(house, joe):
    house.cli("admin", "add", f"boss-{joe}".split("@")[0], "--customer", "acme", "--recovery", "boss@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
    boss = log_in(house, f"boss-{joe}".split("@")[0])[1]["token"]
    for proof in ("password", "code", "recovery", "admin"):
        at = begin_step(house)
        secret, codes = turn_on(house, joe, PASSWORD)
        token = log_in(house, joe, totp=codes[0])[1]["token"]
        assert ask(house, token, joe, "remove")[0] == 422                           # the session alone is not enough
        assert ask(house, token, joe, "remove", password="wrong")[0] == 403
        assert ask(house, token, joe, "remove", code=wrong_code(secret, at))[0] == 422
        assert ask(house, token, joe, "remove", code=codes[0])[0] == 422            # it was used
        stay(house, at)
        assert ask(house, token, joe, "remove", code=code(secret, at))[0] == 422    # it has confirmed
        assert ask(house, token, joe, "codes")[0] == 422
        assert house.json("totp", "show", joe)["on"]
        more = {"password": {"password": PASSWORD}, "code": {"code": code(secret, at, 1)},
                "recovery": {"code": codes[1].upper().replace("-", " ")}, "admin": {}}[proof]
        assert ask(house, boss if proof == "admin" else token, joe, "remove", **more)[0] == 200
        assert not house.json("totp", "show", joe)["on"]
        assert log_in(house, joe)[0] == 201
        assert ask(house, token, joe, "remove", password=PASSWORD)[0] == 409
    rows = house.json("audit", "list", "--limit", "1000")["items"]
    assert any(r["operation"] == "totp.remove" and r["object"] == joe and r["actor"].startswith("boss-") for r in rows)


def test_recovery_codes_are_made_anew(house, joe):
    secret, codes = turn_on(house, joe, PASSWORD)
    token = log_in(house, joe, totp=codes[0])[1]["token"]
    assert house.json("totp", "show", joe)["recovery_codes_left"] == 9
    for proof in ("password", "code"):
        status, answer = ask(house, token, joe, "codes", **{proof: PASSWORD if proof == "password" else codes[1]})
        assert status == 200 and len(answer["recovery_codes"]) == 10
        assert log_in(house, joe, totp=codes[2])[0] == 401
        codes = answer["recovery_codes"]
    assert log_in(house, joe, totp=codes[2])[0] == 201


def test_disabled_and_enabled_again_nothing_of_before_is_good(house, joe):          # H27
    secret, codes = turn_on(house, joe, PASSWORD)
    house.cli("totp", "remove", joe)
    new_secret, new_codes = turn_on(house, joe, PASSWORD)
    assert secret != new_secret
    for old in (code(secret, house.now(), 1), codes[0]):
        assert log_in(house, joe, totp=old)[0] == 401
    assert log_in(house, joe, totp=code(new_secret, house.now(), 1))[0] == 201
    assert log_in(house, joe, totp=new_codes[0])[0] == 201


def test_staff_has_one_too(house):
    house.cli("admin", "add", "otto", "--provider", "--password-stdin", stdin=PASSWORD + "\n")
    secret, codes = turn_on(house, "otto", PASSWORD)
    assert log_in(house, "otto")[0] == 401
    status, answer = log_in(house, "otto", totp=code(secret, house.now(), 1))
    assert status == 201
    assert WebApi(house, answer["token"]).ask("GET", "/customers")[0] == 200
    house.cli("admin", "remove", "otto")
    house.cli("admin", "add", "otto", "--provider", "--password-stdin", stdin=PASSWORD + "\n")
    assert log_in(house, "otto")[0] == 201                                          # another one of that name


def test_only_a_logins_own_name_is_one(house, joe):
    """An alias of somebody who outranks the admin is no way to his second factor."""
    house.cli("admin", "add", "dom", "--domain", "example.test", "--recovery", "dom@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
    house.cli("admin", "add", joe, "--provider")
    house.cli("address", "add", f"alias-{joe}", "--type", "alias", "--to", joe)
    turn_on(house, joe, PASSWORD)
    dom = log_in(house, "dom")[1]["token"]
    assert ask(house, dom, joe, "remove")[0] == 403
    assert ask(house, dom, f"alias-{joe}", "remove")[0] == 404
    assert house.json("totp", "show", joe)["on"]

# -- logging in -------------------------------------------------------------------------------------------------------

def test_a_login_wants_a_code_only_behind_the_right_password(house, joe):
    secret, codes = turn_on(house, joe, PASSWORD)
    status, answer = log_in(house, joe)
    assert (status, answer["type"], answer["field"]) == (401, "urn:postern:second-factor", "totp")
    assert "second factor" in answer["detail"]
    for totp in (None, code(secret, house.now(), 1), codes[0]):
        status, answer = log_in(house, joe, NEW, totp)
        assert (status, answer["type"], answer.get("field")) == (401, "about:blank", None)
    status, answer = log_in(house, joe, totp=wrong_code(secret, house.now()))
    assert (status, answer["type"], answer["field"]) == (401, "urn:postern:second-factor", "totp")
    assert "token" not in answer and "login" not in answer
    status, _, answer = WebApi(house).ask("POST", "/session", {"login": joe, "password": PASSWORD},
                                          {"Accept-Language": "de"})
    assert "zweiten Faktor" in answer["detail"]
    assert log_in(house, joe, totp=code(secret, house.now(), 1))[0] == 201      # none of that has spent it
    assert log_in(house, joe, totp=65 * "1")[0] == 422


def test_a_code_is_good_once_and_in_its_time(house, joe):                           # H27: replay, window
    at = begin_step(house)
    secret, _ = turn_on(house, joe, PASSWORD)
    stay(house, at)
    assert log_in(house, joe, totp=code(secret, at))[0] == 401                  # it has confirmed
    at += 10 * STEP
    for steps, status in ((-2, 401), (2, 401), (-1, 201), (-1, 401), (1, 201), (0, 401), (1, 401)):
        stay(house, at)
        assert log_in(house, joe, totp=code(secret, at, steps))[0] == status, steps
    at += 10 * STEP
    stay(house, at)
    used = code(secret, at)
    assert log_in(house, joe, totp=f" {used[:3]} {used[3:]} ")[0] == 201
    house.kill("directory")                                                         # it is on the disk
    stay(house, at)
    assert log_in(house, joe, totp=used)[0] == 401
    assert log_in(house, joe, totp=code(secret, at, 1))[0] == 201


def test_of_many_at_once_with_one_code_one_gets_in(house, joe):                     # H27: replay
    import concurrent.futures
    secret, codes = turn_on(house, joe, PASSWORD)
    for totp in (code(secret, house.now(), 1), codes[0]):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: log_in(house, joe, totp=totp)[0], range(8)))
        assert sorted(found) == [201] + 7 * [401]


def test_a_recovery_code_lets_in_once_and_is_told(house, joe):
    _, codes = turn_on(house, joe, PASSWORD)
    status, answer = log_in(house, joe, totp=codes[3].upper())
    assert status == 201
    assert log_in(house, joe, totp=codes[3])[0] == 401
    assert house.json("totp", "show", joe)["recovery_codes_left"] == 9
    rows = house.json("audit", "list", "--limit", "1000")["items"]
    assert any(r["operation"] == "session.add" and r["object"] == joe and "recovery code" in r["detail"] for r in rows)
    assert codes[3] not in house.log() and codes[3] not in str(rows)


def test_turning_it_on_ends_the_other_sessions(house, joe):
    mine, other = (log_in(house, joe)[1]["token"] for _ in range(2))
    key = house.json("token", "add", "script", "--login", joe)["token"]
    secret = ask(house, mine, joe, "start", password=PASSWORD)[1]["secret"]
    assert WebApi(house, other).ask("GET", "/session")[0] == 200
    assert ask(house, mine, joe, "confirm", code=code(secret, house.now()))[0] == 200
    assert WebApi(house, mine).ask("GET", "/session")[0] == 200
    assert WebApi(house, other).ask("GET", "/session")[0] == 401
    assert WebApi(house, key).ask("GET", "/session")[0] == 200                      # has an end of its own


def test_a_new_password_leaves_it_on(house, joe):                                   # H27: bypass by a reset
    secret, codes = turn_on(house, joe, PASSWORD)
    # By the one that is there: the password alone sets none.
    web = WebApi(house)
    change = {"user": joe, "password": PASSWORD, "new_password": NEW}
    status, _, answer = web.ask("POST", "/password/change", change)
    assert (status, answer["type"], answer["field"]) == (401, "urn:postern:second-factor", "totp")
    status, _, answer = web.ask("POST", "/password/change", change | {"totp": wrong_code(secret, house.now())})
    assert (status, answer["type"], answer["field"]) == (422, "urn:postern:second-factor", "totp")
    assert web.ask("POST", "/password/change", change | {"password": NEW, "totp": codes[0]})[2]["field"] == "password"
    assert log_in(house, joe, totp=codes[0])[0] == 201
    assert web.ask("POST", "/password/change", change | {"totp": codes[0]})[0] == 422      # it was used
    assert web.ask("POST", "/password/change", change | {"totp": code(secret, house.now(), 1)})[0] == 200
    assert log_in(house, joe, NEW)[0] == 401
    assert log_in(house, joe, NEW, codes[1])[0] == 201
    # By a link.
    house.cli("mailbox", "set", joe, "--recovery", "safe@other.test")
    house.add_mailbox("safe@other.test", PASSWORD)
    house.cli("password", "forgot", joe)
    text = wait_until(lambda: letters(house, "safe@other.test"), 20, "the letter")[-1][1]
    token = re.search(r"/password/(\S+)", text).group(1)
    assert web.ask("POST", "/password/reset", {"token": token, "password": PASSWORD})[0] == 200
    assert log_in(house, joe, PASSWORD)[1]["type"] == "urn:postern:second-factor"
    assert log_in(house, joe, PASSWORD, codes[2])[0] == 201
    # By an admin.
    house.cli("mailbox", "password", joe, "--password-stdin", stdin=NEW + "\n")
    assert log_in(house, joe, NEW)[0] == 401
    done = house.try_cli("password", "change", joe, "--totp-stdin", stdin=f"{NEW}\n{PASSWORD}\n{codes[3]}\n")
    assert done.returncode == 0, done.stderr
    assert log_in(house, joe, PASSWORD, codes[4])[0] == 201

# -- mail programs ----------------------------------------------------------------------------------------------------

def sieve_login(house, user, password):
    """An open ManageSieve connection, and what it answered."""
    raw = socket.create_connection(("127.0.0.1", house.port("sieve")), timeout=20)

    def answer():
        text = b""
        while not re.search(rb"^(OK|NO|BYE)[^\n]*\r\n", text, re.M):
            more = connection.recv(4096)
            if not more:
                break
            text += more
        return text.decode()
    connection = raw
    answer()
    raw.sendall(b"STARTTLS\r\n")
    answer()
    connection = tls_context().wrap_socket(raw)
    answer()
    plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    connection.sendall(f'AUTHENTICATE "PLAIN" "{plain}"\r\n'.encode())
    said = answer()

    def ask_more(command):
        connection.sendall(command + b"\r\n")
        return answer()
    return said, ask_more


def refusals(house, user, password):
    """What each protocol says to this login."""
    texts = {}
    with pytest.raises(imaplib.IMAP4.error) as refused:
        house.imap(user, password)
    texts["imap"] = str(refused.value)
    with pytest.raises(poplib.error_proto) as refused:
        house.pop3(user, password)
    texts["pop3"] = str(refused.value)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        house.submission(user, password)
    texts["submission"] = str(refused.value)
    texts["sieve"] = sieve_login(house, user, password)[0]
    assert not texts["sieve"].startswith("OK")
    return texts


def app(house, user, *protocols):
    words = [word for p in protocols or ("imap", "pop3", "submission", "sieve") for word in ("--protocol", p)]
    return house.json("apppassword", "add", user, "all", *words)["password"]


@pytest.mark.parametrize("language, words", [("en", "needs an app password"), ("de", "braucht darum ein App-Passwort")])
def test_mail_programs_want_an_app_password(house, language, words):                # H27: bypass by IMAP
    house.cli("customer", "add", f"two-{language}", "--language", language)
    house.customers.add(f"two-{language}")
    house.add_domain(f"two-{language}.test", customer=f"two-{language}")
    joe = f"joe@two-{language}.test"
    house.add_mailbox(joe, PASSWORD)
    secret, codes = turn_on(house, joe, PASSWORD)
    where = f"https://mail.example.test:{house.port('https')}/"
    for said in refusals(house, joe, PASSWORD).values():
        assert words in said and where in said, said
    for wrong in (NEW, codes[0], code(secret, house.now(), 1), PASSWORD + code(secret, house.now(), 1)):
        for said in refusals(house, joe, wrong).values():
            assert words not in said and where not in said, said
    password = app(house, joe)
    assert logs_in(house, joe, password) == EVERY
    assert sieve_login(house, joe, password)[0].startswith("OK")
    assert log_in(house, joe, password)[1]["type"] == "about:blank"                 # never on the web
    # The customer may have it otherwise.
    house.cli("policy", "set", f"two-{language}", "--app-passwords-with-totp", "off")
    assert house.json("policy", "show", f"two-{language}")["app_passwords_with_totp"] is False
    assert logs_in(house, joe, PASSWORD) == EVERY
    assert sieve_login(house, joe, PASSWORD)[0].startswith("OK")
    assert log_in(house, joe)[0] == 401
    house.cli("policy", "set", f"two-{language}", "--app-passwords-with-totp", "on")
    assert logs_in(house, joe, PASSWORD) == NONE
    house.cli("totp", "remove", joe)
    assert logs_in(house, joe, PASSWORD) == EVERY


class Connected:
    """Every mail protocol, logged in."""

    def __init__(self, house, user, password):
        self.user = user
        self.imap, self.pop3 = house.imap(user, password), house.pop3(user, password)
        self.smtp = house.submission(user, password)
        said, self.sieve = sieve_login(house, user, password)
        assert said.startswith("OK")

    def sends(self):
        try:
            self.smtp.rset()
            return self.smtp.mail(self.user)[0] == 250
        except smtplib.SMTPServerDisconnected:
            return False

    def alive(self):
        """{protocol: bool}"""
        found = {"submission": self.sends(), "sieve": "OK" in self.sieve(b"LISTSCRIPTS")}
        for name, act in (("imap", self.imap.noop), ("pop3", self.pop3.noop)):
            try:
                act()
                act()
                found[name] = True
            except (imaplib.IMAP4.error, poplib.error_proto, OSError):
                found[name] = False
        return found


ALIVE = {"imap": True, "pop3": True, "submission": True, "sieve": True}
DEAD = dict.fromkeys(ALIVE, False)


def test_turning_it_on_ends_sessions_of_mail_programs(house, joe):                  # H27: revoke while connected
    connected = Connected(house, joe, PASSWORD)
    assert connected.alive() == ALIVE
    turn_on(house, joe, PASSWORD)
    assert connected.alive() == DEAD
    # An app password is another matter, until it is taken away.
    password = app(house, joe)
    connected = Connected(house, joe, password)
    assert connected.alive() == ALIVE
    house.cli("apppassword", "remove", joe, "all")
    assert connected.alive() == DEAD


def test_a_message_that_was_begun_before_is_refused_at_its_end(house, joe):         # H27: revoke while connected
    smtp = house.submission(joe, PASSWORD)
    assert smtp.mail(joe)[0] == 250 and smtp.rcpt(joe)[0] == 250
    assert smtp.docmd("DATA")[0] == 354
    turn_on(house, joe, PASSWORD)
    smtp.send(f"From: <{joe}>\r\nSubject: late\r\n\r\nlate\r\n.\r\n".encode())
    assert smtp.getreply()[0] == 530


def test_the_policy_decides_over_sessions_too(house):
    house.add_domain("policy.test", customer="policy")
    house.add_mailbox("joe@policy.test", PASSWORD)
    house.cli("policy", "set", "policy", "--app-passwords-with-totp", "off")
    connected = Connected(house, "joe@policy.test", PASSWORD)
    turn_on(house, "joe@policy.test", PASSWORD)
    assert connected.alive() == ALIVE
    house.cli("policy", "set", "policy", "--length", "13")
    assert connected.alive() == ALIVE
    house.cli("policy", "set", "policy", "--app-passwords-with-totp", "on")
    assert connected.alive() == DEAD


def test_a_new_password_ends_a_connected_submission(house, joe):
    """Without any second factor, too: it was good for as long as the connection was open."""
    connected = Connected(house, joe, PASSWORD)
    house.cli("mailbox", "password", joe, "--password-stdin", stdin=NEW + "\n")
    assert connected.alive() == DEAD


@pytest.mark.parametrize("language, words", [("en", ("is on", "recovery code", "turned off")),
                                             ("de", ("eingeschaltet", "Wiederherstellungscode", "ausgeschaltet"))])
def test_its_owner_is_told(house, language, words):
    domain = f"told-{language}.test"
    house.cli("customer", "add", f"told-{language}", "--language", language)
    house.customers.add(f"told-{language}")
    house.add_domain(domain, customer=f"told-{language}")
    joe = f"joe@{domain}"
    house.add_mailbox(joe, PASSWORD)
    _, codes = turn_on(house, joe, PASSWORD)
    password = app(house, joe)
    assert log_in(house, joe, totp=codes[0])[0] == 201
    house.cli("totp", "remove", joe)
    found = wait_until(lambda: len(found := letters(house, joe, password)) == 3 and found, 30, "three letters")
    for (subject, text), word in zip(found, words):
        assert word in subject and joe in subject, subject
        assert codes[0] not in text
    assert ": 9" in found[1][1] and "127.0.0.1" in found[1][1]
