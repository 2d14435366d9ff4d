# SPDX-License-Identifier: Apache-2.0
"""Lists: filters and the text that is searched for, with pages that stay full, for whoever asks, over the command line and
HTTPS. What looks like a wildcard or like SQL is a text like any other."""
import threading
import urllib.parse

import pytest

from harness import wait_until
from harness.api import SocketApi, WebApi
from peers import FakeSmtp

PASSWORD = "Correct-horse-battery-1"
TEXT = b"From: Ann <a@elsewhere.test>\r\nTo: x@example.test\r\nSubject: x\r\n\r\nhello\r\n"
IDN = "xn--mller-kva.example"


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.add_customer("beta")
    p.cli("customer", "set", "beta", "--contact", "Chef@Beta.test")
    p.add_domain("one.test")
    p.add_domain("müller.example")
    p.add_domain("two.test", "gateway", "127.0.0.1:9", "beta")
    p.cli("domain", "add", "other-name.test", "--alias-of", "one.test")
    for name in ("anna", "anton", "bert", "o'hara", "a_b", "a.b", "100%", "jürgen"):
        p.add_mailbox(f"{name}@one.test", None)
    p.add_mailbox("küche@müller.example", None, "--name", "Jürgen Groß")
    p.add_mailbox("anna@two.test", PASSWORD, "--name", "Anna Zwei")
    for admin, *rank in (("paula", "--provider"), ("carol", "--customer", "acme", "--recovery", "carol@outside.test"), ("dora", "--domain", "one.test", "--recovery", "dora@outside.test"),
                         ("otto", "--customer", "beta", "--recovery", "otto@outside.test")):
        p.cli("admin", "add", admin, *rank, "--name", f"Frau {admin.title()}", "--password-stdin", stdin=PASSWORD + "\n")
    return p


def names(items, member="address"):
    return [item[member] for item in items]


def found(p, noun, *more, member="address"):
    """What the command line finds, and the same page by page: of what does not change meanwhile (else see wait_found)."""
    items = names(p.json(noun, "list", *more)["items"], member)
    paged, after = [], ()
    while True:
        page = p.json(noun, "list", *more, "--limit", "2", *after)
        paged += names(page["items"], member)
        if not page["next"]:
            break
        assert len(page["items"]) == 2, "a page that is not the last is full"
        after = ("--after", page["next"])
    assert paged == items
    return items


def wait_found(p, expected, noun, *more, member="address"):
    """The same of what follows later: one read after the other until it is there, and then page by page."""
    wait_until(lambda: names(p.json(noun, "list", *more)["items"], member) == expected, 30, f"{noun} list {more}")
    assert found(p, noun, *more, member=member) == expected


def web(p, login, path, member="address", **query):
    """The same over HTTPS, of what this login may see."""
    api = WebApi(p).login(login, PASSWORD)
    got, after = [], None
    while True:
        q = dict(query, limit=2, **({"after": after} if after else {}))
        status, _, body = api.ask("GET", path + "?" + urllib.parse.urlencode(q))
        assert status == 200, body
        got += names(body["items"], member)
        after = body["next"]
        if not after:
            return got
        assert len(body["items"]) == 2


@pytest.mark.parametrize("text, expected", [
    ("ANN", ["anna@one.test", "anna@two.test"]),
    ("an", ["anna@one.test", "anna@two.test", "anton@one.test"]),
    ("%", ["100%@one.test"]),
    ("a_b", ["a_b@one.test"]),
    ("a.b", ["a.b@one.test"]),
    ("o'h", ["o'hara@one.test"]),
    ("' OR 1=1 --", []),
    ('"', []),
    ("\\", []),
    ("*", []),
    ("JÜRG", ["jürgen@one.test", f"küche@{IDN}"]),          # an address, and a person
    ("gross", [f"küche@{IDN}"]),
    ("MÜLLER", [f"küche@{IDN}"]),                          # the domain's Unicode form
    ("e@mül", [f"küche@{IDN}"]),
    ("xn--ml", [f"küche@{IDN}"]),
    ("@two", ["anna@two.test"]),
])
def test_a_text_is_found_as_it_is(house, text, expected):
    assert sorted(found(house, "mailbox", "--q", text)) == sorted(expected)
    assert sorted(web(house, "paula", "/mailboxes", q=text)) == sorted(expected)


def test_a_text_is_checked(house):
    api = WebApi(house).login("paula", PASSWORD)
    for bad in ("", "x" * 321, "a\nb", "a\0b"):
        status, _, body = api.ask("GET", "/mailboxes?" + urllib.parse.urlencode({"q": bad}))
        assert status in (400, 422) and body.get("field", "q") == "q", (bad, body)


@pytest.mark.parametrize("login, expected", [
    ("paula", ["anna@one.test", "anna@two.test", "anton@one.test"]),
    ("carol", ["anna@one.test", "anton@one.test"]),
    ("dora", ["anna@one.test", "anton@one.test"]),
    ("otto", ["anna@two.test"]),
])
def test_a_search_stays_within_ones_own(house, login, expected):
    assert web(house, login, "/mailboxes", q="AN") == expected
    assert web(house, login, "/mailboxes", q="anna", without_password="true") == [a for a in expected if a == "anna@one.test"]


def test_a_filter_names_nothing_foreign(house):
    api = WebApi(house).login("otto", PASSWORD)
    for path in ("/mailboxes", "/addresses", "/domains", "/logins", "/admins", "/audit", "/notices"):
        for query in ("customer=acme", "domain=one.test"):
            if path == "/domains" and query.startswith("domain"):
                continue
            status, _, body = api.ask("GET", f"{path}?{query}&q=a")
            assert status == 404, (path, query, body)


def test_mailboxes_by_state(house):
    p = house
    p.add_domain("state.test")
    p.add_mailbox("ready@state.test", PASSWORD)
    p.add_mailbox("change@state.test", PASSWORD, "--must-change")
    p.add_mailbox("invited@state.test", None)
    p.add_mailbox("none@state.test", None)
    p.cli("mailbox", "set", "invited@state.test", "--recovery", "somebody@elsewhere.test")
    p.cli("mailbox", "invite", "invited@state.test")
    of = ("--domain", "state.test")
    for state, who in (("ready", "ready"), ("must-change", "change"), ("invited", "invited"), ("no-password", "none")):
        assert found(p, "mailbox", *of, "--state", state) == [f"{who}@state.test"]
        assert p.json("mailbox", "show", f"{who}@state.test")["state"] == state
    assert found(p, "mailbox", *of, "--without-password") == ["change@state.test", "invited@state.test", "none@state.test"]
    assert found(p, "mailbox", *of, "--without-password", "--q", "N") == ["change@state.test", "invited@state.test",
                                                                         "none@state.test"]
    assert found(p, "mailbox", *of, "--customer", "beta") == []
    status, _, body = WebApi(p).login("paula", PASSWORD).ask("GET", "/mailboxes?state=fine")
    assert status == 422 and body["field"] == "state" and "must-change" in body["detail"]
    # An invitation that has ended is none.
    ends = p.json("mailbox", "show", "invited@state.test")["invited_ms"]
    p.travel(seconds=(ends / 1000 - p.now()) + 60)
    assert found(p, "mailbox", *of, "--state", "no-password") == ["invited@state.test", "none@state.test"]


def test_mailboxes_by_use(make_postern):
    p = make_postern().init().start()
    p.add_domain("example.test")
    for name, use in (("empty", 0), ("much", 85), ("full", 97)):
        p.add_mailbox(f"{name}@example.test", PASSWORD, "--quota", "100K")
        size = use * 1024
        while size > 0:
            part = min(size, 40 * 1024)
            with p.smtp() as smtp:
                smtp.sendmail("a@elsewhere.test", [f"{name}@example.test"], TEXT + (b"x" * 70 + b"\r\n") * ((part - 400) // 72))
            size -= part
        if use:
            p.wait_mail(f"{name}@example.test", PASSWORD, -(-use // 40))
    # Each crossing is told behind the mail, and each for itself.
    wait_found(p, ["full@example.test", "much@example.test"], "mailbox", "--over", "80")
    wait_found(p, ["full@example.test"], "mailbox", "--over", "95")
    assert found(p, "mailbox", "--over", "80") == ["full@example.test", "much@example.test"]


def append(p, user, size):
    """One message of so many bytes."""
    with p.imap(user, PASSWORD) as imap:
        text = b"Subject: x\r\n\r\n" + b"x" * size
        assert imap.append("INBOX", None, None, text[:size - 2] + b"\r\n")[0] == "OK"


def test_mailboxes_over_any_percentage(make_postern):
    """At the line is not over it, a byte more is; a quota that was made smaller can be exceeded."""
    p = make_postern().init().start()
    p.add_domain("example.test")
    for name, size in (("a-at", 51200), ("b-over", 51201), ("c-one", 1024), ("d-one", 1025), ("e-empty", 0), ("f-free", 51200)):
        p.add_mailbox(f"{name}@example.test", PASSWORD, *([] if name == "f-free" else ["--quota", "100K"]))
        if size:
            append(p, f"{name}@example.test", size)
    assert p.json("mailbox", "show", "b-over@example.test")["used_bytes"] == 51201

    def over(percent, *more):
        return [x.split("@")[0] for x in found(p, "mailbox", "--over", str(percent), *more)]
    assert over(1) == ["a-at", "b-over", "d-one"]
    assert over(1, "--q", "at@") == ["a-at"]
    assert over(2) == over(49) == ["a-at", "b-over"] and over(50) == ["b-over"] and over(51) == []
    for name in ("a-at", "b-over"):
        p.cli("mailbox", "set", f"{name}@example.test", "--quota", "50K")
    wait_found(p, ["a-at@example.test", "b-over@example.test"], "mailbox", "--over", "95")     # the crossings are told later
    assert over(99) == ["a-at", "b-over"] and over(100) == ["b-over"]
    for bad in ("0", "101", "x", "-1"):
        status, _, problem = SocketApi(p).ask("GET", f"/mailboxes?over={bad}")
        assert status == 422 and problem["field"] == "over" and bad in problem["detail"]


def test_addresses_by_type(house):
    p = house
    p.add_domain("types.test")
    p.add_domain("types-too.test", "hosted", None, "beta")
    p.add_mailbox("joe@types.test", None)
    for name in ("al", "ali", "alias"):
        p.cli("address", "add", f"{name}@types.test", "--type", "alias", "--to", "joe@types.test")
    p.cli("address", "add", "list@types.test", "--type", "list", "--to", "joe@types.test")
    p.cli("address", "add", "away@types.test", "--type", "redirect", "--to", "x@elsewhere.test")
    p.cli("address", "add", "bad@types.test", "--type", "banished")
    p.cli("address", "add", "bad@types-too.test", "--type", "banished")
    for domain in ("types.test", "types-too.test"):
        p.cli("domain", "set", domain, "--candidates", "on")
        for who in ("ann", "al-1", "a_1"):
            with p.smtp() as smtp:
                smtp.sendmail("a@elsewhere.test", [f"{who}@{domain}"], TEXT)
    of = ("--domain", "types.test")
    assert found(p, "address", *of, "--type", "alias") == ["al@types.test", "ali@types.test", "alias@types.test"]
    assert found(p, "address", *of, "--type", "alias", "--q", "ALI") == ["ali@types.test", "alias@types.test"]
    assert found(p, "address", *of, "--type", "list") == ["list@types.test"]
    assert found(p, "address", *of, "--type", "redirect") == ["away@types.test"]
    assert found(p, "address", "--type", "banished", "--q", "types") == ["bad@types-too.test", "bad@types.test"]
    assert web(p, "carol", "/addresses", type="banished", q="types") == ["bad@types.test"]
    assert found(p, "address", "--type", "banished", "--customer", "beta", "--q", "types") == ["bad@types-too.test"]
    all_of_it = found(p, "address", *of)
    assert len(all_of_it) == 6 and "ann@types.test" not in all_of_it
    assert found(p, "address", *of, "--type", "candidate") == ["a_1@types.test", "al-1@types.test", "ann@types.test"]
    assert found(p, "address", *of, "--type", "candidate", "--q", "l-1") == ["al-1@types.test"]
    # Without a domain nobody asks the store first: the list follows a moment later (area_sync.c).
    assert len(found(p, "address", "--domain", "types-too.test", "--type", "candidate")) == 3
    assert found(p, "address", "--type", "candidate", "--q", "ann@") == ["ann@types-too.test", "ann@types.test"]
    assert web(p, "otto", "/addresses", type="candidate") == [f"{n}@types-too.test" for n in ("a_1", "al-1", "ann")]
    assert names(p.json("candidate", "list", "types.test", "--q", "A_")["items"]) == ["a_1@types.test"]
    # Whoever looks at them is written down.
    assert p.json("audit", "list", "--operation", "address.list", "--actor", "otto")["items"]
    assert not p.json("audit", "list", "--operation", "address.list", "--actor", "carol")["items"]


def test_domains_and_customers(house):
    p = house
    of = {"member": "domain"}
    assert found(p, "domain", "--q", "MÜL", **of) == [IDN]
    assert found(p, "domain", "--q", "other-NAME", **of) == ["one.test"]
    assert "two.test" in found(p, "domain", "--mode", "gateway", **of) and "one.test" not in found(p, "domain", "--mode", "gateway", **of)
    assert found(p, "domain", "--mode", "gateway", "--customer", "acme", **of) == []
    assert found(p, "domain", "--phase", "filtering", "--q", "two", **of) == ["two.test"]
    assert found(p, "domain", "--phase", "hosted", "--q", "two", **of) == []
    assert web(p, "otto", "/domains", "domain", q="t", mode="hosted") == [
        d for d in found(p, "domain", "--mode", "hosted", "--customer", "beta", "--q", "t", **of)]
    assert web(p, "carol", "/domains", "domain", q="two.test") == []
    assert found(p, "customer", "--q", "BET", member="customer") == ["beta"]
    assert found(p, "customer", "--q", "chef@", member="customer") == ["beta"]
    assert web(p, "carol", "/customers", "customer", q="e") == ["acme"]
    assert names(p.json("plan", "list", "--q", "müller")["items"], "domain") == [IDN]


def test_logins_admins_and_tokens(house):
    p = house
    p.add_domain("logins.test")
    for who, *old in (("joe", "old-joe", "joe2"), ("eve", "old_eve")):
        p.add_mailbox(f"{who}@logins.test", None)
        for name in old:
            p.cli("login", "add", f"{who}@logins.test", name)
    of = {"member": "name"}
    assert found(p, "login", "--q", "OLD_", **of) == ["old_eve"]
    assert found(p, "login", "--q", "joe@", **of) == ["joe2", "old-joe"]
    p.cli("mailbox", "set", "joe@logins.test", "--name", "Joe")     # the grace begins
    assert found(p, "login", "--domain", "logins.test", "--state", "grace", **of) == ["joe2", "old-joe"]
    assert found(p, "login", "--domain", "logins.test", "--state", "waiting", **of) == ["old_eve"]
    assert found(p, "login", "--domain", "logins.test", "--state", "ended", **of) == []
    p.travel(days=90)
    assert found(p, "login", "--domain", "logins.test", "--state", "ended", **of) == ["joe2", "old-joe"]
    assert found(p, "admin", "--rank", "customer", member="login") == ["carol", "otto"]
    assert found(p, "admin", "--q", "FRAU D", member="login") == ["dora"]
    assert found(p, "admin", "--rank", "domain", "--q", "carol", member="login") == []
    assert web(p, "carol", "/admins", "login", q="frau") == ["carol", "dora"]
    for name in ("backup_1", "backup-2", "Monitor"):
        p.cli("token", "add", name, "--login", "carol")
    assert found(p, "token", "--q", "UP_", member="name") == ["backup_1"]
    assert web(p, "carol", "/tokens", "name", q="backup") == ["backup_1", "backup-2"]
    assert web(p, "otto", "/tokens", "name", q="backup") == []


def test_audit_and_notices(house):
    p = house
    p.add_domain("seen.test")
    p.add_mailbox("100%_sure@seen.test", None)
    p.add_mailbox("sure@seen.test", None)
    of = {"member": "object"}
    assert found(p, "audit", "--operation", "mailbox", "--q", "%_SURE", **of) == ["100%_sure@seen.test"]
    assert found(p, "audit", "--operation", "mailbox.add", "--q", "sure@seen", **of) == ["sure@seen.test", "100%_sure@seen.test"]
    assert web(p, "otto", "/audit", "object", q="sure@seen") == []
    p.cli("mailbox", "set", "sure@seen.test", "--recovery", "Somebody@elsewhere.test")
    p.cli("mailbox", "invite", "sure@seen.test")
    assert names(p.json("notice", "log", "--q", "SURE", "--domain", "seen.test")["items"], "to") in (
        ["somebody@elsewhere.test"], ["Somebody@elsewhere.test"], [])
    assert len(p.json("notice", "log", "--q", "body@else", "--domain", "seen.test")["items"]) == 1
    assert p.json("notice", "log", "--q", "no_body", "--domain", "seen.test")["items"] == []


WAITS = 600     # longer than any test reads lists; whoever asks waits as long (relay.timeout)


@pytest.fixture
def slow_server():
    """Puts off mail for x, and keeps everybody else waiting for its answer."""
    over = threading.Event()
    answers = {"RCPT": lambda line: b"450 4.2.0 later\r\n" if b"<x@" in line else over.wait(WAITS) and None}
    with FakeSmtp(answers=answers) as server:
        server.over = over
        yield server
        over.set()


def test_queue(make_postern, slow_server):
    p = make_postern(conf={"relay.timeout": f"{WAITS}s"}).init().start()
    p.add_domain("example.test")
    p.add_mailbox("joe@example.test", PASSWORD)
    p.cli("domain", "add", "gate.test", "--customer", "acme", "--mode", "gateway", "--server", slow_server.address, "--recipients", "any")
    for sender, rcpt in (("a_1@One.test", "x@gate.test"), ("b@sub.one.test", "y$1@gate.test"), ("", "z@gate.test")):
        with p.smtp() as smtp:
            smtp.sendmail(sender, [rcpt], TEXT)
    # One was put off, and the server keeps two waiting for its answer: from now on nothing changes.
    wait_until(lambda: [i["state"] for i in p.json("queue", "list")["items"]] == ["deferred", "active", "active"], 60, "three tries")

    def senders(*more):
        return [i.lower() for i in found(p, "queue", *more, member="sender")]
    assert senders() == ["a_1@one.test", "b@sub.one.test", ""]
    assert senders("--sender-domain", "ONE.test") == ["a_1@one.test"]
    assert senders("--sender-domain", "test") == []
    assert senders("--q", "A_") == ["a_1@one.test"]
    assert senders("--q", "$1") == ["b@sub.one.test"]
    assert senders("--q", "@GATE") == ["a_1@one.test", "b@sub.one.test", ""]
    assert senders("--state", "deferred") == ["a_1@one.test"] and senders("--state", "parked") == []
    assert senders("--state", "active") == senders("--state", "active", "--q", "@") == ["b@sub.one.test", ""]
    assert senders("--state", "new") == []
    items = p.json("queue", "list")["items"]
    assert [i["state"] for i in items] == ["deferred", "active", "active"]
    for i in items:
        assert {r["state"] for r in p.json("queue", "show", str(i["id"]))["recipients"]} == {i["state"]}
    assert senders("--domain", "Gate.test", "--sender-domain", "sub.one.test") == ["b@sub.one.test"]
    # Nobody is tried any more when the server has answered.
    slow_server.over.set()
    wait_until(lambda: [i["state"] for i in p.json("queue", "list")["items"]] == ["deferred"], 30, "the answers")
    assert p.json("queue", "list", "--state", "active")["items"] == []


def test_what_is_read_ahead_is_not_tried_yet(make_postern, slow_server):
    p = make_postern(conf={"queue.per_host": "1", "relay.timeout": f"{WAITS}s"}).init().start()
    p.cli("customer", "add", "acme")
    p.cli("domain", "add", "gate.test", "--customer", "acme", "--mode", "gateway", "--server", slow_server.address, "--recipients", "any")
    slow_server.stop()
    with p.smtp() as smtp:
        for local in ("a", "b", "c"):
            smtp.sendmail(f"{local}@one.test", [f"{local}@gate.test"], TEXT)
    wait_until(lambda: any(i["state"] == "deferred" for i in p.json("queue", "list")["items"]), 30, "a vain attempt")
    slow_server.start()             # all of them are due by now, and read together
    p.cli("queue", "flush")
    wait_until(lambda: any(c.startswith(b"RCPT") for c in slow_server.commands), 30, "an attempt")
    items = p.json("queue", "list")["items"]
    assert len(items) == 3 and [i["state"] for i in items].count("active") == 1, items
    for i in items:
        assert [r["state"] for r in p.json("queue", "show", str(i["id"]))["recipients"]] == [i["state"]]
