# SPDX-License-Identifier: Apache-2.0
"""Passwords of single programs: for some protocols, shown once, over with the account's password."""
import imaplib

import pytest

from harness.doors import EVERY, NONE, logs_in

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"
JOE = "joe@example.test"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    shared_postern.add_mailbox(JOE, PASSWORD)
    return shared_postern


def add(postern, user, name, *protocols):
    words = [word for p in protocols for word in ("--protocol", p)]
    return postern.json("apppassword", "add", user, name, *words)


def test_it_opens_its_protocols_and_nothing_else(house):
    made = add(house, JOE, "telephone", "imap", "submission")
    assert made["protocols"] == ["imap", "submission"] and len(made["password"]) == 23
    assert logs_in(house, JOE, made["password"]) == EVERY | {"pop3": False}
    assert logs_in(house, JOE, PASSWORD) == EVERY               # beside the account's own
    assert logs_in(house, JOE, made["password"][:-1] + "!") == NONE
    from harness.api import WebApi
    web = WebApi(house)
    assert web.ask("POST", "/session", {"login": JOE, "password": made["password"]})[0] == 401
    assert web.ask("POST", "/session", {"login": JOE, "password": PASSWORD})[0] == 201
    rows = house.json("apppassword", "list", JOE)["items"]
    assert [r["name"] for r in rows] == ["telephone"] and rows[0]["used_ms"] and "password" not in rows[0]
    assert made["password"] not in house.log()


def test_it_ends_at_once_with_its_sessions(house):
    made = add(house, JOE, "tablet")
    assert logs_in(house, JOE, made["password"]) == EVERY
    session = house.imap(JOE, made["password"])
    house.cli("apppassword", "remove", JOE, "tablet")
    assert logs_in(house, JOE, made["password"]) == NONE
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        session.noop()
        session.noop()
    assert "has no app password tablet" in house.refused("apppassword", "remove", JOE, "tablet")


def test_a_new_password_of_the_account_takes_them_away(house):
    house.add_mailbox("mary@example.test", PASSWORD)
    made = add(house, "mary@example.test", "old program")
    assert logs_in(house, "mary@example.test", made["password"]) == EVERY
    house.cli("mailbox", "password", "mary@example.test", "--password-stdin", stdin=NEW + "\n")
    assert logs_in(house, "mary@example.test", made["password"]) == NONE
    assert house.json("apppassword", "list", "mary@example.test")["items"] == []


def test_names_and_numbers_have_limits(house):
    house.add_mailbox("many@example.test", PASSWORD)
    for i in range(20):
        add(house, "many@example.test", f"program {i}")
    assert "at most 20" in house.refused("apppassword", "add", "many@example.test", "one more")
    house.cli("apppassword", "remove", "many@example.test", "program 7")
    assert "program 8 already" in house.refused("apppassword", "add", "many@example.test", "program 8")
    add(house, "many@example.test", "one more")


def test_it_works_where_the_account_has_no_password_of_its_own(house):
    house.add_mailbox("robot@example.test", None)
    made = add(house, "robot@example.test", "robot", "submission")
    assert logs_in(house, "robot@example.test", made["password"]) == NONE | {"submission": True}
