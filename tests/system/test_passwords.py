# SPDX-License-Identifier: Apache-2.0
"""Passwords: what a customer asks of them, and what may be done with one (FEATURES M6 to M8)."""
import imaplib
import poplib
import smtplib

import pytest

from harness.api import WebApi
from harness.doors import EVERY, NONE, logs_in

PASSWORD = "Correct-horse-1"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    shared_postern.add_mailbox("joe@example.test", PASSWORD)
    return shared_postern

# -- the policy (M6) --------------------------------------------------------------------------------------------------

def test_a_customer_has_the_default_policy_until_it_sets_one(house):
    policy = house.json("policy", "show", "acme")
    assert policy["length"] == 12 and policy["classes"] == ["lower", "upper", "digit"]
    assert policy["old_login_days"] == 5


def test_a_policy_is_in_force_for_the_next_new_password_and_for_this_customer_alone(house):
    house.add_customer("strict")
    house.add_domain("strict.test", customer="strict")
    house.add_mailbox("before@strict.test", PASSWORD)
    house.cli("policy", "set", "strict", "--length", "16", "--classes", "lower", "--classes", "symbol")
    assert house.json("policy", "show", "strict")["classes"] == ["lower", "symbol"]
    assert "at least 16" in house.refused("mailbox", "add", "a@strict.test", "--password-stdin", stdin=PASSWORD + "\n")
    assert "neither letter nor digit" in house.refused("mailbox", "password", "before@strict.test", "--password-stdin",
                                                       stdin="abcdefghijklmnopq\n")
    house.add_mailbox("a@strict.test", "only lower-case letters")
    assert logs_in(house, "a@strict.test", "only lower-case letters") == EVERY
    assert logs_in(house, "before@strict.test", PASSWORD) == EVERY      # what is set stays
    house.add_mailbox("other@example.test", PASSWORD)                   # another customer's is its own
    house.cli("policy", "set", "strict", "--classes", "none", "--length", "8")
    house.cli("mailbox", "password", "a@strict.test", "--password-stdin", stdin="aaaaaaaa\n")
    assert logs_in(house, "a@strict.test", "aaaaaaaa") == EVERY


@pytest.mark.parametrize("option, value", [("--length", "7"), ("--length", "129"), ("--classes", "greek"),
                                           ("--old-login-days", "366"), ("--reset-minutes", "4")])
def test_a_policy_has_bounds(house, option, value):
    done = house.try_cli("policy", "set", "acme", option, value)
    assert done.returncode == 2 and option in done.stderr and value in done.stderr


def test_an_old_password_may_be_used_again(house):
    for _ in range(2):
        house.cli("mailbox", "password", "joe@example.test", "--password-stdin", stdin=PASSWORD + "\n")
        assert logs_in(house, "joe@example.test", PASSWORD) == EVERY


def test_staff_is_held_to_the_policy(house):
    """admin add and admin password: the customer's policy for its people, the default one for the provider's."""
    house.add_customer("firm")
    house.add_domain("firm.test", customer="firm")
    house.cli("policy", "set", "firm", "--length", "16", "--classes", "lower", "--classes", "symbol")
    kept, weak = "correct horse battery!", "short-pass!"
    default, poor = "Correct-horse-1", "correct-horse-one"
    for login, office, good, bad, text in (
            ("fred", ("--customer", "firm", "--recovery", "fred@outside.test"), kept, weak, "at least 16"), ("dora", ("--domain", "firm.test", "--recovery", "dora@outside.test"), kept, weak, "at least 16"),
            ("fran", ("--customer", "firm", "--recovery", "fran@outside.test"), kept, "Correcthorsebattery1", "neither letter nor digit"),
            ("pia", ("--provider",), default, weak, "at least 12"), ("paul", ("--provider",), default, poor, "upper-case")):
        error = house.refused("admin", "add", login, *office, "--password-stdin", stdin=bad + "\n")
        assert "password" in error and text in error, (login, error)
        assert "there is no login" in house.refused("admin", "show", login)
        house.cli("admin", "add", login, *office, "--password-stdin", stdin=good + "\n")
        error = house.refused("admin", "password", login, "--password-stdin", stdin=bad + "\n")
        assert "password" in error and text in error, (login, error)
        assert WebApi(house).login(login, good).token


def test_imported_passwords_are_kept_unless_the_policy_is_asked_for(house):
    house.add_domain("import.test")
    path = house.write_file("weak.txt", "joe short\nmary Long-enough-1\njane {SHA}HX1ZUgMmGVejMF1bp/xZetwqN5o=\nnone\n")
    error = house.refused("import", "accounts", path, "--domain", "import.test", "--check-policy")
    assert "line 1" in error and "at least 12" in error and "line 2" not in error and "line 3" not in error
    assert house.json("mailbox", "list", "--domain", "import.test")["items"] == []
    house.cli("import", "accounts", path, "--domain", "import.test")
    assert logs_in(house, "joe@import.test", "short") == EVERY

# -- passwords of somebody else's making (M7, M8) ---------------------------------------------------------------------

def refusals(postern, user, password):
    """What each protocol says to this login."""
    texts = {}
    with pytest.raises(imaplib.IMAP4.error) as refused:
        postern.imap(user, password)
    texts["imap"] = str(refused.value)
    with pytest.raises(poplib.error_proto) as refused:
        postern.pop3(user, password)
    texts["pop3"] = str(refused.value)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        postern.submission(user, password)
    texts["submission"] = str(refused.value)
    return texts


@pytest.mark.parametrize("language, text", [("en", "setting one of your own"), ("de", "Setzen eines eigenen")])
def test_a_default_password_opens_nothing_and_says_where_to_go(house, language, text):
    domain = f"default-{language}.test"
    house.cli("customer", "add", f"def-{language}", "--language", language)
    house.customers.add(f"def-{language}")
    house.add_domain(domain, customer=f"def-{language}")
    path = house.write_file("default.txt", f"joe Joes-own-password-1\nmary\njane {{SHA}}HX1ZUgMmGVejMF1bp/xZetwqN5o=\n")
    house.cli("import", "accounts", path, "--domain", domain, "--default-password-stdin", stdin="Default-password-1\n")
    assert logs_in(house, f"joe@{domain}", "Joes-own-password-1") == EVERY
    where = f"https://mail.example.test:{house.port('https')}/password"
    for said in refusals(house, f"mary@{domain}", "Default-password-1").values():
        assert text in said and where in said, said
    for said in refusals(house, f"mary@{domain}", "Default-password-2").values():
        assert text not in said and where not in said, said
    for user in ("joe", "jane"):
        for said in refusals(house, f"{user}@{domain}", "Default-password-1").values():
            assert text not in said, said
    rows = {m["address"].split("@")[0]: (m["has_password"], m["must_change"])
            for m in house.json("mailbox", "list", "--domain", domain)["items"]}
    assert rows == {"joe": (True, False), "mary": (False, True), "jane": (True, False)}
    house.cli("mailbox", "password", f"mary@{domain}", "--password-stdin", stdin=PASSWORD + "\n")
    assert logs_in(house, f"mary@{domain}", PASSWORD) == EVERY


def test_a_default_password_meets_the_policy(house):
    house.add_domain("weak-default.test")
    path = house.write_file("one.txt", "mary\n")
    error = house.refused("import", "accounts", path, "--domain", "weak-default.test", "--default-password-stdin",
                          stdin="default\n")
    assert "at least 12" in error
    assert house.json("mailbox", "list", "--domain", "weak-default.test")["items"] == []


def test_an_admin_may_give_a_password_that_has_to_be_changed(house):
    house.cli("mailbox", "add", "temp@example.test", "--password-stdin", "--must-change", stdin=PASSWORD + "\n")
    assert "own" in refusals(house, "temp@example.test", PASSWORD)["imap"]
    house.cli("mailbox", "password", "temp@example.test", "--password-stdin", stdin=PASSWORD + "\n")
    assert logs_in(house, "temp@example.test", PASSWORD) == EVERY
    house.cli("mailbox", "password", "temp@example.test", "--password-stdin", "--must-change", stdin=PASSWORD + "\n")
    assert logs_in(house, "temp@example.test", PASSWORD) == NONE
