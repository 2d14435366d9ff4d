# SPDX-License-Identifier: Apache-2.0
"""Old user names: they work until their account is modified, and for a grace behind that (FEATURES M4, M5)."""
import datetime
import email
import email.policy

import pytest

from harness import wait_until
from harness.api import WebApi
from harness.doors import EVERY, NONE, logs_in

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"


def state(postern, name):
    return next(x for x in postern.json("login", "list")["items"] if x["name"] == name)


@pytest.fixture
def house(postern):
    postern.add_domain("example.test")
    accounts = postern.write_file("accounts.csv", "address;password;old_login\njoe;%s;custo1 joe.example.test\n"
                                                  "mary;%s;CUSTO2\n" % (PASSWORD, PASSWORD))
    postern.cli("import", "accounts", accounts, "--domain", "example.test")
    postern.accounts = accounts
    return postern


def test_an_old_name_works_until_five_days_behind_the_first_change(house):
    for name in ("custo1", "CUSTO1", "joe.example.test", "joe@example.test"):
        assert logs_in(house, name, PASSWORD) == EVERY, name
    house.travel(days=400)                                  # nothing happens by itself
    assert logs_in(house, "custo1", PASSWORD) == EVERY
    assert state(house, "custo1") | {"deadline_ms": None, "state": "waiting"} == state(house, "custo1")

    changed = house.now()
    house.cli("mailbox", "password", "joe@example.test", "--password-stdin", stdin=NEW + "\n")
    row = state(house, "custo1")
    assert row["state"] == "grace" and row["address"] == "joe@example.test"
    assert abs(row["deadline_ms"] / 1000 - changed - 5 * 86400) < 60
    assert logs_in(house, "custo1", NEW) == EVERY           # the new password, under both names
    assert logs_in(house, "custo1", PASSWORD) == NONE
    assert logs_in(house, "joe@example.test", NEW) == EVERY

    house.travel(days=3)
    house.cli("mailbox", "set", "joe@example.test", "--name", "Joe Doe")
    assert state(house, "custo1")["deadline_ms"] == row["deadline_ms"]      # a second change extends nothing
    house.travel(days=1, hours=23)
    assert logs_in(house, "custo1", NEW) == EVERY
    house.travel(hours=1, minutes=2)
    assert logs_in(house, "custo1", NEW) == NONE
    assert logs_in(house, "joe.example.test", NEW) == NONE
    assert logs_in(house, "joe@example.test", NEW) == EVERY
    assert state(house, "custo1")["state"] == "ended"
    house.cli("timer", "run")
    house.wait_log("directory.old-logins.ended names=2")
    assert state(house, "custo1")["state"] == "ended"
    assert logs_in(house, "custo2", PASSWORD) == EVERY                # another account's is its own
    house.restart()
    assert logs_in(house, "custo1", NEW) == NONE


def test_the_notice_names_the_new_name_and_never_a_password(house):
    house.cli("mailbox", "password", "joe@example.test", "--password-stdin", stdin=NEW + "\n")
    house.cli("mailbox", "set", "joe@example.test", "--name", "Joe")

    def letters():
        found = [email.message_from_bytes(m, policy=email.policy.default)
                 for m in house.mail("joe@example.test", NEW)]
        return len(found) >= 2 and found
    found = wait_until(letters, 20, "the notices")          # one for each name, none for the second change
    house.cli("timer", "run")
    assert len(house.json("notice", "log")["items"]) == 2
    for letter, name in zip(sorted(found, key=lambda m: "custo1" not in m.as_string()), ("custo1", "joe.example.test")):
        text = letter.get_body(("plain",)).get_content()
        assert name in text and "joe@example.test" in text
        assert PASSWORD not in letter.as_string() and NEW not in letter.as_string()
        deadline = datetime.datetime.fromtimestamp(state(house, name)["deadline_ms"] / 1000, datetime.timezone.utc)
        assert str(deadline.year) in text


@pytest.mark.parametrize("change", [
    ("mailbox", "set", "joe@example.test", "--quota", "1G"),
    ("address", "add", "info@example.test", "--type", "alias", "--to", "joe@example.test")])
def test_every_modification_starts_the_grace(house, change):
    house.cli(*change)
    assert state(house, "custo1")["state"] == "grace"
    assert state(house, "custo2")["state"] == "waiting"


def test_whatever_is_set_for_an_account_is_a_modification(house):
    """Recovery address, language, retention, rules, forwards, replies and app passwords; doing the same again is none."""
    joe = "joe@example.test"
    rules = house.write_file("a.sieve", 'keep;\n')
    other = house.write_file("b.sieve", 'discard;\n')
    changes = [
        ("mailbox", "set", joe, "--recovery", "joe@elsewhere.test"),
        ("mailbox", "set", joe, "--language", "de"),
        ("mailbox", "set", joe, "--quota", "1G"),
        ("mailbox", "set", joe, "--retention", "30"),
        ("mailbox", "set", joe, "--retention", "off"),
        ("sieve", "put", joe, "rules", rules),
        ("sieve", "put", joe, "rules", other),
        ("sieve", "activate", joe, "rules"),
        ("sieve", "deactivate", joe),
        ("sieve", "rename", joe, "rules", "others"),
        ("sieve", "remove", joe, "others"),
        ("forward", "set", joe, "--to", "dan@elsewhere.test", "--keep"),
        ("forward", "set", joe, "--to", "eve@elsewhere.test", "--keep"),
        ("autoreply", "set", joe, "--text", "away"),
        ("autoreply", "set", joe, "--text", "away again"),
        ("autoreply", "remove", joe),
        ("forward", "remove", joe),
        ("apppassword", "add", joe, "telephone"),
        ("apppassword", "remove", joe, "telephone"),
    ]
    once = {"rename", "remove", "add"}                      # there is nothing to do again
    for change in changes:
        house.cli("login", "remove", joe, "custo1")
        house.cli("login", "add", joe, "custo1")
        assert state(house, "custo1")["state"] == "waiting"
        house.cli(*change)
        assert state(house, "custo1")["state"] == "grace", change
        house.cli("login", "remove", joe, "custo1")
        house.cli("login", "add", joe, "custo1")
        if change[1] not in once:
            house.cli(*change)
            assert state(house, "custo1")["state"] == "waiting", change
    assert state(house, "custo2")["state"] == "waiting"
    # A user's own change over the API is one, under the old name too; using an app password is none.
    made = house.json("apppassword", "add", "mary@example.test", "telephone", "--protocol", "imap")["password"]
    house.cli("login", "remove", "mary@example.test", "custo2")
    house.cli("login", "add", "mary@example.test", "custo2")
    house.imap("custo2", made).logout()
    house.cli("timer", "run")
    assert state(house, "custo2")["state"] == "waiting"
    api = WebApi(house).login("custo2", PASSWORD)
    assert api.ask("PUT", "/mailboxes/mary@example.test/autoreply", {"text": "away"})[0] == 200
    assert state(house, "custo2")["state"] == "grace"


def test_a_crossed_quota_is_no_modification(house):
    house.cli("mailbox", "set", "joe@example.test", "--quota", "200K")
    for name in ("custo1", "joe.example.test"):
        house.cli("login", "remove", "joe@example.test", name)
    house.cli("login", "add", "joe@example.test", "custo1")
    with house.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["joe@example.test"], "Subject: x\r\n\r\n" + "line\r\n" * 28000)
    wait_until(lambda: "quota_80" in str(house.json("notice", "log")["items"]), 20, "the notice")
    assert state(house, "custo1")["state"] == "waiting"


def test_a_login_is_no_modification(house):
    assert logs_in(house, "custo1", PASSWORD) == EVERY                # puts the imported hash into today's form
    assert logs_in(house, "custo1", PASSWORD) == EVERY
    house.cli("mailbox", "set", "joe@example.test", "--quota", "0")
    assert state(house, "custo1")["state"] == "waiting"


def test_the_grace_is_the_customers(house):
    house.cli("policy", "set", "acme", "--old-login-days", "0")
    house.cli("mailbox", "set", "joe@example.test", "--name", "Joe")
    assert logs_in(house, "custo1", PASSWORD) == NONE
    assert state(house, "custo1")["state"] == "ended"


def test_a_name_is_one_accounts_only(house):
    error = house.refused("login", "add", "mary@example.test", "Custo1")
    assert "custo1" in error and "another account" in error
    assert "not a user name" in house.refused("login", "add", "mary@example.test", "two words")
    assert "address of a domain" in house.refused("login", "add", "mary@example.test", "x@example.test")
    assert house.json("login", "add", "mary@example.test", "custo2")["state"] == "waiting"     # is there already
    house.cli("login", "add", "mary@example.test", "m.doe")
    assert logs_in(house, "M.Doe", PASSWORD) == EVERY
    assert [x["name"] for x in house.json("login", "list", "--address", "mary@example.test")["items"]] == ["custo2",
                                                                                                           "m.doe"]
    house.cli("login", "remove", "mary@example.test", "M.DOE")
    assert logs_in(house, "m.doe", PASSWORD) == NONE
    assert "no old user name" in house.refused("login", "remove", "mary@example.test", "m.doe")
    house.cli("mailbox", "remove", "joe@example.test")
    assert logs_in(house, "custo1", PASSWORD) == NONE
    house.cli("login", "add", "mary@example.test", "custo1")
    assert logs_in(house, "custo1", PASSWORD) == EVERY


def test_a_name_is_no_admins_and_an_admin_takes_no_name(house):
    """On the web a login of its own comes before an old user name: its user would find the door closed."""
    house.cli("login", "add", "joe@example.test", "custo77")
    house.add_customer("stranger")
    assert "the login custo77 is taken" in house.refused("admin", "add", "CUSTO77", "--customer", "stranger")
    house.cli("admin", "add", "boss77", "--customer", "stranger", "--recovery", "boss@outside.test")
    assert "belongs to another account" in house.refused("login", "add", "joe@example.test", "Boss77")
    path = house.write_file("boss.csv", "address,old_login\nboss,boss77\n")
    assert "line 2: the old user name boss77 belongs to another account" in house.refused(
        "import", "accounts", path, "--domain", "example.test")


def test_an_import_says_which_name_is_taken_and_changes_nothing(house):
    again = house.write_file("again.csv", "address,password,old_login\njane,x,custo1\njim,x,new1\njack,x,NEW1\n")
    error = house.refused("import", "accounts", again, "--domain", "example.test")
    assert "line 2" in error and "custo1" in error and "line 4" in error and "line 3 already" in error
    assert len(house.json("mailbox", "list")["items"]) == 2
    more = house.write_file("more.csv", "address,old_login\njoe,custo9\n")         # for accounts that are there
    house.cli("import", "accounts", more, "--domain", "example.test")
    house.cli("import", "accounts", more, "--domain", "example.test")
    assert logs_in(house, "custo9", PASSWORD) == EVERY
