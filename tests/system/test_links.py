# SPDX-License-Identifier: Apache-2.0
"""Links and mailed passwords that lead to a password of one's own (FEATURES M7 to M10; THREATS H13, H14)."""
import concurrent.futures
import email
import email.policy
import glob
import imaplib
import json
import math
import os
import re
import threading
import time

import pytest

from harness import wait_until
from harness.api import WebApi

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"
SAFE = "safe@other.test"


@pytest.fixture
def house(postern):
    postern.add_domain("example.test")
    postern.add_domain("other.test", customer="elsewhere")
    postern.add_mailbox(SAFE, PASSWORD)
    postern.add_mailbox("joe@example.test", None)
    postern.cli("mailbox", "set", "joe@example.test", "--recovery", SAFE)
    return postern


def logs_in(postern, user, password):
    try:
        postern.imap(user, password).logout()
        return True
    except imaplib.IMAP4.error:
        return False


def letters(postern, user=SAFE, password=PASSWORD):
    return [email.message_from_bytes(m, policy=email.policy.default) for m in postern.mail(user, password)]


def wait_letters(postern, n, **who):
    return wait_until(lambda: len(found := letters(postern, **who)) >= n and found, 20, f"{n} letters")


def looked(postern):
    """How many requests were looked at, which happens a moment behind their answer."""
    return sum(map(int, re.findall(r"directory\.forgot\.done requests=(\d+)", postern.log())))


def wait_looked(postern, n):
    wait_until(lambda: looked(postern) >= n, 20, f"{n} requests to be looked at")


def token_of(postern, letter):
    text = letter.get_body(("plain",)).get_content()
    found = re.findall(rf"https://mail\.example\.test:{postern.port('https')}/password/([0-9a-f]+)", text)
    assert len(found) == 1 and len(found[0]) == 64, text
    return found[0]


def invite(postern, user="joe@example.test"):
    n = len(letters(postern))
    postern.cli("mailbox", "invite", user)
    return token_of(postern, wait_letters(postern, n + 1)[-1])


def reset(postern, token, password):
    return postern.try_cli("password", "reset", "--password-stdin", stdin=f"{token}\n{password}\n")


def shown(postern, user="joe@example.test"):
    return postern.json("mailbox", "show", user)


def test_an_invitation_leads_to_a_password(house):                  # M9
    assert not shown(house)["has_password"] and shown(house)["invited_ms"] is None
    answer = house.json("mailbox", "invite", "joe@example.test")
    assert answer["to"] == SAFE
    assert abs(answer["expires_ms"] / 1000 - house.now() - 7 * 86400) < 60
    token = token_of(house, wait_letters(house, 1)[0])
    assert shown(house)["invited_ms"] == answer["expires_ms"]
    looked = house.json("password", "look", "--token-stdin", stdin=token + "\n")
    assert looked["user"] == "joe@example.test" and looked["length"] == 12
    refused = reset(house, token, "too-weak")                            # the policy holds here as well, and spends nothing
    assert refused.returncode == 1 and "at least 12" in refused.stderr
    assert reset(house, token, NEW).returncode == 0
    assert logs_in(house, "joe@example.test", NEW)
    assert shown(house)["has_password"] and shown(house)["invited_ms"] is None
    again = reset(house, token, "Third-password-3")                      # once
    assert again.returncode == 1 and "not good any more" in again.stderr
    assert not logs_in(house, "joe@example.test", "Third-password-3")
    changed = wait_letters(house, 1, user="joe@example.test", password=NEW)
    assert "password" in changed[-1]["Subject"].lower()


def test_a_link_is_kept_as_its_hash_and_told_to_nobody_else(house):      # H14
    token = invite(house)
    for path in glob.glob(os.path.join(house.dir, "data/directory/*")):
        with open(path, "rb") as f:
            assert token.encode() not in f.read(), path
    assert reset(house, token, NEW).returncode == 0
    reset(house, token, NEW)
    assert token not in house.log()
    assert token not in house.cli("notice", "log", "--json")


@pytest.mark.parametrize("change", [
    lambda p: p.cli("mailbox", "password", "joe@example.test", "--password-stdin", stdin=PASSWORD + "\n"),
    lambda p: p.cli("mailbox", "set", "joe@example.test", "--recovery", "joe@somewhere.test"),
    lambda p: p.cli("mailbox", "set", "joe@example.test", "--forget-recovery"),
    lambda p: p.cli("mailbox", "invite", "joe@example.test"),
    lambda p: p.travel(days=7, minutes=1),
    lambda p: p.cli("mailbox", "remove", "joe@example.test"),
], ids=["password", "recovery", "no-recovery", "next-link", "time", "removal"])
def test_what_makes_a_link_void(house, change):                      # H14
    token = invite(house)
    change(house)
    refused = reset(house, token, NEW)
    assert refused.returncode == 1 and "not good any more" in refused.stderr
    house.refused("password", "look", "--token-stdin", stdin=token + "\n")


def test_a_link_is_spent_once_by_many_at_once(house):                # H14
    token = invite(house)
    answers = {}

    def spend(i):
        answers[i] = reset(house, token, f"Parallel-password-{i}").returncode
    threads = [threading.Thread(target=spend, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    winners = [i for i, code in answers.items() if code == 0]
    assert len(winners) == 1 and len(answers) == 8, answers
    for i in answers:
        assert logs_in(house, "joe@example.test", f"Parallel-password-{i}") == (i in winners)


def test_forgot_password_answers_alike_for_everybody(house):          # M9, M10
    house.add_mailbox("mary@example.test", PASSWORD)                         # no recovery address
    answers = {user: house.try_cli("password", "forgot", user) for user in
               ("joe@example.test", "mary@example.test", "nobody@example.test", "joe@nowhere.test", "x")}
    assert len({(a.returncode, a.stdout, a.stderr) for a in answers.values()}) == 1
    assert answers["x"].returncode == 0
    wait_looked(house, len(answers))
    token = token_of(house, wait_letters(house, 1)[0])
    house.cli("password", "forgot", "joe@example.test")                      # no second one so soon
    wait_looked(house, len(answers) + 1)
    assert len(house.json("notice", "log")["items"]) == len(letters(house)) == 1
    assert reset(house, token, NEW).returncode == 0
    assert logs_in(house, "joe@example.test", NEW)
    house.travel(minutes=11)
    house.cli("password", "forgot", "JOE@example.test")
    late = token_of(house, wait_letters(house, 2)[-1])
    house.travel(minutes=61)
    assert reset(house, late, PASSWORD).returncode == 1                      # an hour, as the policy says


def transactions(house):
    """Of the log of directory's database: what its frames have in common until it begins anew (the salts of
    https://sqlite.org/fileformat2.html#walformat), and for each frame whether a transaction ends there."""
    with open(glob.glob(os.path.join(house.dir, "data/directory/*-wal"))[0], "rb") as f:
        log = f.read()
    page, salts, ends = int.from_bytes(log[8:12], "big"), log[16:24], []
    for at in range(32, len(log) - 24 - page + 1, 24 + page):
        if log[at + 8:at + 16] != salts:
            break
        ends.append(any(log[at + 4:at + 8]))
    return salts, ends


def pages_written(house, user):
    """Pages that the transaction of one request added to the log of directory's database. The look-up is another, a moment later."""
    done, api = looked(house), WebApi(house)
    wait_until(lambda: not house.json("notice", "log", "--state", "waiting")["items"], 20, "the letter of the one before")
    before, old = transactions(house)
    status, _, body = api.ask("POST", "/password/forgot", {"user": user})
    after, ends = transactions(house)
    wait_looked(house, done + 1)
    return status, json.dumps(body), ends[len(old) if before == after else 0:].index(True) + 1


def test_forgot_password_is_the_same_work_for_every_name(make_postern):     # H15
    """Bytes of the log, not seconds: one transaction in which nothing depends on whether the name is here."""
    p = make_postern().init().start()
    p.add_domain("example.test")
    p.add_domain("other.test", customer="elsewhere")
    p.add_mailbox(SAFE, PASSWORD)
    names = [f"user{i}@example.test" for i in range(7)]
    for name in names:
        p.add_mailbox(name, PASSWORD)
        p.cli("mailbox", "set", name, "--recovery", SAFE)
    p.restart()                                                 # an empty log
    known, unknown = zip(*((pages_written(p, name), pages_written(p, name.replace("user", "none"))) for name in names))
    assert {x[:2] for x in known + unknown} == {(202, known[0][1])}
    # A page of an index may split in any of them: the middle ones say.
    assert sorted(x[2] for x in known)[3] == sorted(x[2] for x in unknown)[3], (known, unknown)
    assert len(wait_letters(p, 7)) == 7


def test_a_request_outlives_a_crash(make_postern):
    p = make_postern().init().start()
    p.add_domain("example.test")
    p.add_domain("other.test", customer="elsewhere")
    p.add_mailbox(SAFE, PASSWORD)
    p.add_mailbox("joe@example.test", PASSWORD)
    p.cli("mailbox", "set", "joe@example.test", "--recovery", SAFE)
    for n in range(1, 4):
        p.cli("password", "forgot", "joe@example.test")
        p.kill_all()
        p.start()
        wait_letters(p, n)
        p.travel(minutes=11)
    assert len(letters(p)) == 3


def test_forgot_password_takes_the_same_time_for_every_name(make_postern):  # H15
    """The chance that an answer for a name that is here took longer than one for a name that is not: one half, within five
    standard deviations of that statistic (Mann-Whitney), whatever else the machine does."""
    n = 300 if os.environ.get("POSTERN_LONG") else 40
    p = make_postern().init().start()
    p.add_domain("example.test")
    p.add_domain("other.test", customer="elsewhere")
    p.add_mailbox(SAFE, PASSWORD)
    rows = "".join(f"u{i},{PASSWORD}\n" for i in range(n))
    p.cli("import", "accounts", p.write_file("a.csv", "address,password\n" + rows), "--domain", "example.test")
    for i in range(n):
        p.cli("mailbox", "set", f"u{i}@example.test", "--recovery", SAFE)
    api, took = WebApi(p), {"u": [], "n": []}
    for i in range(n):
        for kind in ("un", "nu")[i % 2]:                        # neither is always the first
            begin = time.perf_counter()
            assert api.ask("POST", "/password/forgot", {"user": f"{kind}{i}@example.test"})[0] == 202
            took[kind].append(time.perf_counter() - begin)
    longer = sum(a > b for a in took["u"] for b in took["n"]) / n ** 2
    assert abs(longer - 0.5) < 5 * math.sqrt((2 * n + 1) / 12) / n, longer


def test_an_admin_gets_a_link_outside_the_system(house):              # M10
    args = ("admin", "add", "boss", "--domain", "example.test", "--password-stdin")
    error = house.refused(*args, "--recovery", "boss@other.test", stdin=PASSWORD + "\n")
    assert "outside" in error
    assert "has a recovery address" in house.refused(*args, stdin=PASSWORD + "\n")
    assert "there is no login" in house.refused("admin", "show", "boss")
    house.cli(*args, "--recovery", "boss@outside.test", stdin=PASSWORD + "\n")
    # A mailbox that is an admin has its own, which then stays. So it is with a customer's, who is one of all its domains.
    house.add_mailbox("late@example.test", None)
    assert "late@example.test has none" in house.refused("admin", "add", "late@example.test", "--domain", "example.test")
    house.cli("mailbox", "set", "joe@example.test", "--recovery", "joe@elsewhere.test")
    house.cli("admin", "add", "joe@example.test", "--domain", "example.test")
    assert "name another one" in house.refused("mailbox", "set", "joe@example.test", "--forget-recovery")
    house.cli("mailbox", "set", "joe@example.test", "--recovery", "joe@outside.test")
    assert "careless has none" in house.refused("admin", "add", "careless", "--customer", "acme")
    assert "late@example.test has none" in house.refused("admin", "add", "late@example.test", "--customer", "acme")
    house.cli("mailbox", "set", "late@example.test", "--recovery", "late@outside.test")
    house.cli("admin", "add", "late@example.test", "--customer", "acme")
    assert "name another one" in house.refused("mailbox", "set", "late@example.test", "--forget-recovery")
    # Who has none is the provider, or an admin from before it was asked for: he may still be looked after.
    house.cli("admin", "add", "careless", "--provider")
    assert "careless has none" in house.refused("admin", "add", "careless", "--domain", "example.test")
    assert house.json("admin", "set", "careless", "--name", "C.")["recovery"] == ""
    assert {a["login"]: a["recovery"] for a in house.json("admin", "list", "--customer", "acme")["items"]} == {
        "boss": "boss@outside.test", "joe@example.test": "joe@outside.test", "late@example.test": "late@outside.test"}
    assert house.json("admin", "show", "joe@example.test")["recovery"] == "joe@outside.test"
    house.cli("password", "forgot", "boss")
    rows = wait_until(lambda: house.json("notice", "log")["items"], 20, "the notice")
    assert [(r["kind"], r["to"]) for r in rows] == [("reset", "boss@outside.test")]
    # It goes to a person who may have many logins elsewhere: it says which one it is for.
    row = wait_until(lambda: next((r for r in house.json("notice", "log")["items"] if r["state"] == "sent"), None), 20, "the mail")
    assert row["subject"] == "A new password for boss"
    assert "asked for a new password for boss." in house.json("notice", "show", row["id"])["text"]


def test_who_has_no_address_elsewhere_cannot_be_invited(house):
    house.add_mailbox("mary@example.test", None)
    assert "nowhere to write" in house.refused("mailbox", "invite", "mary@example.test")
    house.cli("address", "add", "m@example.test", "--type", "alias", "--to", "mary@example.test")
    house.cli("address", "add", "all@example.test", "--type", "list", "--to", "joe@example.test", "--to", "mary@example.test")
    house.cli("domain", "set", "example.test", "--catch-all", "mary@example.test")
    for own in ("mary@example.test", "M@example.test", "mary+reset@example.test", "all@example.test", "nobody@example.test"):
        assert "leads to the mailbox itself" in house.refused("mailbox", "set", "mary@example.test", "--recovery", own)


# -- passwords that were given (M7, M8) -------------------------------------------------------------------------------

def change(postern, user, old, new):
    return postern.try_cli("password", "change", user, "--password-stdin", stdin=f"{old}\n{new}\n")


def test_a_given_password_is_good_for_setting_ones_own(house):
    house.cli("mailbox", "password", "joe@example.test", "--password-stdin", "--must-change", stdin=PASSWORD + "\n")
    assert not logs_in(house, "joe@example.test", PASSWORD)
    wrong = change(house, "joe@example.test", "Wrong-password-1", NEW)
    unknown = change(house, "nobody@example.test", PASSWORD, NEW)
    assert wrong.returncode == 1 and wrong.stderr == unknown.stderr
    same = change(house, "joe@example.test", PASSWORD, PASSWORD)
    assert same.returncode == 1 and "of your own" in same.stderr
    assert "at least 12" in change(house, "joe@example.test", PASSWORD, "weak").stderr
    assert change(house, "JOE@example.test", PASSWORD, NEW).returncode == 0
    assert logs_in(house, "joe@example.test", NEW)
    assert change(house, "joe@example.test", NEW, PASSWORD).returncode == 0    # one's own is changed in the same way
    assert logs_in(house, "joe@example.test", PASSWORD) and not logs_in(house, "joe@example.test", NEW)


def first_password(postern, letter):
    return re.search(r"\b[a-z2-9]{5}(?:-[a-z2-9]{5}){3}\b", letter.get_body(("plain",)).get_content()).group()


def test_a_first_password_is_mailed_and_only_leads_to_ones_own(house):  # M7
    house.add_mailbox("mary@example.test", None)
    house.add_mailbox("jane@example.test", PASSWORD)
    done = house.json("mailbox", "first-password", "--domain", "example.test")
    assert done == {"count": 1, "nowhere": ["mary@example.test"]}
    letter = wait_letters(house, 1)[0]
    first = first_password(house, letter)
    assert f"https://mail.example.test:{house.port('https')}/password" in letter.get_body(("plain",)).get_content()
    assert not logs_in(house, "joe@example.test", first)
    assert logs_in(house, "jane@example.test", PASSWORD)
    assert change(house, "joe@example.test", first, NEW).returncode == 0
    assert logs_in(house, "joe@example.test", NEW)
    assert first not in house.log() and first not in house.cli("notice", "log", "--json")


def test_first_passwords_are_not_for_who_was_quicker(make_postern):
    """They are given in batches; whoever is in a later one may have set a password of his own by then."""
    p = make_postern().init().start()
    p.add_domain("example.test")
    p.add_domain("other.test", customer="elsewhere")
    p.add_mailbox(SAFE, PASSWORD)
    rows = "".join(f"u{i:02}@example.test,{SAFE}\n" for i in range(65))
    p.cli("import", "accounts", p.write_file("a.csv", "address,recovery\n" + rows), "--domain", "example.test")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with p.stopped("store"):            # which is told of each batch before the next
            giving = pool.submit(p.try_cli, "mailbox", "first-password", "--domain", "example.test")
            wait_until(lambda: giving.done() or p.json("notice", "log", "--kind", "first_password")["items"], 20, "the first batch")
            setting = pool.submit(p.try_cli, "mailbox", "password", "u64@example.test", "--password-stdin", stdin=NEW + "\n")
            seen = "audit", "list", "--operation", "mailbox.password", "--object", "u64@example.test"
            wait_until(lambda: setting.done() or p.json(*seen)["items"], 20, "a password of his own")
        assert setting.result().returncode == 0 and giving.result().returncode == 0, (setting.result(), giving.result())
    assert logs_in(p, "u64@example.test", NEW)


def test_a_first_password_ends_by_itself(house):
    house.cli("mailbox", "first-password", "joe@example.test")
    first = first_password(house, wait_letters(house, 1)[0])
    house.travel(days=7, minutes=1)
    late = change(house, "joe@example.test", first, NEW)
    assert late.returncode == 1 and "time of this first password is over" in late.stderr


def test_while_the_domain_is_forwarded_it_goes_to_the_old_mailbox(postern, old_server):
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    postern.add_mailbox("joe@example.test", None)
    postern.cli("mailbox", "first-password", "joe@example.test")
    postern.cli("mailbox", "invite", "joe@example.test")

    def there():
        imap = imaplib.IMAP4("127.0.0.1", old_server.ports["imap"], timeout=60)
        imap.login("joe@example.test", "Joe-old-secret-1")
        imap.select("INBOX", readonly=True)
        data = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
        imap.logout()
        found = [email.message_from_bytes(item[1], policy=email.policy.default)
                 for item in data if isinstance(item, tuple)]
        return len(found) >= 2 and found
    found = wait_until(there, 30, "two letters at the old server")
    assert any(re.search(r"\b[a-z2-9]{5}(?:-[a-z2-9]{5}){3}\b", m.get_body(("plain",)).get_content()) for m in found)
    assert any("/password/" in m.get_body(("plain",)).get_content() for m in found)
