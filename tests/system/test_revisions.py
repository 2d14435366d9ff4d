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
    p.cli("admin", "add", "carol", "--customer", "acme", "--recovery", "carol@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
    for name in ("joe", "quota", "gone", "box", "target", "member"):
        p.add_mailbox(f"{name}@example.test", PASSWORD)
    p.add_mailbox("scripted@example.test", PASSWORD)
    for path in ("mailboxes/joe@example.test/scripts/mine", "domains/example.test/scripts/ours"):
        assert SocketApi(p).ask("PUT", "/" + path, "keep;\n", held("keep;"))[0] == 201
    p.cli("address", "add", "list@example.test", "--type", "list", "--to", "member@example.test")
    return p


@pytest.fixture(scope="module")
def writers(house):
    return [WebApi(house).login("paula", PASSWORD) for _ in range(WRITERS)]


def held(body, tag=None):
    """Headers: scripts and files are text."""
    headers = {"Content-Type": "text/plain"} if isinstance(body, str) else {}
    return dict(headers, **{"If-Match": tag}) if tag else headers


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
    ("PATCH", "/addresses/list@example.test", None, lambda i: {"senders": "named", "sender": [f"s{i}@elsewhere.test"]}),
    ("PATCH", "/admins/carol", None, lambda i: {"name": f"Carol {i}"}),
    ("PUT", "/mailboxes/joe@example.test/scripts/mine", None, lambda i: f"# {i}\nkeep;\n"),
    ("PUT", "/domains/example.test/scripts/ours", None, lambda i: f"# {i}\nkeep;\n"),
    ("PUT", "/templates/reset", "/templates/reset?language=en",
     lambda i: {"language": "en", "subject": f"Full {i}", "text": "Your link {link}"}),
    ("PUT", "/customers/acme/notices/sender", None, lambda i: {"from": "post@example.test", "from_name": f"Post {i}"}),
    ("POST", "/domains/example.test/import/settings", "/domains/example.test/export/settings", lambda i: f"setting,value\ncandidate_days,{30 + i}\n"),
])
def test_one_of_many_wins(house, writers, method, path, read, body):
    for turn in range(2):
        status, headers, _ = writers[0].ask("GET", read or path)
        seen = headers["ETag"]
        assert status == 200 and seen
        done = race(writers, [(method, path, body(i + 10 * turn), held(body(0), seen)) for i in range(WRITERS)])
        assert done.count(200) == 1 and set(done) == {200, 412}, done
        # Who comes later with it is told, too.
        status, _, problem = writers[0].ask(method, path, body(9 + 10 * turn), held(body(0), seen))
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
                       ("/admins", {"login": "never", "customer": "acme", "recovery": "never@outside.test"})):
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


# -- things that are made and removed ---------------------------------------------------


def item(api, path, **which):
    """The one of a list."""
    items = [x for x in api.ask("GET", path)[2]["items"] if all(x[k] == v for k, v in which.items())]
    assert len(items) == 1, (path, which, items)
    return items[0]


def quoted(revision):
    return f'"{revision}"'


def removal(house, api, path, make, listed, **which):
    """What was made again under its name is another; the revision of a list is that of the one that is there now."""
    def made():
        status, headers, _ = make()
        assert status == 201, path
        assert headers["ETag"] == quoted(item(api, listed, **which)["revision"])
        return headers["ETag"]
    first = made()
    assert api.ask("DELETE", path, None, {"If-Match": quoted("0" * 32)})[0] == 412
    assert api.ask("DELETE", path, None, {"If-Match": first})[0] == 200
    house.travel(minutes=1)
    second = made()
    assert second != first
    assert api.ask("DELETE", path, None, {"If-Match": first})[0] == 412
    assert item(api, listed, **which)["revision"] == second.strip('"')
    assert api.ask("DELETE", path, None, {"If-Match": "*"})[0] == 200
    assert api.ask("DELETE", path, None, {"If-Match": second})[0] in (404, 412)


def test_app_passwords_go_by_revision(house, writers):
    boxes = "/mailboxes/joe@example.test"
    removal(house, writers[0], boxes + "/app-passwords/phone",
            lambda: writers[0].ask("POST", boxes + "/app-passwords", {"name": "phone"}), boxes + "/app-passwords", name="phone")


def test_old_names_go_by_revision(house, writers):
    boxes = "/mailboxes/scripted@example.test"
    removal(house, writers[0], boxes + "/logins/custo1", lambda: writers[0].ask("POST", boxes + "/logins", {"name": "custo1"}),
            "/logins", name="custo1")


def test_addresses_go_by_revision(house, writers):
    body = {"address": "other@example.test", "type": "redirect", "to": ["x@elsewhere.test"]}
    removal(house, writers[0], "/addresses/other@example.test", lambda: writers[0].ask("POST", "/addresses", body),
            "/addresses?domain=example.test", address="other@example.test")


def test_tokens_go_by_revision(house, writers):
    api = writers[0]
    status, headers, body = api.ask("POST", "/tokens", {"name": "script"})
    assert status == 201
    path = f"/tokens/{body['id']}"
    # Its use is no change of it.
    WebApi(house, body["token"]).ask("GET", "/customers")
    assert quoted(item(api, "/tokens", id=body["id"])["revision"]) == headers["ETag"]
    assert api.ask("DELETE", path, None, {"If-Match": quoted("0" * 32)})[0] == 412
    done = race(writers, [("DELETE", path, None, {"If-Match": headers["ETag"]})] * WRITERS)
    assert done.count(200) == 1 and set(done) <= {200, 404, 412}, done
    # There is nothing yet that the header could be about.
    for tag in ("*", quoted("0" * 32)):
        assert api.ask("POST", "/tokens", {"name": "never"}, {"If-Match": tag})[0] == 412
        assert api.ask("POST", "/mailboxes/joe@example.test/app-passwords", {"name": "never"}, {"If-Match": tag})[0] == 412
    assert not [x for x in api.ask("GET", "/tokens")[2]["items"] if x["name"] == "never"]


def test_scripts_by_revision(house, writers):
    api, path = writers[0], "/mailboxes/scripted@example.test/scripts"

    def revision(name):
        return api.ask("GET", f"{path}/{name}")[1]["ETag"]
    # A new one matches nothing, whatever the tag says.
    assert api.ask("PUT", path + "/one", "keep;\n", held("", "*"))[0] == 412
    status, headers, _ = api.ask("PUT", path + "/one", "keep;\n", held(""))
    one = headers["ETag"]
    assert status == 201 and one == revision("one")
    assert api.ask("PUT", path + "/two", "keep;\n", held(""))[0] == 201
    two = revision("two")
    assert one != two
    # A dry run is held to it as well.
    assert api.ask("PUT", path + "/one?dry_run=true", "stop;\n", held("", two))[0] == 412
    assert api.ask("PUT", path + "/one?dry_run=true", "stop;\n", held("", one))[0] == 200
    assert api.ask("PUT", path + "/one/active", None, {"If-Match": two})[0] == 412
    status, headers, _ = api.ask("PUT", path + "/one/active", None, {"If-Match": one})
    assert status == 200 and headers["ETag"] == revision("one") != one
    one = headers["ETag"]
    # To have none active is about the one that is.
    active = path.replace("scripts", "active-script")
    assert api.ask("DELETE", active, None, {"If-Match": two})[0] == 412
    assert api.ask("DELETE", active, None, {"If-Match": one})[0] == 200
    assert api.ask("DELETE", active, None, {"If-Match": "*"})[0] == 412
    one = revision("one")
    assert api.ask("POST", path + "/one/rename", {"new_name": "three"}, {"If-Match": two})[0] == 412
    status, headers, _ = api.ask("POST", path + "/one/rename", {"new_name": "three"}, {"If-Match": one})
    assert status == 200 and headers["ETag"] == revision("three")
    assert api.ask("DELETE", path + "/three", None, {"If-Match": two})[0] == 412
    assert api.ask("DELETE", path + "/three", None, {"If-Match": headers["ETag"]})[0] == 200
    assert api.ask("DELETE", "/domains/example.test/scripts/ours", None, {"If-Match": two})[0] == 412
    seen = api.ask("GET", "/domains/example.test/scripts/ours")[1]["ETag"]
    assert api.ask("DELETE", "/domains/example.test/scripts/ours", None, {"If-Match": seen})[0] == 200


def test_a_template_is_whichever_is_in_force(house, writers):
    """carol's own where she has one; until then the provider's, and a change of that one is a change of hers."""
    carol, text = WebApi(house).login("carol", PASSWORD), {"language": "de", "subject": "Voll", "text": "Bitte {link}"}

    def hers(extra=""):
        return carol.ask("GET", "/templates/reset?language=de" + extra)[1]["ETag"]
    first = hers()
    assert first == hers("&customer=acme")
    assert writers[0].ask("PUT", "/templates/reset", text)[0] == 200
    assert hers() != first
    assert carol.ask("PUT", "/templates/reset", text, {"If-Match": first})[0] == 412
    status, headers, _ = carol.ask("PUT", "/templates/reset", dict(text, subject="Randvoll"), {"If-Match": hers()})
    assert status == 200 and headers["ETag"] == hers()
    # The provider's is another.
    provider = writers[0].ask("GET", "/templates/reset?language=de")[1]["ETag"]
    assert provider != headers["ETag"]
    assert carol.ask("DELETE", "/templates/reset?language=de", None, {"If-Match": provider})[0] == 412
    assert carol.ask("DELETE", "/templates/reset?language=de", None, {"If-Match": headers["ETag"]})[0] == 200
    # Without a language: that of the customer.
    assert carol.ask("GET", "/templates/reset")[1]["ETag"] == carol.ask("GET", "/templates/reset?language=en")[1]["ETag"]


def test_the_second_factor_by_revision(house, writers):
    api = writers[0]
    carol = WebApi(house).login("carol", PASSWORD)
    seen = carol.ask("GET", "/totp/carol")[1]["ETag"]
    status, headers, _ = carol.ask("POST", "/totp/carol/start", {"password": PASSWORD}, {"If-Match": seen})
    assert status == 201 and headers["ETag"] != seen
    assert carol.ask("POST", "/totp/carol/start", {"password": PASSWORD}, {"If-Match": seen})[0] == 412
    assert api.ask("POST", "/totp/carol/remove", {}, {"If-Match": seen})[0] == 412
    assert api.ask("POST", "/totp/carol/remove", {}, {"If-Match": headers["ETag"]})[0] == 200


def test_a_candidates_revision_is_its_mail(house, writers):
    """Who removes it, or makes a mailbox of it, has seen what came."""
    api = writers[0]
    house.cli("domain", "set", "example.test", "--candidates", "on")
    path, promote = "/candidates/new@example.test", "/candidates/promote"
    body = {"address": ["new@example.test"], "type": "mailbox"}

    def deliver():
        with house.smtp() as smtp:
            smtp.sendmail("x@elsewhere.test", ["new@example.test"], "Subject: a\r\n\r\nb\r\n")
    deliver()
    seen = api.ask("GET", path)[1]["ETag"]
    assert quoted(item(api, "/addresses?domain=example.test&type=candidate", address="new@example.test")["revision"]) == seen
    deliver()
    assert api.ask("DELETE", path + "?discard_mail=true", None, {"If-Match": seen})[0] == 412
    assert api.ask("POST", promote, body, {"If-Match": seen})[0] == 412
    now = api.ask("GET", path)
    assert now[2]["messages"] == 2
    status, _, body = api.ask("POST", promote, body, {"If-Match": now[1]["ETag"]})
    assert status == 200 and body["done"] == 1, body


def test_what_has_no_revision_says_so(house, writers):
    """The description and the answers agree, operation by operation."""
    paths = writers[0].ask("GET", "/openapi.json")[2]["paths"]
    for path, methods in paths.items():
        for method, op in methods.items():
            takes = "If-Match" in [p["name"] for p in op.get("parameters", [])]
            assert takes or method == "get" or "501" in op["description"], path
            assert not (takes and method == "get"), path
    for method, path, body in (("POST", "/queue/flush", {}), ("DELETE", "/lockouts", None), ("DELETE", "/queue/77", None),
                               ("POST", "/session", {"login": "carol", "password": PASSWORD}), ("POST", "/reload", {}),
                               ("POST", "/bulk", {"items": []}), ("POST", "/timers/run", {"name": "audit"}), ("POST", "/sieve/check", "keep;\n"),
                               ("POST", "/domains/example.test/import/accounts", "joe\n")):
        status, _, problem = writers[0].ask(method, path, body, held(body, "*"))
        assert status == 501 and "revision" in problem["detail"], path
    assert SocketApi(house).ask("POST", "/reload", {}, {"If-Match": "*"})[0] == 501
    assert writers[0].ask("GET", "/customers", None, {"If-Match": "*"})[0] == 200
