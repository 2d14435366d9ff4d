# SPDX-License-Identifier: Apache-2.0
"""Who may do what (H17, H18): every operation of the API, asked by every rank about what is its own, a sibling's, a
stranger's and nobody's. The operations come from the OpenAPI document, what is expected from rights.txt."""
import os
import re
import urllib.parse

import pytest

from harness.api import SocketApi, WebApi
from harness.instance import ROOT

PASSWORD = "Correct-horse-battery-1"
RANKS = {"provider": "P", "customer": "C", "domain": "D", "user": "U"}
OWN = {"customer": "acme", "domain": "own.test", "address": "joe@own.test", "login": "joe@own.test"}
SIBLING = {"customer": "acme", "domain": "sibling.test", "address": "sue@sibling.test", "login": "sue@sibling.test"}
FOREIGN = {"customer": "other", "domain": "foreign.test", "address": "eve@foreign.test", "login": "eve@foreign.test"}
NOWHERE = {"customer": "nobody", "domain": "nobody.test", "address": "eve@nobody.test", "login": "eve@nobody.test"}
FIELDS = list(OWN)


def rows():
    """rights.txt: {operation: (ranks, {field: mark})}"""
    found = {}
    with open(os.path.join(ROOT, "src/room/directory/rights/rights.txt"), encoding="ascii") as f:
        for line in f:
            name, _, ranks, *fields = line.split()
            found[name] = ranks, {re.sub("[!+^]", "", x): x[-1] if x[-1] in "!+^" else "" for x in fields}
    return found


class World:
    """acme has own.test (joe, mary) and sibling.test (sue); other has foreign.test (eve)."""

    def __init__(self, postern):
        self.postern = postern
        postern.add_customer("acme")
        postern.add_customer("other")
        for domain, customer in (("own.test", "acme"), ("sibling.test", "acme"), ("foreign.test", "other")):
            postern.add_domain(domain, customer=customer)
        for login, office in (("carol", ["--customer", "acme", "--recovery", "carol@outside.test"]), ("dora", ["--domain", "own.test", "--recovery", "dora@outside.test"]), ("paula", ["--provider"])):
            postern.cli("admin", "add", login, *office, "--password-stdin", stdin=PASSWORD + "\n")
        self.ensure()
        self.begin()
        _, _, document = SocketApi(postern).ask("GET", "/openapi.json")
        self.operations = {op["operationId"]: (method.upper(), path, op) for path, item in document["paths"].items()
                           for method, op in item.items()}

    def token(self, login, *more):
        return self.postern.json("token", "add", "test", "--login", login, *more)["token"]

    def token_id(self, login):
        return self.postern.json("token", "add", "victim", "--login", login)["id"]

    def begin(self):
        """Everybody logs in, and has a token that somebody might take from him."""
        self.postern.cli("mailbox", "password", OWN["address"], "--password-stdin", stdin=PASSWORD + "\n")
        who = {"provider": "paula", "customer": "carol", "domain": "dora", "user": OWN["address"]}
        self.who = {rank: WebApi(self.postern).login(login, PASSWORD) for rank, login in who.items()}
        self.who["anyone"] = WebApi(self.postern)
        self.tokens = {place["address"]: self.token_id(place["login"]) for place in (OWN, SIBLING, FOREIGN)}

    def ensure(self):
        """Whatever an operation may have removed is there again."""
        for address in (OWN["address"], SIBLING["address"], FOREIGN["address"], "mary@own.test"):
            if self.postern.try_cli("mailbox", "show", address).returncode:
                self.postern.add_mailbox(address, PASSWORD)

    def value(self, name, schema, place):
        if name in place:
            return place[name]
        if name == "id":
            return self.tokens.get(place["address"], 999999999)
        if schema.get("type") == "array":
            return [self.value(name, schema["items"], place)]
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") == "integer":
            return schema.get("minimum", 1)
        if schema.get("type") == "boolean":
            return True
        if "mail address" in schema.get("description", ""):
            return "somebody@elsewhere.test"
        if "imap://" in schema.get("description", ""):
            return "imap://127.0.0.1:1"
        if "domain such as" in schema.get("description", ""):
            return place["domain"]
        if "a name of" in schema.get("description", ""):
            return "somename"
        return PASSWORD

    def ask(self, rank, name, place, /, **more):
        """One call with the fields that are required, and for a list the first standard field."""
        method, path, op = self.operations[name]
        fields, body = {}, None
        for p in op["parameters"]:
            if p["required"] or p["in"] == "path" or (p["name"] in FIELDS and not any(x in fields for x in FIELDS)):
                fields[p["name"]] = p["in"], self.value(p["name"], p["schema"], place)
        content = op.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        for field in schema.get("required", []):
            fields.setdefault(field, ("body", self.value(field, schema["properties"][field], place)))
        named = [f for f in FIELDS if f in schema.get("properties", {})]
        if named and not any(f in fields for f in FIELDS) and "login" not in named:
            fields[named[0]] = "body", place[named[0]]
        if name in ("token.add",):
            fields["login"] = "body", place["login"]
        query = {p["name"] for p in op["parameters"] if p["in"] == "query"}
        for field, value in more.items():
            fields[field] = "query" if field in query else "body", str(value).lower() if field in query else value
        headers = {}
        for field, (where, value) in fields.items():
            path = path.replace("{" + field + "}", urllib.parse.quote(str(value), safe="@"))
        query = {f: v for f, (where, v) in fields.items() if where == "query"}
        path = path.removeprefix("/api/v1") + ("?" + urllib.parse.urlencode(query) if query else "")
        if "application/json" in content:
            body = {f: v for f, (where, v) in fields.items() if where == "body"}
        elif "text/plain" in content:
            named = {p["name"] for p in op["parameters"] if p["in"] == "query"}
            if "domain" in named and "{domain}" not in self.operations[name][1]:
                path += "?" + urllib.parse.urlencode({"domain": place["domain"]})
            body, headers = "", {"Content-Type": "text/plain"}
        status, _, answer = self.who[rank].ask(method, path, body, headers)
        return status, answer

    def has_object(self, name):
        fields = rows()[name][1]
        return any(f in fields for f in FIELDS) or ("id" in fields and name.startswith("token."))


@pytest.fixture(scope="module")
def world(shared_postern):
    return World(shared_postern)


def is_not_there(answer, place, world):
    status, body = answer
    if status != 404:
        return False
    values = [str(v) for v in place.values()] + [str(world.tokens.get(place["address"], 999999999))]
    return body.get("detail") in [f"there is no {body.get('field')} {v}" for v in values]


def test_every_operation_has_a_row(world):
    assert set(world.operations) - {"bulk"} == set(rows())     # of a bulk request, each item is decided for itself


@pytest.mark.parametrize("rank", list(RANKS))
def test_matrix(world, rank):
    world.begin()
    kin = {"domain.list", "plan.list", "policy.show", "policy.set"}
    for name, (ranks, _) in rows().items():
        if name in ("admin.add", "session.remove"):
            continue  # see test_admins and test_api_https
        may = RANKS[rank] in ranks or (rank in ("customer", "domain") and "U" in ranks)
        if not may:
            for place in (OWN, SIBLING, FOREIGN):
                status, body = world.ask(rank, name, place)
                assert status == 403 or "*" in ranks, (name, place, body)
            continue
        if rank == "provider" or "*" in ranks:
            continue
        if world.has_object(name):
            foreign, nothing = world.ask(rank, name, FOREIGN), world.ask(rank, name, NOWHERE)
            assert is_not_there(foreign, FOREIGN, world), (name, foreign)
            assert is_not_there(nothing, NOWHERE, world), (name, nothing)
            assert foreign[1]["field"] == nothing[1]["field"] and foreign[1].keys() == nothing[1].keys()
        if world.has_object(name) and rank != "customer" and name not in kin:
            sibling = world.ask(rank, name, SIBLING)
            assert is_not_there(sibling, SIBLING, world) or sibling[0] == 403, (name, sibling)
        if rank == "user" and name in kin or name.startswith(("move.", "import.", "mailbox.remove", "domain.switch")):
            continue  # what these do to what is one's own is tested elsewhere
        own = world.ask(rank, name, OWN)
        if rank == "user" and own[0] == 404 and own[1]["field"] in ("domain", "customer"):
            continue  # a user's domain is not his
        if "id" in rows()[name][1] and not name.startswith("token."):
            continue  # the world has none of these
        assert own[0] != 403 and not is_not_there(own, OWN, world), (name, own)
        world.ensure()


def test_matrix_of_nobody(world):
    """Without a login: what is there, what is not there, it is all the same."""
    for name, (ranks, _) in rows().items():
        if "*" in ranks:
            continue
        answers = [world.ask("anyone", name, place) for place in (OWN, FOREIGN, NOWHERE)]
        assert {status for status, _ in answers} == {401}, (name, answers)
        assert len({str(sorted(body.items())) for _, body in answers}) == 1, (name, answers)


def test_fields_above_ones_rank_are_refused(world):
    """Mass assignment: the field is named, and nothing of the request is done."""
    marks = 0
    above = {"": (), "^": ("user",), "+": ("domain", "user"), "!": ("customer", "domain", "user")}
    for name, (ranks, fields) in rows().items():
        for rank in ("customer", "domain", "user"):
            for field, mark in fields.items():
                if RANKS[rank] not in ranks or rank not in above[mark]:
                    continue
                _, _, op = world.operations[name]
                query = {p["name"]: p["schema"] for p in op["parameters"]}
                schema = query.get(field) or op["requestBody"]["content"]["application/json"]["schema"]["properties"][field]
                value = world.value(field, schema, OWN)
                if "string" in schema["type"] and value == PASSWORD:      # or ["string", "integer"]
                    value = {"quota": "1G", "retention": "30"}.get(field, "mx.elsewhere.test")
                status, body = world.ask(rank, name, OWN, **{field: value})
                assert (status, body["field"]) == (403, field), (name, field, body)
                marks += 1
    assert marks >= 15
    status, body = world.ask("domain", "mailbox.set", OWN, role="provider")
    assert (status, body["field"]) == (422, "role")


def test_lists_show_ones_own(world):
    def names(rank, path, member):
        status, _, body = world.who[rank].ask("GET", path)
        assert status == 200, body
        return {item[member] for item in body["items"]}
    assert names("customer", "/domains", "domain") == {"own.test", "sibling.test"}
    assert names("domain", "/domains", "domain") == {"own.test"}
    assert names("customer", "/customers", "customer") == {"acme"}
    assert names("customer", "/mailboxes", "address") >= {"joe@own.test", "sue@sibling.test"}
    assert "sue@sibling.test" not in names("domain", "/mailboxes", "address")
    assert names("provider", "/domains", "domain") >= {"own.test", "sibling.test", "foreign.test"}
    assert names("customer", "/admins", "login") == {"carol", "dora"}
    for rank in RANKS:
        if rank in ("customer", "domain"):
            assert "eve@foreign.test" not in names(rank, "/mailboxes", "address")


def test_nobody_changes_who_outranks_him(world):
    """H18: a domain admin against a mailbox of his domain that belongs to a customer's admin, to the provider, and to
    the admin of another domain."""
    postern = world.postern
    for local, office in (("boss", ["--provider"]), ("chief", ["--customer", "acme"]), ("spy", ["--domain", "foreign.test"])):
        address = f"{local}@own.test"
        postern.add_mailbox(address, PASSWORD)
        postern.cli("mailbox", "set", address, "--recovery", f"{local}@outside.test")
        postern.cli("admin", "add", address, *office)
        place = OWN | {"address": address, "login": address}
        ranks = ("domain",) if local == "chief" else ("domain", "customer")
        for rank in ranks:
            for name in ("mailbox.password", "mailbox.set", "mailbox.remove", "token.add"):
                status, body = world.ask(rank, name, place)
                assert (status, body["detail"]) == (403, f"{address} has a rank that you do not have"), (rank, name)
            assert world.ask(rank, "mailbox.show", place)[0] == 200
    assert world.ask("customer", "mailbox.password", OWN | {"address": "chief@own.test"})[0] == 200
    # Nor does a customer's admin lift himself or anybody else above himself.
    carol = world.who["customer"]
    for body in ({"login": "carol", "provider": True}, {"login": "chief@own.test", "provider": True}):
        status, _, answer = carol.ask("POST", "/admins", body)
        assert (status, answer["field"]) == (403, "provider")
    for body in ({"login": "carol", "customer": "other"}, {"login": "carol", "domain": "foreign.test"}):
        assert carol.ask("POST", "/admins", body)[0] == 404
    assert world.ask("customer", "admin.password", {"login": "paula"})[0] == 404
    assert world.ask("customer", "admin.remove", {"login": "paula"})[0] == 404


def test_admins(world):
    """A customer's admin makes admins of the customer and its domains, and takes them back."""
    postern, carol = world.postern, world.who["customer"]
    status, _, body = carol.ask("POST", "/admins", {"login": "Emil", "domain": "sibling.test", "password": PASSWORD,
                                                    "recovery": "emil@outside.test", "name": "Emil E."})
    assert status == 201, body
    assert body["login"] == "emil" and body["has_password"] and body["recovery"] == "emil@outside.test"
    assert [(r["rank"], r["domain"]) for r in body["ranks"]] == [("domain", "sibling.test")]
    assert carol.ask("POST", "/admins", {"login": "emil", "domain": "sibling.test"})[0] == 409
    assert carol.ask("POST", "/admins", {"login": "weak", "domain": "own.test", "password": "short"})[0] == 422
    # What a stranger's admin is called is taken, and tells nothing else.
    postern.cli("admin", "add", "otto", "--customer", "other", "--recovery", "otto@outside.test")
    status, _, body = carol.ask("POST", "/admins", {"login": "otto", "domain": "own.test"})
    assert (status, body["detail"]) == (409, "the login otto is taken")
    # A login whose domain is here is a mailbox, so that nobody makes that mailbox later and is taken for the admin.
    assert carol.ask("POST", "/admins", {"login": "ghost@own.test", "domain": "own.test"})[0] == 404
    emil = WebApi(postern, world.token("emil"))
    assert {d["domain"] for d in emil.ask("GET", "/domains")[2]["items"]} == {"sibling.test"}
    assert emil.ask("PATCH", "/admins/emil", {"name": "E."})[0] == 403
    assert carol.ask("PATCH", "/admins/emil", {"name": "E."})[2]["name"] == "E."
    assert carol.ask("DELETE", "/admins/emil")[0] == 200
    assert emil.ask("GET", "/domains")[0] == 401
    # A mailbox loses the rank, not the mailbox.
    postern.cli("mailbox", "set", "mary@own.test", "--recovery", "mary@outside.test")
    postern.cli("admin", "add", "mary@own.test", "--domain", "own.test")
    mary = WebApi(postern, world.token("mary@own.test"))
    assert mary.ask("GET", "/domains")[0] == 200
    postern.cli("admin", "remove", "mary@own.test")
    assert mary.ask("GET", "/domains")[0] == 403
    assert mary.ask("GET", "/mailboxes/mary@own.test")[0] == 200


def test_keys_do_what_they_are_for(world):
    postern = world.postern
    key = WebApi(postern, world.token("carol", "--scope", "mailbox.list", "--scope", "domain", "--read-only"))
    assert key.ask("GET", "/mailboxes")[0] == 200
    assert key.ask("GET", "/domains/own.test")[0] == 200
    assert key.ask("PATCH", "/domains/own.test", {"recipients": "any"})[0] == 403
    assert key.ask("GET", "/addresses")[0] == 403
    assert key.ask("POST", "/tokens", {"name": "wider"})[0] == 403
    assert "nothing.such" in postern.refused("token", "add", "x", "--login", "carol", "--scope", "nothing.such")
    # days pass: it is over
    postern.travel(days=91)
    assert key.ask("GET", "/mailboxes")[0] == 401
    postern.travel(days=-91)


def test_targets_of_another_customer_are_elsewhere(shared_postern):
    """An address, an import or a catch-all that names another customer's mailbox is told the same whether it exists."""
    p = shared_postern
    p.add_domain("mine.test", customer="mine")
    p.add_domain("theirs.test", customer="theirs")
    p.add_mailbox("there@theirs.test", "Correct-horse-1")

    def told(of, *words, stdin=None):
        return p.refused(*words, stdin=stdin).replace(of, "X")
    for kind in ("alias", "list"):
        texts = {told(of, "address", "add", f"a{i}@mine.test", "--type", kind, "--to", of)
                 for i, of in enumerate(("there@theirs.test", "nobody@theirs.test", "nobody@nowhere.test"))}
        assert len(texts) == 1, texts
    texts = {told(of, "domain", "set", "mine.test", "--catch-all", of)
             for of in ("there@theirs.test", "nobody@theirs.test", "nobody@nowhere.test")}
    assert len(texts) == 1, texts
    for of in ("there@theirs.test", "nobody@theirs.test"):
        name = "r" + of.split("@")[0]
        p.json("import", "aliases", p.write_file("aliases.txt", f"{name}: {of}\n"), "--domain", "mine.test")
        rows = {x["address"]: x["type"] for x in p.json("address", "list", "--domain", "mine.test")["items"]}
        assert rows[f"{name}@mine.test"] == "redirect"
