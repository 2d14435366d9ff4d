# SPDX-License-Identifier: Apache-2.0
"""Candidates (M20, M21): mail to addresses that nobody has is kept in the domain's area, can be read by its admin, and moves
into the mailbox that the address becomes or leads to, also across shards, without loss or doubling."""
import secrets
import time

import pytest

from harness import wait_until
from load import Load, exactly_once

PASSWORD = "Correct-horse-1"
TEXT = "From: {} <a@elsewhere.test>\r\nTo: x@example.test\r\nSubject: {}\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def house():
    from harness import Instance
    p = Instance(conf={"rooms.store": 2})
    try:
        p.init().start()
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


def send(p, *addresses, subject="x", sender="a@elsewhere.test", author="Ann"):
    with p.smtp() as smtp:
        return smtp.sendmail(sender, list(addresses), TEXT.format(author, subject).encode())


def rcpt(p, address):
    with p.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        code, text = smtp.docmd(f"RCPT TO:<{address}>")
        return code, text.decode()


def subjects(p, user):
    found = []
    for message in p.mail(user, PASSWORD):
        found += [line[9:].decode() for line in message.split(b"\r\n") if line.startswith(b"Subject: ")]
    return found


def candidates(p, domain):
    return {c["address"]: c for c in p.json("candidate", "list", domain)["items"]}


def settled(p, domain):
    wait_until(lambda: not p.json("address", "moves", domain)["items"], 30, "mail to have moved")


def new_domain(p, name, *more):
    p.add_domain(name)
    p.cli("domain", "set", name, "--candidates", "on", *more)


def test_unknown_addresses_are_kept_and_shown(house):
    house.add_domain("kept.test")
    assert rcpt(house, "paul@kept.test")[0] == 550
    house.cli("domain", "set", "kept.test", "--candidates", "on")
    send(house, "paul@kept.test", subject="=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=", author="=?UTF-8?Q?J=C3=B6rg?=")
    send(house, "paul@kept.test", "ringo@kept.test", subject="two")
    send(house, "Paul+shop@KEPT.test", subject="three")
    found = candidates(house, "kept.test")
    assert {a: c["messages"] for a, c in found.items()} == {"paul@kept.test": 3, "ringo@kept.test": 1}
    paul = house.json("candidate", "show", "paul@kept.test")
    assert paul["type"] == "candidate" and paul["first_ms"] <= paul["last_ms"] and paul["size_bytes"] > 300
    assert abs(paul["last_ms"] / 1000 - house.now()) < 60
    listed = house.json("candidate", "messages", "paul@kept.test")["items"]
    assert [(m["subject"], m["from"]) for m in listed] == [
        ("Grüße", "Jörg <a@elsewhere.test>"), ("two", "Ann <a@elsewhere.test>"), ("three", "Ann <a@elsewhere.test>")]
    one = house.json("candidate", "message", "paul@kept.test", listed[1]["uid"])
    assert one["complete"] and "Subject: two" in one["source"] and one["source"].endswith("\r\nhello\r\n")
    assert "no message with this uid" in house.refused("candidate", "message", "paul@kept.test", "99")
    assert house.json("domain", "show", "kept.test")["candidate_messages"] == 4
    # No mailbox list shows the area, and nobody logs in to it.
    assert house.json("mailbox", "list", "--domain", "kept.test")["items"] == []
    assert house.json("domain", "show", "kept.test")["mailboxes"] == 0
    with pytest.raises(Exception):
        house.imap("@kept.test", "")
    house.cli("domain", "set", "kept.test", "--candidates", "off")
    assert rcpt(house, "paul@kept.test")[0] == 550
    assert len(candidates(house, "kept.test")) == 2


def test_a_candidate_becomes_a_mailbox_with_its_mail(house):
    new_domain(house, "promote.test")
    for i in range(3):
        send(house, "joe@promote.test", subject=f"before {i}")
    done = house.json("candidate", "promote", "joe@promote.test", "--type", "mailbox", "--password-stdin",
                      stdin=PASSWORD + "\n")
    assert done["items"][0]["mail"] == "moves" and done["items"][0]["messages"] == 3
    settled(house, "promote.test")
    send(house, "joe@promote.test", subject="behind")
    assert subjects(house, "joe@promote.test") == ["before 0", "before 1", "before 2", "behind"]
    assert candidates(house, "promote.test") == {}
    assert "is no candidate but a mailbox" in house.refused("candidate", "promote", "joe@promote.test", "--type", "mailbox")


@pytest.mark.parametrize("boxes", [1, 2])
def test_a_candidate_becomes_an_alias_across_shards(house, boxes):
    """Two mailboxes lie on two shards; the area on one of them."""
    domain = f"alias{boxes}.test"
    new_domain(house, domain)
    for i in range(boxes):
        house.add_mailbox(f"m{i}@{domain}", PASSWORD)
    user = f"m{boxes - 1}@{domain}"
    send(house, f"john@{domain}", subject="first")
    house.cli("candidate", "promote", f"john@{domain}", "--type", "alias", "--to", user)
    settled(house, domain)
    send(house, f"john@{domain}", subject="second")
    assert subjects(house, user) == ["first", "second"]


@pytest.mark.parametrize("how", ["mailbox add", "address add", "import accounts", "import aliases"])
def test_mail_follows_however_the_address_comes_to_be(house, how):
    domain = how.replace(" ", "-") + ".test"
    new_domain(house, domain)
    house.add_mailbox(f"m@{domain}", PASSWORD)
    send(house, f"joe@{domain}", subject="before")
    if how == "mailbox add":
        house.add_mailbox(f"joe@{domain}", PASSWORD)
    elif how == "address add":
        house.cli("address", "add", f"joe@{domain}", "--type", "alias", "--to", f"m@{domain}")
    else:
        text = f"joe {PASSWORD}\n" if how == "import accounts" else "joe: m\n"
        house.cli(*how.split(), house.write_file("follow.txt", text), "--domain", domain)
    user = f"m@{domain}" if how in ("address add", "import aliases") else f"joe@{domain}"
    wait_until(lambda: subjects(house, user) == ["before"], 20, "the mail to follow")
    assert candidates(house, domain) == {}


def test_mail_that_was_under_way_follows(house):
    """Taken for a candidate, and at its end only behind the first look at the area: nobody has to ask for it."""
    new_domain(house, "slow.test")
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        assert smtp.rcpt("joe@slow.test")[0] == 250
        routed = time.monotonic()
        house.add_mailbox("joe@slow.test", PASSWORD)
        wait_until(lambda: time.monotonic() > routed + 2.5, what="the first look, a second behind the route")
        assert smtp.data(TEXT.format("Ann", "slow"))[0] == 250
    wait_until(lambda: subjects(house, "joe@slow.test") == ["slow"], 60, "the mail to follow")


def test_mail_stays_for_lists_redirects_and_banished(house):
    new_domain(house, "stays.test")
    house.add_mailbox("m@stays.test", PASSWORD)
    for name in ("all", "out", "spam", "worse"):
        send(house, f"{name}@stays.test", subject=name)
    house.cli("candidate", "promote", "all@stays.test", "--type", "list", "--to", "m@stays.test")
    house.cli("candidate", "promote", "out@stays.test", "--type", "redirect", "--to", "dan@elsewhere.test")
    done = house.json("candidate", "banish", "spam@stays.test")["items"][0]
    assert (done["type"], done["mail"], done["messages"]) == ("banished", "stays", 1)
    done = house.json("candidate", "banish", "worse@stays.test", "--discard-mail")["items"][0]
    assert (done["mail"], done["messages"]) == ("discarded", 1)
    send(house, "all@stays.test", subject="to the list")
    assert subjects(house, "m@stays.test") == ["to the list"]
    assert rcpt(house, "spam@stays.test")[0] == 550 and rcpt(house, "worse@stays.test")[0] == 550
    left = {a: (c["type"], c["messages"]) for a, c in candidates(house, "stays.test").items()}
    assert left == {"all@stays.test": ("list", 1), "out@stays.test": ("redirect", 1), "spam@stays.test": ("banished", 1)}


def test_several_are_banished_in_one_call(house):
    new_domain(house, "several.test")
    send(house, "a@several.test", "b@several.test")
    done = house.partly("candidate", "banish", "a@several.test", "nobody@several.test", "b@several.test")
    assert done["done"] == 2 and done["refused"] == 1
    assert "there is no address nobody@several.test" in done["items"][1]["error"]
    assert rcpt(house, "b@several.test")[0] == 550


def test_several_become_mailboxes_in_one_call(house):
    new_domain(house, "promoted.test")
    names = ["paul@promoted.test", "ringo@promoted.test"]
    send(house, *names)
    done = house.json("candidate", "promote", *names, "--type", "mailbox")
    assert [(i["address"], i["mail"], i["messages"]) for i in done["items"]] == [(n, "moves", 1) for n in names]
    box = {m["address"]: m["state"] for m in house.json("mailbox", "list", "--domain", "promoted.test")["items"]}
    assert box == dict.fromkeys(names, "no-password")


def test_some_that_are_refused_are_an_exit_code_and_a_reason(house):
    new_domain(house, "partly.test")
    send(house, "a@partly.test")
    done = house.try_cli("candidate", "banish", "a@partly.test", "nobody@partly.test")
    assert done.returncode == 1
    assert "a@partly.test: candidate -> banished" in done.stdout
    assert "nobody@partly.test: refused: there is no address nobody@partly.test" in done.stderr


def test_a_candidate_is_removed_with_its_mail_only_when_told(house):
    new_domain(house, "remove.test")
    send(house, "x@remove.test")
    assert "holds 1 message, which" in house.refused("candidate", "remove", "x@remove.test")
    # What was refused did not happen, and the log does not say that it did.
    assert house.json("audit", "list", "--object", "x@remove.test")["items"] == []
    assert house.json("candidate", "remove", "x@remove.test", "--discard-mail")["messages"] == 1
    assert [r["operation"] for r in house.json("audit", "list", "--object", "x@remove.test")["items"]] == ["candidate.remove"]
    assert candidates(house, "remove.test") == {}
    send(house, "x@remove.test")
    assert candidates(house, "remove.test")["x@remove.test"]["messages"] == 1
    error = house.refused("domain", "remove", "remove.test")
    assert "hold 1 message, which would be lost: discard_mail says that it may go" in error and "discard" in error
    send(house, "x@remove.test")
    assert house.json("domain", "remove", "remove.test", "--discard-mail")["messages"] == 2
    assert rcpt(house, "x@remove.test")[0] == 550


def test_no_more_candidates_than_the_domain_may_have(house):
    new_domain(house, "many.test", "--candidate-max", "3")
    for i in range(3):
        send(house, f"u{i}@many.test")
    assert len(candidates(house, "many.test")) == 3
    assert rcpt(house, "u3@many.test") [0] == 550
    assert rcpt(house, "u2@many.test")[0] == 250          # has one already
    # In one message, before anybody counted: the shard holds to the number.
    new_domain(house, "burst.test", "--candidate-max", "3")
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        for i in range(4):
            assert smtp.rcpt(f"u{i}@burst.test")[0] == 250
        assert smtp.data(TEXT.format("Ann", "x"))[0] == 452
    assert candidates(house, "burst.test") == {}
    house.cli("domain", "set", "many.test", "--candidate-max", "4")
    assert rcpt(house, "u3@many.test")[0] == 250


def test_no_more_bytes_than_the_domain_may_have(house):
    new_domain(house, "size.test", "--candidate-size", "20K")
    body = "x" * 76 + "\r\n"
    big = TEXT.format("Ann", "x") + body * 150
    with house.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["u@size.test"], big)
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        assert smtp.rcpt("v@size.test")[0] == 250
        code, text = smtp.data(big)
        assert code == 452, text
        smtp.sendmail("a@elsewhere.test", ["v@size.test"], TEXT.format("Ann", "small"))
    assert {a: c["messages"] for a, c in candidates(house, "size.test").items()} == {"u@size.test": 1, "v@size.test": 1}
    house.cli("domain", "set", "size.test", "--candidate-size", "11K")
    assert rcpt(house, "w@size.test")[0] == 452
    house.cli("domain", "set", "size.test", "--candidate-size", "40K")
    assert rcpt(house, "w@size.test")[0] == 250


def test_a_catch_all_mailbox_gets_what_nobody_has(house):
    house.add_domain("catch.test")
    house.add_mailbox("m@catch.test", PASSWORD)
    assert "not a mailbox here" in house.refused("domain", "set", "catch.test", "--catch-all", "x@catch.test")
    house.cli("domain", "set", "catch.test", "--catch-all", "m@catch.test")
    send(house, "anything@catch.test", subject="caught")
    assert subjects(house, "m@catch.test") == ["caught"]
    assert "not both" in house.refused("domain", "set", "catch.test", "--candidates", "on")
    assert "catch-all mailbox of catch.test" in house.refused("mailbox", "remove", "m@catch.test", "--discard-mail")
    house.cli("domain", "set", "catch.test", "--catch-all", "none")
    assert rcpt(house, "anything@catch.test")[0] == 550


def test_a_gateway_domain_keeps_what_its_list_does_not_have(house):
    house.add_domain("gate.test", "gateway", "127.0.0.1:1")
    house.cli("domain", "set", "gate.test", "--candidates", "on")
    house.add_mailbox("m@gate.test", None)
    house.cli("domain", "set", "gate.test", "--recipients", "list")
    send(house, "new@gate.test")
    assert set(candidates(house, "gate.test")) == {"new@gate.test"}
    house.cli("domain", "set", "gate.test", "--recipients", "ask", "--when-down", "later")
    assert rcpt(house, "other@gate.test")[0] == 451          # its server decides


def test_hostile_local_parts_are_names_like_others(house):
    new_domain(house, "odd.test")
    odd = ['"../../x"@odd.test', '"a b"@odd.test', '"inbox"@odd.test', "inbox@odd.test", '"a/b"@odd.test',
           '"x\'/**/UNION/**/SELECT/**/X\'00\'--"@odd.test', "$(id)@odd.test".replace("(", "{").replace(")", "}"),
           "%s%n@odd.test"]
    for address in odd:
        with house.smtp() as smtp:
            smtp.ehlo()
            smtp.mail("a@elsewhere.test")
            assert smtp.docmd(f"RCPT TO:<{address}>")[0] == 250, address
            assert smtp.data(TEXT.format("Ann", "x"))[0] == 250
    found = candidates(house, "odd.test")
    assert len(found) == len(odd) - 1 and found["inbox@odd.test"]["messages"] == 2
    for address in found:
        assert house.json("candidate", "messages", address)["items"]
    house.cli("candidate", "promote", '"../../x"@odd.test', "--type", "mailbox")
    settled(house, "odd.test")
    assert house.json("mailbox", "show", '"../../x"@odd.test')["messages"] == 1


def test_every_look_is_in_the_log(house):
    new_domain(house, "looked.test")
    send(house, "x@looked.test")
    since = house.log_size()
    house.cli("candidate", "list", "looked.test")
    uid = house.json("candidate", "messages", "x@looked.test")["items"][0]["uid"]
    house.cli("candidate", "message", "x@looked.test", uid)
    log = house.log()[since:]
    for operation in ("candidate.list", "candidate.messages", "candidate.message"):
        assert f'operation="{operation}"' in log


# -- time, crashes, races ---------------------------------------------------------------------------------------------

def test_old_mail_goes(postern):
    new_domain(postern, "age.test", "--candidate-days", "10")
    send(postern, "old@age.test", "both@age.test")
    postern.travel(days=9)
    send(postern, "both@age.test")
    postern.cli("timer", "run", "candidates.prune")
    assert {a: c["messages"] for a, c in candidates(postern, "age.test").items()} == {"old@age.test": 1, "both@age.test": 2}
    postern.travel(days=2)
    postern.cli("timer", "run", "candidates.prune")
    wait_until(lambda: {a: c["messages"] for a, c in candidates(postern, "age.test").items()} == {"both@age.test": 1}, 10,
               "old mail to go")
    # The system did it, and that is written down where its admins see it.
    row = wait_until(lambda: postern.json("audit", "list", "--domain", "age.test", "--actor", "system")["items"], 10, "the row")[0]
    assert (row["operation"], row["object"], row["detail"]) == ("candidate.prune", "age.test", "messages=2 days=10")
    assert len(postern.json("audit", "list", "--operation", "candidate.prune")["items"]) == 1


@pytest.mark.parametrize("role", ["directory", "store"])
def test_a_promotion_survives_kill(make_postern, role):
    p = make_postern(conf={"rooms.store": 2}).init().start()
    new_domain(p, "kill.test")
    p.add_mailbox("m0@kill.test", PASSWORD)
    p.add_mailbox("m1@kill.test", PASSWORD)
    for i in range(40):
        send(p, "joe@kill.test", subject=f"number {i}")
    p.cli("candidate", "promote", "joe@kill.test", "--type", "alias", "--to", "m1@kill.test")
    p.kill(role)
    p.cli("timer", "run", "transfers.run")
    settled(p, "kill.test")
    found = subjects(p, "m1@kill.test")
    assert sorted(found) == sorted(f"number {i}" for i in range(40))


def test_a_message_that_cannot_be_read_keeps_its_place(make_postern):
    p = make_postern().init().start()
    new_domain(p, "bad.test")
    marker = secrets.token_hex(20)
    with p.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["joe@bad.test"], TEXT.format("Ann", "damaged") + marker + "X\r\n")
    send(p, "joe@bad.test", subject="whole")
    p.flip_behind(marker)
    p.cli("candidate", "promote", "joe@bad.test", "--type", "mailbox", "--password-stdin", stdin=PASSWORD + "\n")

    def moves():
        return p.json("address", "moves", "bad.test")["items"]
    wait_until(lambda: not (found := moves()) or found[0]["error"] == "stored data is damaged", 30, "the attempt to read it")
    assert moves() and subjects(p, "joe@bad.test") == ["whole"]
    p.flip_behind(marker)
    p.travel(minutes=61)
    p.cli("timer", "run", "transfers.run")
    settled(p, "bad.test")
    assert sorted(subjects(p, "joe@bad.test")) == ["damaged", "whole"]


def test_a_message_that_stays_damaged_is_given_up_in_the_end(make_postern):
    p = make_postern().init().start()
    new_domain(p, "worse.test")
    marker = secrets.token_hex(20)
    with p.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["joe@worse.test"], TEXT.format("Ann", "damaged") + marker + "X\r\n")
    p.flip_behind(marker)
    p.cli("candidate", "promote", "joe@worse.test", "--type", "mailbox", "--password-stdin", stdin=PASSWORD + "\n")
    wait_until(lambda: p.json("address", "moves", "worse.test")["items"][0]["error"], 30, "the attempt to read it")
    p.travel(days=14, minutes=1)
    p.cli("timer", "run", "transfers.run")
    settled(p, "worse.test")
    assert subjects(p, "joe@worse.test") == []


@pytest.mark.parametrize("kind", ["mailbox", "alias"])
def test_a_candidate_is_promoted_while_it_receives(make_postern, kind):
    p = make_postern(conf={"rooms.store": 2}).init().start()
    new_domain(p, "flow.test")
    p.add_mailbox("m0@flow.test", PASSWORD)
    p.add_mailbox("m1@flow.test", PASSWORD)
    load = Load(p, ["joe@flow.test"])
    wait_until(lambda: load.count() > 60, 60, "mail to flow")
    if kind == "mailbox":
        p.cli("candidate", "promote", "joe@flow.test", "--type", "mailbox", "--password-stdin", stdin=PASSWORD + "\n")
    else:
        p.cli("candidate", "promote", "joe@flow.test", "--type", "alias", "--to", "m1@flow.test")
    before = load.count()
    wait_until(lambda: load.count() > before + 60, 60, "mail to flow on")
    load.stop()
    settled(p, "flow.test")
    assert not load.refused, load.refused[:3]
    exactly_once(load, p.mail("joe@flow.test" if kind == "mailbox" else "m1@flow.test", PASSWORD))
    assert candidates(p, "flow.test") == {}


def test_admins_hear_of_new_candidates_once(make_postern):
    """A day's new ones in one notice, in the admin's language; what was told of, or dealt with before, is not."""
    p = make_postern().init().start()
    new_domain(p, "told.test", "--candidate-days", "9")
    new_domain(p, "quiet.test")
    p.add_mailbox("boss@told.test", PASSWORD)
    p.cli("mailbox", "set", "boss@told.test", "--language", "de")
    p.cli("mailbox", "set", "boss@told.test", "--recovery", "boss@elsewhere.test")
    p.cli("admin", "add", "boss@told.test", "--domain", "told.test")
    p.cli("admin", "add", "dora", "--domain", "told.test", "--recovery", "dora@elsewhere.test", "--password-stdin", stdin=PASSWORD + "\n")
    p.cli("customer", "set", "acme", "--contact", "chief@elsewhere.test")

    def told(since=0):
        p.cli("timer", "run", "candidates.look")
        p.cli("timer", "run", "candidates.tell")
        found = p.json("notice", "log", "--kind", "candidates")["items"]
        return sorted((n["to"], n["language"], p.json("notice", "show", str(n["id"]))["text"]) for n in found[:len(found) - since])
    send(p, "paul@told.test", "ringo@told.test", "spam@told.test")
    wait_until(lambda: len(candidates(p, "told.test")) == 3, 20, "candidates")
    p.cli("candidate", "banish", "spam@told.test", "--discard-mail")
    assert told() == []                                 # rows may still be behind the mail of these hours
    p.travel(hours=3)
    first = told()
    assert [(to, language) for to, language, _ in first] == [("boss@told.test", "de"), ("dora@elsewhere.test", "en")]
    for *_, text in first:
        assert "paul@told.test\nringo@told.test\n" in text and "spam@" not in text and " 9 " in text
    assert "Durchsicht" in first[0][2] and "waits to be looked at" in first[1][2]
    assert told() == first
    # The next day: only what is new. Nobody looks after the other domain, so its customer hears of it.
    p.travel(hours=20)
    send(p, "paul@told.test", "john@told.test", subject="later")
    send(p, "who@quiet.test")
    wait_until(lambda: candidates(p, "told.test").keys() >= {"john@told.test"} and candidates(p, "quiet.test"), 20, "more")
    p.travel(hours=4)
    second = told(since=2)
    assert [to for to, *_ in second] == ["boss@told.test", "chief@elsewhere.test", "dora@elsewhere.test"]
    assert "john@told.test" in second[0][2] and "paul@" not in second[0][2] and "who@quiet.test" in second[1][2]
    p.travel(days=3)
    assert len(told()) == 5
