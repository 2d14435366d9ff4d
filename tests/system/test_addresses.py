# SPDX-License-Identifier: Apache-2.0
"""What an address is, made into something else (M16 to M21): every type into every other, with what becomes of the mail that
is there; references; several in one call; and all of it while mail flows in."""
import concurrent.futures
import imaplib
import itertools

import pytest

from harness import Instance, wait_until
from harness.api import WebApi
from load import Load, exactly_once

PASSWORD = "Correct-horse-1"
TYPES = ["mailbox", "alias", "list", "redirect", "banished", "candidate"]
# (before, after) -> what becomes of two messages that are there, or what the refusal says.
TABLE = {
    ("mailbox", "mailbox"): "is a mailbox already",
    ("mailbox", "alias"): "moves",
    ("mailbox", "list"): "holds 2 messages", ("mailbox", "redirect"): "holds 2 messages",
    ("mailbox", "banished"): "holds 2 messages",
    ("candidate", "mailbox"): "moves", ("candidate", "alias"): "moves",
    ("candidate", "list"): "stays", ("candidate", "redirect"): "stays", ("candidate", "banished"): "stays",
    ("banished", "banished"): "is a banished address already",
}


@pytest.fixture(scope="module")
def house():
    p = Instance(conf={"rooms.store": 2})
    try:
        p.init().start()
        p.add_domain("table.test")
        p.cli("domain", "set", "table.test", "--candidates", "on")
        p.add_mailbox("m0@table.test", PASSWORD)
        p.add_mailbox("m1@table.test", PASSWORD)
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


def send(p, address, subject="x"):
    with p.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [address], f"Subject: {subject}\r\n\r\nbody\r\n")


def rcpt(p, address):
    with p.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        return smtp.docmd(f"RCPT TO:<{address}>")[0]


def subjects(p, user, folder="INBOX"):
    found = []
    for message in p.mail(user, PASSWORD, folder):
        found += [line[9:].decode() for line in message.split(b"\r\n") if line.startswith(b"Subject: ")]
    return found


def settled(p, domain):
    wait_until(lambda: not p.json("address", "moves", domain)["items"], 30, "mail to have moved")


def targets(kind):
    return {"alias": ["--to", "m0@table.test"], "list": ["--to", "m0@table.test", "--to", "m1@table.test"],
            "redirect": ["--to", "m0@table.test", "--to", "dan@elsewhere.test"]}.get(kind, [])


def make(p, address, kind):
    if kind == "mailbox":
        p.add_mailbox(address, PASSWORD)
    elif kind != "candidate":
        p.cli("address", "add", address, "--type", kind, *targets(kind))
    if kind in ("mailbox", "candidate"):
        send(p, address, f"{address} one")
        send(p, address, f"{address} two")


def type_of(p, address):
    if any(m["address"] == address for m in p.json("mailbox", "list", "--domain", "table.test")["items"]):
        return "mailbox"
    found = [a["type"] for a in p.json("address", "list", "--domain", "table.test")["items"] if a["address"] == address]
    return found[0] if found else "candidate"


@pytest.mark.parametrize("before", TYPES)
@pytest.mark.parametrize("after", [t for t in TYPES if t != "candidate"])
def test_every_type_into_every_other(house, before, after):
    address = f"{before}-{after}@table.test"
    make(house, address, before)
    expected = TABLE.get((before, after), "none")
    if " " in expected:
        assert expected in house.refused("address", "convert", address, "--type", after, *targets(after))
        assert type_of(house, address) == before
        if "holds" not in expected:
            return
        assert subjects(house, address) == [f"{address} one", f"{address} two"]
        item = house.json("address", "convert", address, "--type", after, *targets(after), "--discard-mail")["items"][0]
        assert (item["mail"], item["messages"]) == ("discarded", 2)
    else:
        item = house.json("address", "convert", address, "--type", after, *targets(after))["items"][0]
        assert item["mail"] == expected and item["messages"] == (0 if expected == "none" else 2)
    assert (item["type_before"], item["type"]) == (before, after) and type_of(house, address) == after
    settled(house, "table.test")
    where = {"mailbox": address, "alias": "m0@table.test"}.get(after)
    if expected == "moves":
        if after == "mailbox":
            house.cli("mailbox", "password", address, "--password-stdin", stdin=PASSWORD + "\n")
        assert [s for s in subjects(house, where) if s.startswith(address)] == [f"{address} one", f"{address} two"]
    if expected == "stays":
        left = {c["address"]: (c["type"], c["messages"]) for c in
                house.json("candidate", "list", "table.test")["items"]}
        assert left[address] == (after, 2)
    assert rcpt(house, address) == (550 if after == "banished" else 250)


def test_nothing_is_made_a_candidate(house):
    done = house.try_cli("address", "convert", "m0@table.test", "--type", "candidate")
    assert done.returncode == 2 and "mailbox, alias, list, redirect or banished" in done.stderr


def test_folders_flags_and_dates_move_along(house):
    house.add_domain("moved.test")
    house.add_mailbox("old@moved.test", PASSWORD)
    house.add_mailbox("new@moved.test", PASSWORD)
    imap = house.imap("old@moved.test", PASSWORD)
    imap.create("Projects/2024")
    imap.append("Projects/2024", r"(\Seen \Flagged $Forwarded)", '"01-Feb-2020 10:00:00 +0000"', b"Subject: kept\r\n\r\nx\r\n")
    imap.append("Sent", r"(\Seen)", None, b"Subject: sent\r\n\r\nx\r\n")
    house.cli("address", "convert", "old@moved.test", "--type", "alias", "--to", "new@moved.test")
    settled(house, "moved.test")
    def ended():
        try:
            imap.noop()
        except (imaplib.IMAP4.abort, OSError):
            return True
    wait_until(ended, 20, "the session to end")
    imap = house.imap("old@moved.test", PASSWORD)       # an alias: a login of the new mailbox
    imap.select('"Projects/2024"')
    data = imap.fetch("1", "(FLAGS INTERNALDATE BODY[])")[1]
    text = b" ".join(d if isinstance(d, bytes) else d[0] + d[1] for d in data)
    for part in (rb"\Seen", rb"\Flagged", b"$Forwarded", b"01-Feb-2020 10:00:00 +0000", b"Subject: kept"):
        assert part in text
    assert imap.select("Sent")[1] == [b"1"]
    imap.logout()


def test_references_are_repointed_or_refuse(house):
    house.add_domain("refs.test")
    for name in ("a", "b"):
        house.add_mailbox(f"{name}@refs.test", PASSWORD)
    house.cli("address", "add", "info@refs.test", "--type", "alias", "--to", "a@refs.test")
    house.cli("address", "add", "both@refs.test", "--type", "list", "--to", "a@refs.test", "--to", "b@refs.test")
    for how in (("address", "convert", "a@refs.test", "--type", "banished", "--discard-mail"),
                ("mailbox", "remove", "a@refs.test")):
        assert "2 addresses lead to this mailbox: both@refs.test, info@refs.test" in house.refused(*how)
    assert "cannot lead to itself" in house.refused("address", "convert", "a@refs.test", "--type", "alias", "--to",
                                                    "a@refs.test")
    assert "not a mailbox here" in house.refused("address", "convert", "a@refs.test", "--type", "alias", "--to",
                                                 "info@refs.test")
    item = house.json("address", "convert", "a@refs.test", "--type", "alias", "--to", "b@refs.test")["items"][0]
    assert sorted(item["repointed"]) == ["both@refs.test", "info@refs.test"]
    to = {a["address"]: a["to"] for a in house.json("address", "list", "--domain", "refs.test")["items"]}
    assert to == {"a@refs.test": ["b@refs.test"], "info@refs.test": ["b@refs.test"], "both@refs.test": ["b@refs.test"]}
    house.imap("info@refs.test", PASSWORD).logout()


def test_a_mailbox_shows_its_aliases_to_admins_and_to_its_user(house):
    house.add_domain("names.test")
    house.add_domain("more-names.test")
    for who in ("joe", "mary"):
        house.add_mailbox(f"{who}@names.test", PASSWORD)
    for name, *how in (("info@names.test", "alias"), ("boss@more-names.test", "alias"), ("both@names.test", "list"),
                       ("away@names.test", "redirect")):
        house.cli("address", "add", name, "--type", *how, "--to", "joe@names.test")
    names = ["boss@more-names.test", "info@names.test"]
    assert house.json("mailbox", "show", "joe@names.test")["aliases"] == names
    assert {m["address"]: m["aliases"] for m in house.json("mailbox", "list", "--domain", "names.test")["items"]} == \
        {"joe@names.test": names, "mary@names.test": []}
    assert "boss@more-names.test, info@names.test" in house.cli("mailbox", "show", "joe@names.test")
    user = WebApi(house).login("joe@names.test", PASSWORD)
    assert user.ask("GET", "/mailboxes/joe@names.test")[2]["aliases"] == names
    assert user.ask("POST", "/addresses", {"address": "x@names.test", "type": "alias", "to": ["joe@names.test"]})[0] == 403
    house.cli("address", "remove", "info@names.test")
    assert user.ask("GET", "/mailboxes/joe@names.test")[2]["aliases"] == names[:1]


@pytest.mark.parametrize("option,text", [(("--quota", "1G"), "--quota: only a mailbox has a quota"),
                                         (("--name", "Joe"), "--name: only a mailbox has a person's name"),
                                         (("--password-stdin",), "--password-stdin: only a mailbox has a password")])
def test_what_only_a_mailbox_has_is_refused_for_others(house, option, text):
    domain = option[0].strip("-") + ".test"
    house.add_domain(domain)
    house.cli("address", "add", f"x@{domain}", "--type", "banished")
    assert text in house.refused("address", "convert", f"x@{domain}", "--type", "redirect", "--to", "a@elsewhere.test", *option,
                                 stdin=PASSWORD + "\n")
    assert house.json("address", "show", f"x@{domain}")["type"] == "banished"


def test_an_address_says_what_it_is(house):
    house.add_domain("shown.test")
    house.add_mailbox("joe@shown.test", PASSWORD)
    house.cli("address", "add", "info@shown.test", "--type", "alias", "--to", "joe@shown.test")
    shown = house.json("address", "show", "INFO@shown.test")
    assert (shown["address"], shown["type"], shown["to"]) == ("info@shown.test", "alias", ["joe@shown.test"])
    assert house.json("address", "show", "joe@shown.test")["type"] == "mailbox"
    assert "there is no address nobody@shown.test" in house.refused("address", "show", "nobody@shown.test")
    assert WebApi(house).login("joe@shown.test", PASSWORD).ask("GET", "/addresses/info@shown.test")[0] in (403, 404)


def test_several_in_one_call_are_answered_one_by_one(house):
    house.add_domain("bulk.test")
    house.add_mailbox("m@bulk.test", PASSWORD)
    for name in ("a", "b"):
        house.cli("address", "add", f"{name}@bulk.test", "--type", "banished")
    done = house.partly("address", "convert", "a@bulk.test", "m@bulk.test", "x@bulk.test", "b@bulk.test", "--type", "alias",
                        "--to", "m@bulk.test")
    assert (done["done"], done["refused"]) == (2, 2)
    assert [i.get("error", "") and i["status"] for i in done["items"]] == ["", 422, 404, ""]
    assert {a["address"]: a["type"] for a in house.json("address", "list", "--domain", "bulk.test")["items"]} == {
        "a@bulk.test": "alias", "b@bulk.test": "alias"}


def test_an_empty_mailbox_goes_and_a_full_one_says_how_much(house):
    house.add_domain("gone.test")
    for name in ("empty", "full"):
        house.add_mailbox(f"{name}@gone.test", PASSWORD)
    send(house, "full@gone.test")
    assert house.json("mailbox", "remove", "empty@gone.test")["messages"] == 0
    error = house.refused("mailbox", "remove", "full@gone.test")
    assert "full@gone.test holds 1 message, which would" in error and "discard_mail" in error
    assert rcpt(house, "full@gone.test") == 250 and rcpt(house, "empty@gone.test") == 550
    assert house.json("mailbox", "remove", "full@gone.test", "--discard-mail")["messages"] == 1


# -- who may write to a list ------------------------------------------------------------------------------------------

def from_to(p, sender, to):
    with p.smtp() as smtp:
        smtp.ehlo()
        smtp.mail(sender)
        code, text = smtp.docmd(f"RCPT TO:<{to}>")
        return code, text.decode()


def test_lists_say_who_may_write(house):
    house.add_domain("list.test")
    house.add_domain("other.test")
    for name in ("a", "b", "c"):
        house.add_mailbox(f"{name}@list.test", PASSWORD)
    house.add_mailbox("o@other.test", PASSWORD)
    house.cli("address", "add", "alias@list.test", "--type", "alias", "--to", "a@list.test")
    house.cli("address", "add", "all@list.test", "--type", "list", "--to", "a@list.test", "--to", "b@list.test")
    house.add_domain("before.test", "gateway", "127.0.0.1:9")
    house.add_mailbox("g@before.test", PASSWORD)
    house.cli("domain", "add", "also-list.test", "--alias-of", "list.test")
    logins = {"a@list.test": "a@list.test", "A+x@LIST.test": "a@list.test", "alias@list.test": "a@list.test",
              "c@list.test": "c@list.test", "o@other.test": "o@other.test"}
    senders = [*logins, "g@before.test", "x@elsewhere.test", ""]
    inside = [*logins, "nobody@list.test", "a@also-list.test"]

    def ask(sender, login=None):
        if not login:
            return from_to(house, sender, "all@list.test")
        with house.submission(login, PASSWORD) as smtp:
            assert smtp.mail(sender)[0] == 250
            code, text = smtp.rcpt("all@list.test")
            return code, text.decode()

    def who():
        """Who may, logged in as far as they have a login here. From outside nobody is one of them (S35)."""
        answers = {s: ask(s, logins.get(s)) for s in senders}
        assert all(code == 250 or (code == 550 and text.startswith("5.7.1")) for code, text in answers.values()), answers
        for s in inside:
            code, text = ask(s)
            assert (code, "has to log in" in text) == ((250, False) if answers[""][0] == 250 else (550, True)), (s, text)
        return [s for s in senders if answers[s][0] == 250]
    assert who() == senders
    house.cli("address", "set", "all@list.test", "--senders", "members")
    assert who() == senders[:3]
    house.cli("address", "convert", "all@list.test", "--type", "list", "--to", "a@list.test", "--to", "g@before.test")
    assert who() == [*senders[:3], "g@before.test"]     # whose mail comes from the old server
    house.cli("address", "set", "all@list.test", "--senders", "domain")
    assert who() == senders[:4]
    assert ask("nobody@before.test") == ask("x@elsewhere.test")
    house.cli("address", "set", "all@list.test", "--senders", "named", "--sender", "X@Elsewhere.test", "--sender", "@other.test")
    assert who() == ["o@other.test", "x@elsewhere.test"]
    shown = [a for a in house.json("address", "list", "--domain", "list.test")["items"] if a["type"] == "list"][0]
    assert (shown["senders"], sorted(shown["sender"])) == ("named", ["@other.test", "x@elsewhere.test"])
    # By submission, too; who is in force is so at once, and a list that stays one keeps it.
    with house.submission("c@list.test", PASSWORD) as smtp:
        smtp.mail("c@list.test")
        assert smtp.rcpt("all@list.test")[0] == 550
    house.cli("address", "convert", "all@list.test", "--type", "list", "--to", "c@list.test")
    assert who() == ["o@other.test", "x@elsewhere.test"]
    exported = house.cli("export", "aliases", "list.test")
    house.cli("address", "remove", "all@list.test")
    house.cli("import", "aliases", house.write_file("lists.csv", exported), "--domain", "list.test")
    assert house.cli("export", "aliases", "list.test") == exported
    assert who() == ["o@other.test", "x@elsewhere.test"]
    house.cli("address", "set", "all@list.test", "--senders", "anyone")
    assert who() == senders


def test_lists_ask_who_wrote_what_claims_to_come_from_inside(house):
    """S34, S35: envelope and authors that name one of ours are all held to who may write."""
    house.add_domain("authors.test", "gateway", "127.0.0.1:9")      # known by address alone, as their mail comes from there
    house.add_domain("beside.test")
    for name in ("a", "b", "c"):
        house.add_mailbox(f"{name}@authors.test", PASSWORD)
    for name in ("o", "p"):
        house.add_mailbox(f"{name}@beside.test", PASSWORD)
    house.cli("address", "add", "alias@authors.test", "--type", "alias", "--to", "a@authors.test")
    house.cli("address", "add", "all@beside.test", "--type", "list", "--to", "a@authors.test", "--to", "b@authors.test", "--to",
              "o@beside.test")
    house.cli("address", "add", "wide@beside.test", "--type", "redirect", "--to", "all@beside.test", "--to", "p@beside.test")
    a, c, o, p, x, y = ("a@authors.test", "c@authors.test", "o@beside.test", "p@beside.test", "x@elsewhere.test",
                        "y@elsewhere.test")
    count = itertools.count()

    def write(sender, *fields, to=("all@beside.test",), login=None):
        """What the end of the data is answered; RCPT was taken."""
        text = "\r\n".join([*fields, f"Subject: author {next(count)}", "", "x", ""]).encode()
        with house.submission(login, PASSWORD) if login else house.smtp() as smtp:
            smtp.ehlo()
            smtp.mail(sender)
            assert [smtp.rcpt(r)[0] for r in to] == [250] * len(to)
            code, answer = smtp.data(text)
            assert code == 250 or answer.startswith(b"5.7.1 "), (code, answer)
            assert code == 250 or b"may not write to this list" in answer or b"has to log in" in answer, answer
            return code

    def check(cases):
        for sender, fields, code in cases:
            assert write(sender, *fields) == code, (sender, fields)
    every = [(a, ["From: " + a], 250), (a, [f"From: A <alias@AUTHORS.test>"], 250), (a, ["From: a+x@authors.test"], 250), (a, [], 250)]
    forged = [(a, ["From: " + c]), (a, ["From: " + x]), (a, ["From: " + a, "Sender: " + c]), (a, [f"From: {a}, {c}", "Sender: " + a]),
              (a, [f'From: "{c}" <{a}>']), (a, ["From: " + a, "Resent-From: " + x]), (a, ["From: friends: " + c + ";"]),
              (a, ["From: " + o])]
    check([(s, f, 250) for s, f in forged])             # anyone
    house.cli("address", "set", "all@beside.test", "--senders", "members")
    before = len(subjects(house, o))
    check(every + [(s, f, 550) for s, f in forged])
    assert write(a, f"From: {a}, b@authors.test", "Sender: " + a) == 250
    # One reply for all: nobody has what a list refuses, whatever led to it.
    have = len(subjects(house, p))
    assert write(a, "From: " + c, to=("all@beside.test", p)) == 550
    assert write(a, "From: " + c, to=("wide@beside.test",)) == 550
    assert write(a, "From: " + a, to=("wide@beside.test",)) == 250
    assert len(subjects(house, p)) == have + 1
    assert len(subjects(house, o)) == before + len(every) + 2
    # Who is outside is known by the envelope alone, but may not write as one of ours; as one whose mail lives here, not at all.
    house.cli("address", "set", "all@beside.test", "--senders", "named", "--sender", x, "--sender", "@beside.test",
              "--sender", a)
    check([(x, ["From: " + x], 250), (x, ["From: " + y], 250), (x, ["From: " + a], 250), (x, ["From: " + o], 550),
           (x, [f"From: {x}", "Sender: " + a], 250), (x, [f"From: {x}", "Sender: " + o], 550), (x, ["From: " + c], 550),
           (x, [f'From: "{c}" <{x}>'], 550), (x, [f'From: "{o}" <{x}>'], 550)])
    assert write(o, "From: " + o, login=o) == 250
    # Who logged in, and may send as others.
    house.cli("address", "set", "all@beside.test", "--senders", "named", "--sender", p)
    house.cli("mailbox", "set", o, "--send-any")
    assert write(p, "From: " + p, login=o) == 250
    assert write(p, "From: " + o, login=o) == 550
    assert write(p, "From: " + p, "Sender: " + o, login=o) == 550
    house.cli("address", "set", "all@beside.test", "--senders", "anyone")
    assert write(p, "From: " + o, login=o) == 250


def test_a_switch_of_the_domain_says_whether_its_senders_have_to_log_in(house):
    """At once, as all of a switch: gateway, its users send through the old server; hosted, through here."""
    house.add_domain("turned.test", "gateway", "127.0.0.1:9")
    house.add_domain("turned-list.test")
    house.add_mailbox("t@turned.test", PASSWORD)
    house.add_mailbox("m@turned-list.test", PASSWORD)
    house.cli("address", "add", "all@turned-list.test", "--type", "list", "--to", "t@turned.test", "--to", "m@turned-list.test")
    house.cli("address", "set", "all@turned-list.test", "--senders", "members")
    for mode, code in (("gateway", 250), ("hosted", 550), ("gateway", 250)):
        house.cli("domain", "switch", "turned.test", mode)
        assert from_to(house, "t@turned.test", "all@turned-list.test")[0] == code, mode
        with house.submission("t@turned.test", PASSWORD) as smtp:
            smtp.mail("t@turned.test")
            assert smtp.rcpt("all@turned-list.test")[0] == 250


def test_rules_pass_on_to_a_list_what_it_would_have_taken(house):
    """A redirect of Sieve: judged by envelope, login and authors of the message; what the list does not take is kept."""
    house.add_domain("passed.test")
    for name in ("from", "by", "to"):
        house.add_mailbox(f"{name}@passed.test", PASSWORD)
    house.cli("address", "add", "all@passed.test", "--type", "list", "--to", "from@passed.test", "--to", "to@passed.test")
    house.cli("sieve", "put", "by@passed.test", "on", house.write_file("on.sieve", 'redirect "all@passed.test";'), "--active")
    sender, stranger = "from@passed.test", "x@elsewhere.test"

    def passes(envelope, author, login=None):
        before = len(subjects(house, "by@passed.test")), len(subjects(house, "to@passed.test"))
        text = f"From: {author}\r\nSubject: passed on\r\n\r\nx\r\n"
        with house.submission(login, PASSWORD) if login else house.smtp() as smtp:
            smtp.sendmail(envelope, ["by@passed.test"], text)
        if len(subjects(house, "by@passed.test")) > before[0]:          # kept, before 250 was said
            return False
        wait_until(lambda: len(subjects(house, "to@passed.test")) > before[1], 30, "the message at the list")
        return True
    assert passes(stranger, stranger) and passes(stranger, sender)          # anyone
    house.cli("address", "set", "all@passed.test", "--senders", "members")
    assert passes(sender, sender, login=sender)
    assert not passes(sender, sender) and not passes(stranger, stranger) and not passes(stranger, sender)
    house.cli("address", "set", "all@passed.test", "--senders", "named", "--sender", stranger)
    assert passes(stranger, stranger)
    assert not passes(stranger, sender) and not passes(sender, sender, login=sender)


def test_a_list_has_so_many_senders_and_no_more(house):
    house.add_domain("many-senders.test")
    house.add_mailbox("m@many-senders.test", None)
    house.add_mailbox("n@many-senders.test", None)
    house.cli("address", "add", "l@many-senders.test", "--type", "list", "--to", "m@many-senders.test", "--to",
              "n@many-senders.test")
    names = [x for i in range(1001) for x in ("--sender", f"u{i}@x.test")]
    house.cli("address", "set", "l@many-senders.test", "--senders", "named", *names[2:])
    assert from_to(house, "u1000@x.test", "l@many-senders.test")[0] == 250
    assert "1001 senders are more than 1000" in house.refused("address", "set", "l@many-senders.test", "--senders",
                                                              "named", *names)


@pytest.mark.parametrize("args, text", [
    (["one@bad-list.test", "--senders", "members"], "only a list has senders"),
    (["two@bad-list.test", "--senders", "named"], "at least one address"),
    (["two@bad-list.test", "--senders", "members", "--sender", "a@x.test"], "only named with named"),
    (["two@bad-list.test", "--sender", "a@x.test"], "only named with named"),
])
def test_what_makes_no_sense_for_a_list_is_refused(house, args, text):
    if not any(d["domain"] == "bad-list.test" for d in house.json("domain", "list")["items"]):
        house.add_domain("bad-list.test")
        for name in ("m", "n"):
            house.add_mailbox(f"{name}@bad-list.test", None)
        house.cli("address", "add", "one@bad-list.test", "--type", "alias", "--to", "m@bad-list.test")
        house.cli("address", "add", "two@bad-list.test", "--type", "list", "--to", "m@bad-list.test", "--to",
                  "n@bad-list.test")
    assert text in house.refused("address", "set", *args)
    assert "is not a mailbox here: mail to elsewhere is a redirect" in house.refused(
        "address", "add", "three@bad-list.test", "--type", "list", "--to", "x@elsewhere.test")


# -- spellings --------------------------------------------------------------------------------------------------------

def test_details_by_the_domains_separator(house):
    house.add_domain("detail.test")
    house.add_mailbox("joe@detail.test", PASSWORD)
    house.add_mailbox("joe+own@detail.test", PASSWORD)
    assert [rcpt(house, f"joe{d}@detail.test") for d in ("", "+shop", "-shop", "+")] == [250, 250, 550, 250]
    send(house, "joe+shop@detail.test", "detail")
    send(house, "joe+own@detail.test", "its own mailbox")
    assert subjects(house, "joe@detail.test") == ["detail"]
    house.cli("domain", "set", "detail.test", "--subaddress", "-")
    assert [rcpt(house, f"joe{d}@detail.test") for d in ("+shop", "-shop", "+own", "+own-x")] == [550, 250, 250, 250]
    house.cli("domain", "set", "detail.test", "--subaddress", "off")
    assert [rcpt(house, f"joe{d}@detail.test") for d in ("+shop", "-shop", "+own")] == [550, 550, 250]
    with house.submission("joe@detail.test", PASSWORD) as smtp:
        assert smtp.mail("joe+shop@detail.test")[0] == 550
    house.cli("domain", "set", "detail.test", "--subaddress", "+")
    with house.submission("joe@detail.test", PASSWORD) as smtp:
        assert smtp.mail("joe+shop@detail.test")[0] == 250


def utf8_rcpt(p, address):
    with p.smtp() as smtp:
        smtp.ehlo()
        smtp.command_encoding = "utf-8"
        smtp.docmd("MAIL", "FROM:<a@elsewhere.test> SMTPUTF8")
        return smtp.docmd("RCPT", f"TO:<{address}>")[0]


def test_one_account_for_each_spelling(house):
    house.add_domain("Bücher.test")
    house.add_mailbox("Jürgen@BÜCHER.test", PASSWORD)
    assert house.json("mailbox", "show", "jürgen@xn--bcher-kva.test")["address"] == "jürgen@xn--bcher-kva.test"
    spellings = ["jürgen@bücher.test", "JÜRGEN@xn--bcher-kva.test", "ju\u0308rgen@XN--BCHER-KVA.test",
                 "Ju\u0308rgen+x@bu\u0308cher.test"]
    assert [utf8_rcpt(house, s) for s in spellings] == [250] * 4
    assert utf8_rcpt(house, "jurgen@bücher.test") == 550
    for s in spellings[1:3]:
        assert "exists already" in house.refused("mailbox", "add", s)
    assert "exists already" in house.refused("domain", "add", "bu\u0308cher.TEST", "--customer", "acme", "--mode", "hosted")
    path = house.write_file("twins.txt", "ju\u0308ngst x\nJÜNGST y\n")
    assert "line 1 already" in house.refused("import", "accounts", path, "--domain", "bücher.test")


# -- races ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kill", [None, "directory", "store"])
def test_a_mailbox_becomes_an_alias_while_mail_flows_in(make_postern, kill):
    p = make_postern(conf={"rooms.store": 2}).init().start()
    p.add_domain("flow.test")
    p.add_mailbox("joe@flow.test", PASSWORD)
    p.add_mailbox("mary@flow.test", PASSWORD)       # on the other shard
    load = Load(p, ["joe@flow.test", "mary@flow.test"])
    wait_until(lambda: load.count() > 80, 60, "mail to flow")
    p.cli("address", "convert", "joe@flow.test", "--type", "alias", "--to", "mary@flow.test")
    if kill:
        p.kill(kill)
        p.cli("timer", "run", "transfers.run")
    before = load.count()
    wait_until(lambda: load.count() > before + 80, 60, "mail to flow on")
    load.stop()
    settled(p, "flow.test")
    assert not load.refused, load.refused[:3]
    exactly_once(load, p.mail("mary@flow.test", PASSWORD))


def test_a_mailbox_is_never_removed_with_mail_that_just_came(postern):
    """Without leave to discard: either it stays with all its mail, or it was empty when it went."""
    postern.add_domain("race.test")
    postern.add_mailbox("joe@race.test", PASSWORD)
    load = Load(postern, ["joe@race.test"])
    wait_until(lambda: load.count() > 20, 60, "mail to flow")
    for _ in range(5):
        assert "holds" in postern.refused("mailbox", "remove", "joe@race.test")
    load.stop()
    assert not load.refused, load.refused[:3]
    exactly_once(load, postern.mail("joe@race.test", PASSWORD))


def works(p, address):
    wait_until(lambda: rcpt(p, address) == 250, 30, f"{address} to be open again")
    p.imap(address, PASSWORD).logout()


def test_what_comes_to_lead_to_a_mailbox_keeps_it(postern):
    """While the store is asked whether it is empty: one of both wins, and nothing leads nowhere."""
    postern.add_domain("lead.test")
    postern.add_mailbox("joe@lead.test", PASSWORD)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with postern.stopped("store"):
            removal = pool.submit(postern.try_cli, "mailbox", "remove", "joe@lead.test")
            wait_until(lambda: removal.done() or rcpt(postern, "joe@lead.test") != 250, 20, "the removal to begin")
            added = postern.try_cli("address", "add", "info@lead.test", "--type", "alias", "--to", "joe@lead.test")
        removal = removal.result()
    assert (removal.returncode == 0) != (added.returncode == 0), (removal, added)
    if added.returncode == 0:
        assert "1 address leads to this mailbox: info@lead.test" in removal.stderr
        works(postern, "joe@lead.test")


def test_a_conversion_whose_target_goes_meanwhile(postern):
    """The mailbox, which the store has given up by then, goes on as it was."""
    postern.add_domain("turn.test")
    for name in ("joe", "a", "b"):
        postern.add_mailbox(f"{name}@turn.test", PASSWORD)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with postern.stopped("store"):
            turn = pool.submit(postern.try_cli, "address", "convert", "joe@turn.test", "--type", "list", "--to", "a@turn.test",
                               "--to", "b@turn.test")
            wait_until(lambda: turn.done() or rcpt(postern, "joe@turn.test") != 250, 20, "the conversion to begin")
            removal = pool.submit(postern.try_cli, "mailbox", "remove", "b@turn.test", "--discard-mail")
            wait_until(lambda: removal.done() or rcpt(postern, "b@turn.test") == 550, 20, "the target to go")
        turn, removal = turn.result(), removal.result()
    assert (turn.returncode == 0) != (removal.returncode == 0), (turn, removal)
    if removal.returncode == 0:
        assert "b@turn.test" in turn.stderr
        works(postern, "joe@turn.test")


def test_candidates_wait_while_their_domain_may_go(postern):
    """Until the store has said whether they have mail, theirs comes later; and it comes, where the domain stays."""
    postern.add_domain("stay.test")
    postern.cli("domain", "set", "stay.test", "--candidates", "on")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with postern.stopped("store"):
            removal = pool.submit(postern.try_cli, "domain", "remove", "stay.test")
            wait_until(lambda: removal.done() or (code := rcpt(postern, "new@stay.test")) != 250 and code, 20, "the removal to begin")
            assert removal.done() or rcpt(postern, "new@stay.test") == 451
            adding = pool.submit(postern.try_cli, "mailbox", "add", "joe@stay.test")
            rows = "audit", "list", "--operation", "mailbox.add", "--object", "joe@stay.test"
            wait_until(lambda: adding.done() or postern.json(*rows)["items"], 20, "the mailbox's row")
        removal, added = removal.result(), adding.result()
    assert (removal.returncode == 0) != (added.returncode == 0), (removal, added)
    if added.returncode == 0:
        assert "still has 1 mailbox" in removal.stderr
        wait_until(lambda: rcpt(postern, "new@stay.test") == 250, 30, "candidates to be taken again")


def test_a_domain_is_deleted_while_it_is_used(postern):
    postern.add_domain("used.test")
    postern.add_domain("stays.test")
    postern.cli("domain", "set", "used.test", "--candidates", "on")
    postern.add_mailbox("m@stays.test", PASSWORD)
    postern.cli("address", "add", "info@used.test", "--type", "alias", "--to", "m@stays.test")
    load = Load(postern, ["info@used.test", "new@used.test", "m@stays.test"])
    wait_until(lambda: load.count() > 60, 60, "mail to flow")
    assert "hold" in postern.refused("domain", "remove", "used.test")
    gone = postern.json("domain", "remove", "used.test", "--discard-mail")["messages"]
    before = load.count()
    wait_until(lambda: load.count() > before + 30 and load.refused, 60, "mail to flow on")
    load.stop()
    assert rcpt(postern, "info@used.test") == 550 and rcpt(postern, "new@used.test") == 550
    kept = [(n, to) for n, to in load.acknowledged if to != "new@used.test"]
    candidates = len(load.acknowledged) - len(kept)
    # All that got 250 is in the mailbox, or was told to be gone.
    load.acknowledged = kept
    exactly_once(load, postern.mail("m@stays.test", PASSWORD))
    assert gone == candidates
    assert postern.json("store", "check")["faults"] == 0
