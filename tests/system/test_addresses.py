# SPDX-License-Identifier: Apache-2.0
"""What an address is, made into something else (M16 to M21): every type into every other, with what becomes of the mail that
is there; references; several in one call; and all of it while mail flows in."""
import pytest

from harness import Instance, wait_until
from load import Load, exactly_once

PASSWORD = "Correct-horse-1"
TYPES = ["mailbox", "alias", "list", "redirect", "banished", "candidate"]
# (before, after) -> what becomes of two messages that are there, or what the refusal says.
TABLE = {
    ("mailbox", "mailbox"): "is mailbox already",
    ("mailbox", "alias"): "moves",
    ("mailbox", "list"): "holds 2 messages", ("mailbox", "redirect"): "holds 2 messages",
    ("mailbox", "banished"): "holds 2 messages",
    ("candidate", "mailbox"): "moves", ("candidate", "alias"): "moves",
    ("candidate", "list"): "stays", ("candidate", "redirect"): "stays", ("candidate", "banished"): "stays",
    ("banished", "banished"): "is banished already",
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
@pytest.mark.parametrize("after", TYPES)
def test_every_type_into_every_other(house, before, after):
    address = f"{before}-{after}@table.test"
    make(house, address, before)
    expected = "nothing is made a candidate" if after == "candidate" else TABLE.get((before, after), "none")
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
    with pytest.raises(Exception):
        imap.noop()
        imap.noop()
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


def test_several_in_one_call_are_answered_one_by_one(house):
    house.add_domain("bulk.test")
    house.add_mailbox("m@bulk.test", PASSWORD)
    for name in ("a", "b"):
        house.cli("address", "add", f"{name}@bulk.test", "--type", "banished")
    done = house.json("address", "convert", "a@bulk.test", "m@bulk.test", "x@bulk.test", "b@bulk.test", "--type", "alias",
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
    assert "full@gone.test holds 1 messages" in error and "discard_mail" in error
    assert rcpt(house, "full@gone.test") == 250 and rcpt(house, "empty@gone.test") == 550
    assert house.json("mailbox", "remove", "full@gone.test", "--discard-mail")["messages"] == 1


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
