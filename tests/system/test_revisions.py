# SPDX-License-Identifier: Apache-2.0
"""Revisions: of those who change what they read at the same time, exactly one wins, whatever it is that they change, and what
the shards have is what the winner asked for."""
import concurrent.futures

import pytest

from harness.api import SocketApi, WebApi

PASSWORD = "Correct-horse-battery-1"
WRITERS = 8


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.add_domain("example.test")
    p.cli("admin", "add", "paula", "--provider", "--password-stdin", stdin=PASSWORD + "\n")
    p.cli("admin", "add", "carol", "--customer", "acme", "--password-stdin", stdin=PASSWORD + "\n")
    for name in ("joe", "quota", "gone", "box", "target", "member"):
        p.add_mailbox(f"{name}@example.test", PASSWORD)
    p.cli("address", "add", "list@example.test", "--type", "list", "--to", "member@example.test")
    return p


@pytest.fixture(scope="module")
def writers(house):
    return [WebApi(house).login("paula", PASSWORD) for _ in range(WRITERS)]


def race(writers, requests):
    """All at once; the statuses."""
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda x: x[0].ask(*x[1])[0], zip(writers, requests)))


@pytest.mark.parametrize("method, path, read, body", [
    ("PATCH", "/customers/acme", None, lambda i: {"contact": f"c{i}@elsewhere.test"}),
    ("PATCH", "/customers/acme", None, lambda i: {"pool": f"{200 + i}G"}),
    ("PATCH", "/customers/acme/policy", None, lambda i: {"old_login_days": 8 + i}),
    ("PATCH", "/domains/example.test", None, lambda i: {"candidate_days": 10 + i}),
    ("PATCH", "/domains/example.test", None, lambda i: {"retention": str(100 + i)}),
    ("PUT", "/domains/example.test/plan", None, lambda i: {"note": f"note {i}"}),
    ("PATCH", "/mailboxes/joe@example.test", None, lambda i: {"name": f"Joe {i}"}),
    ("PUT", "/mailboxes/joe@example.test/password", "/mailboxes/joe@example.test", lambda i: {"password": f"{PASSWORD}{i}"}),
    ("PUT", "/mailboxes/joe@example.test/forward", None, lambda i: {"to": [f"x{i}@elsewhere.test"]}),
    ("PUT", "/mailboxes/joe@example.test/autoreply", None, lambda i: {"text": f"away {i}"}),
    ("PATCH", "/addresses/list@example.test", "ADD", lambda i: {"senders": "named", "sender": [f"s{i}@elsewhere.test"]}),
    ("PATCH", "/admins/carol", None, lambda i: {"name": f"Carol {i}"}),
])
def test_one_of_many_wins(house, writers, method, path, read, body):
    for turn in range(2):
        if read == "ADD":   # an address has no show: a change that says the same gives its revision
            status, headers, _ = writers[0].ask(method, path, {})
        else:
            status, headers, _ = writers[0].ask("GET", read or path)
        seen = headers["ETag"]
        assert status == 200 and seen
        done = race(writers, [(method, path, body(i + 10 * turn), {"If-Match": seen}) for i in range(WRITERS)])
        assert done.count(200) == 1 and set(done) == {200, 412}, done
        # Who comes later with it is told, too.
        status, _, problem = writers[0].ask(method, path, body(9 + 10 * turn), {"If-Match": seen})
        assert status == 412 and problem["detail"]


def shard_quota(p, user):
    """What the shard holds a mailbox to, in KB."""
    with p.imap(user, PASSWORD) as imap:
        typ, data = imap._simple_command("GETQUOTAROOT", "INBOX")
        typ, data = imap._untagged_response(typ, data, "QUOTA")
        return int(data[0].decode().rstrip(")").split()[-1])


def test_the_shard_has_the_winners_quota(house, writers):
    path = "/mailboxes/quota@example.test"
    for turn in range(4):
        seen = writers[0].ask("GET", path)[1]["ETag"]
        done = race(writers, [("PATCH", path, {"quota": f"{10 * turn + i + 1}M"}, {"If-Match": seen}) for i in range(WRITERS)])
        assert done.count(200) == 1 and set(done) == {200, 412}, done
        bytes_ = writers[0].ask("GET", path)[2]["quota_bytes"]
        assert bytes_ == (10 * turn + done.index(200) + 1) << 20
        assert shard_quota(house, "quota@example.test") * 1024 == bytes_


def test_a_removal_and_a_change(house, writers):
    """A mailbox that is looked at by its shard before it goes is the remover's from the start."""
    for turn in range(4):
        user = f"short{turn}@example.test"
        house.add_mailbox(user, PASSWORD)
        path = f"/mailboxes/{user}"
        seen = writers[0].ask("GET", path)[1]["ETag"]
        requests = [("DELETE", path, None, {"If-Match": seen})]
        requests += [("PATCH", path, {"name": f"N{i}"}, {"If-Match": seen}) for i in range(3)]
        done = race(writers, requests)
        assert done.count(200) == 1 and set(done) <= {200, 404, 412}, done
        gone = writers[0].ask("GET", path)[0] == 404
        assert gone == (done[0] == 200)
        if not gone:
            with house.imap(user, PASSWORD) as imap:
                assert imap.select("INBOX")[0] == "OK"
            assert writers[0].ask("DELETE", path)[0] == 200


def test_an_empty_mailbox_goes_with_its_revision(house, writers):
    seen = writers[0].ask("GET", "/mailboxes/gone@example.test")[1]["ETag"]
    assert writers[0].ask("DELETE", "/mailboxes/gone@example.test", None, {"If-Match": seen})[0] == 200
    assert writers[0].ask("GET", "/mailboxes/gone@example.test")[0] == 404


def test_a_conversion_holds_each_revision(house, writers):
    api = writers[0]
    for name in ("one", "two"):
        house.cli("address", "add", f"{name}@example.test", "--type", "redirect", "--to", "x@elsewhere.test")

    def revision(name):
        return api.ask("PATCH", f"/addresses/{name}@example.test", {})[1]["ETag"]
    one, two = revision("one"), revision("two")

    def convert(names, tags, kind="banished", **more):
        status, _, body = api.ask("POST", "/addresses/convert",
                                  dict(more, address=[f"{n}@example.test" for n in names], type=kind), {"If-Match": tags})
        return status, body
    assert convert(["one"], two)[0] == 412
    status, body = convert(["one", "two"], one)
    assert status == 200 and body["done"] == 1 and body["refused"] == 1
    assert "changed it meanwhile" in body["items"][1]["error"]
    assert house.json("address", "list", "--type", "banished", "--domain", "example.test")["items"][0]["address"] == "one@example.test"
    status, body = convert(["one", "two"], f"{revision('one')}, {two}", "redirect", to=["y@elsewhere.test"])
    assert status == 200 and body["done"] == 2, body
    # A mailbox that its shard has to let go first.
    box = revision("box")
    assert convert(["box"], one, "alias", to=["target@example.test"])[0] == 412
    status, body = convert(["box"], box, "alias", to=["target@example.test"])
    assert status == 200 and body["done"] == 1, body


def test_what_is_not_there_matches_nothing(house, writers):
    api = writers[0]
    for path, body in (("/customers", {"customer": "never"}), ("/domains", {"domain": "never.test", "customer": "acme", "mode": "hosted"}),
                       ("/mailboxes", {"address": "never@example.test"}),
                       ("/addresses", {"address": "never@example.test", "type": "banished"}),
                       ("/admins", {"login": "never", "customer": "acme"})):
        for tag in ("*", '"00000000000000000000000000000000"'):
            assert api.ask("POST", path, body, {"If-Match": tag})[0] == 412, path
    assert api.ask("GET", "/customers/never")[0] == 404
    assert api.ask("GET", "/domains/never.test")[0] == 404
    assert api.ask("GET", "/mailboxes/never@example.test")[0] == 404
    assert api.ask("GET", "/admins/never")[0] == 404


def test_bulk_items_race_too(house, writers):
    """The same revision twice in one bulk: the second is told."""
    seen = writers[0].ask("GET", "/mailboxes/joe@example.test")[1]["ETag"]
    items = [{"operation": "mailbox.set", "if_match": seen, "address": "joe@example.test", "name": n} for n in ("A", "B")]
    status, _, body = SocketApi(house).ask("POST", "/bulk", {"items": items})
    assert status == 200 and [i["status"] for i in body["items"]] == [200, 412]
