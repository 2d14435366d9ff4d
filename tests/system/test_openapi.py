# SPDX-License-Identifier: Apache-2.0
"""The description of the API against what the API does: every operation is asked, and its answer has a status, members and types that
the description names."""
import re

import pytest

from harness.api import SocketApi, WebApi

PASSWORD = "Correct-horse-1"
TEXT = {"Content-Type": "text/plain"}
SCRIPT = "keep;\n"
# What other tests ask: copies from an old server, and what would end the session or the instance's peace.
ELSEWHERE = {"move.start", "move.status", "move.proof", "move.stop", "store.compact", "password.look", "password.reset",
             "candidate.message", "totp.confirm", "totp.codes"}


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.add_domain("example.test")
    p.cli("admin", "add", "paula", "--provider", "--password-stdin", stdin=PASSWORD + "\n")
    for name in ("joe", "eve"):
        p.add_mailbox(f"{name}@example.test", PASSWORD)
    p.cli("domain", "set", "example.test", "--candidates", "on")
    with p.smtp() as smtp:
        for name in ("new", "newer", "newest"):
            smtp.sendmail("x@elsewhere.test", [f"{name}@example.test"], "Subject: a\r\n\r\nb\r\n")
    # Something that waits in the queue.
    p.cli("domain", "add", "gate.test", "--customer", "acme", "--mode", "gateway", "--server", "127.0.0.1:1", "--recipients", "any")
    with p.smtp() as smtp:
        smtp.sendmail("x@elsewhere.test", ["y@gate.test"], "Subject: a\r\n\r\nb\r\n")
    return p


@pytest.fixture(scope="module")
def document(house):
    return SocketApi(house).ask("GET", "/openapi.json")[2]


def operations(document):
    return {op["operationId"]: (method, path, op) for path, item in document["paths"].items() for method, op in item.items()}


def fits(schema, value, where, document):
    """What of JSON Schema the description uses."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    wanted = schema.get("type", list(kinds))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    assert any(type(value) is kinds[k] for k in wanted), f"{where}: {value!r} is no {wanted}"
    assert "enum" not in schema or value in schema["enum"], f"{where}: {value!r}"
    if isinstance(value, list):
        for x in value:
            fits(schema.get("items", {}), x, where + "[]", document)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value), where
        for name, x in value.items():
            assert name in schema["properties"], f"{where}: {name} is not described"
            fits(schema["properties"][name], x, f"{where}.{name}", document)


# In this order: (operation, what stands in the path and the query or body[, headers])
ASKED = [
    ("customer.add", {"customer": "beta", "pool": 1 << 30}), ("customer.list", {"limit": 1}), ("customer.show", {"customer": "beta"}),
    ("customer.set", {"customer": "beta", "pool": "2G"}), ("customer.remove", {"customer": "beta"}),
    ("domain.add", {"domain": "second.test", "customer": "acme", "mode": "hosted"}), ("domain.list", {}),
    ("domain.show", {"domain": "example.test"}), ("domain.set", {"domain": "second.test", "candidate_days": 3}),
    ("domain.set", {"domain": "second.test", "candidate_days": 4, "dry_run": True}),
    ("domain.switch", {"domain": "second.test", "mode": "hosted", "dry_run": True}), ("domain.remove", {"domain": "second.test"}),
    ("policy.show", {"customer": "acme"}), ("policy.set", {"customer": "acme", "old_login_days": 6}),
    ("mailbox.add", {"address": "ann@example.test", "quota": "1G"}), ("mailbox.list", {"over": 1}), ("mailbox.list", {"limit": 1}),
    ("mailbox.show", {"address": "joe@example.test"}), ("mailbox.set", {"address": "ann@example.test", "recovery": "ann@elsewhere.test"}),
    ("mailbox.invite", {"address": "ann@example.test"}), ("mailbox.show", {"address": "ann@example.test"}),
    ("mailbox.first-password", {"address": "ann@example.test"}),
    ("mailbox.password", {"address": "ann@example.test", "password": PASSWORD}),
    ("apppassword.add", {"address": "ann@example.test", "name": "phone"}), ("apppassword.list", {"address": "ann@example.test"}),
    ("apppassword.remove", {"address": "ann@example.test", "name": "phone"}),
    ("login.add", {"address": "ann@example.test", "name": "custo1"}), ("login.list", {}),
    ("login.remove", {"address": "ann@example.test", "name": "custo1"}), ("lockout.list", {}), ("lockout.clear", {"who": "joe@example.test"}),
    ("password.forgot", {"user": "joe@example.test"}),
    ("password.change", {"user": "ann@example.test", "password": PASSWORD, "new_password": PASSWORD + "2"}),
    ("address.add", {"address": "list@example.test", "type": "list", "to": ["joe@example.test", "eve@example.test"]}),
    ("address.list", {}), ("address.list", {"type": "candidate"}), ("address.set", {"address": "list@example.test", "senders": "members"}),
    ("address.show", {"address": "list@example.test"}),
    ("address.convert", {"address": ["list@example.test"], "type": "redirect", "to": ["x@elsewhere.test"]}),
    ("address.moves", {"domain": "example.test"}), ("address.remove", {"address": "list@example.test"}),
    ("sieve.put", {"address": "joe@example.test", "name": "one", "active": True}, SCRIPT),
    ("sieve.put", {"address": "joe@example.test", "name": "one", "dry_run": True}, SCRIPT), ("sieve.check", {}, SCRIPT),
    ("sieve.list", {"address": "joe@example.test"}), ("sieve.get", {"address": "joe@example.test", "name": "one"}),
    ("sieve.rename", {"address": "joe@example.test", "name": "one", "new_name": "two"}),
    ("sieve.deactivate", {"address": "joe@example.test"}), ("sieve.activate", {"address": "joe@example.test", "name": "two"}),
    ("sieve.deactivate", {"address": "joe@example.test"}), ("sieve.remove", {"address": "joe@example.test", "name": "two"}),
    ("globalscript.put", {"domain": "example.test", "name": "ours"}, SCRIPT), ("globalscript.list", {"domain": "example.test"}),
    ("globalscript.get", {"domain": "example.test", "name": "ours"}), ("globalscript.remove", {"domain": "example.test", "name": "ours"}),
    ("forward.set", {"address": "joe@example.test", "to": ["x@elsewhere.test"]}), ("forward.show", {"address": "joe@example.test"}),
    ("forward.remove", {"address": "joe@example.test"}), ("autoreply.set", {"address": "joe@example.test", "text": "away"}),
    ("autoreply.show", {"address": "joe@example.test"}), ("autoreply.remove", {"address": "joe@example.test"}),
    ("candidate.list", {"domain": "example.test"}), ("candidate.show", {"address": "new@example.test"}),
    ("candidate.messages", {"address": "new@example.test"}), ("candidate.remove", {"address": "new@example.test", "discard_mail": True}),
    ("candidate.promote", {"address": "newer@example.test", "type": "mailbox"}), ("candidate.banish", {"address": ["newest@example.test"]}),
    ("export.accounts", {"domain": "example.test"}), ("export.aliases", {"domain": "example.test"}),
    ("export.settings", {"domain": "example.test"}), ("import.accounts", {"domain": "example.test"}, "bob\n"),
    ("import.accounts", {"domain": "example.test", "dry_run": True}, "bea\n"), ("import.aliases", {"domain": "example.test"}, "info: bob\n"),
    ("import.settings", {"domain": "example.test"}, "setting,value\ncandidate_days,9\n"),
    ("import.settings", {"domain": "example.test", "dry_run": True}, "setting,value\ncandidate_days,8\n"),
    ("plan.list", {}), ("plan.show", {"domain": "example.test"}), ("plan.set", {"domain": "example.test", "note": "later"}),
    ("queue.list", {}), ("queue.show", {"id": "QUEUED"}), ("queue.remove", {"id": "QUEUED"}), ("queue.flush", {}),
    ("notice.log", {}), ("notice.show", {"id": 1}), ("notice.sender", {"customer": "acme"}),
    ("notice.set-sender", {"customer": "acme", "from": "joe@example.test"}), ("template.list", {}), ("template.show", {"kind": "reset"}),
    ("template.set", {"kind": "reset", "language": "en", "subject": "a", "text": "{link}"}),
    ("template.preview", {"kind": "reset"}), ("template.test", {"kind": "reset", "to": "joe@example.test"}),
    ("template.reset", {"kind": "reset", "language": "en"}), ("timer.list", {}), ("timer.run", {"name": "audit.trim"}),
    ("admin.add", {"login": "carol", "customer": "acme", "recovery": "carol@outside.test", "password": PASSWORD}),
    ("admin.list", {}), ("admin.show", {"login": "carol"}),
    ("admin.set", {"login": "carol", "name": "Carol"}), ("admin.password", {"login": "carol", "password": PASSWORD}),
    ("totp.show", {"login": "carol"}), ("totp.start", {"login": "paula", "password": PASSWORD}), ("totp.remove", {"login": "paula"}),
    ("admin.remove", {"login": "carol"}), ("token.add", {"name": "script", "scope": ["mailbox"]}), ("token.list", {}),
    ("token.remove", {"id": "TOKEN"}), ("audit.list", {"limit": 5}), ("session.show", {}), ("store.check", {}), ("overview", {}),
    ("status", {}), ("reload", {}), ("mailbox.remove", {"address": "ann@example.test", "discard_mail": True}),
    ("session.add", {"login": "paula", "password": PASSWORD}), ("session.remove", {}),
]


def ask(api, method, path, fields, text=None):
    fields = dict(fields)
    for name in re.findall(r"{(\w+)}", path):
        path = path.replace("{%s}" % name, str(fields.pop(name)))
    body, headers = fields, {}
    if text is not None or method in ("get", "delete"):
        query = [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in fields.items()]
        path, body, headers = path + ("?" + "&".join(query) if query else ""), text, TEXT if text else {}
    return api.ask(method.upper(), path.removeprefix("/api/v1"), body, headers)


def test_answers_are_as_described(house, document):
    known = operations(document)
    api = WebApi(house).login("paula", PASSWORD)
    names = {"QUEUED": house.json("queue", "list")["items"][0]["id"]}
    wrong = []
    for name, fields, *text in ASKED:
        method, path, op = known[name]
        fields = {k: names.get(v, v) if isinstance(v, str) else v for k, v in fields.items()}
        status, headers, body = ask(api, method, path, fields, *text)
        if name == "token.add":
            names["TOKEN"] = body["id"]
        try:
            assert status < 300, f"{name}: {status} {body}"
            assert str(status) in op["responses"], f"{name}: {status}"
            described = op["responses"][str(status)]
            assert not headers["ETag"] or "ETag" in described.get("headers", {}), f"{name}: ETag"
            assert headers["ETag"] or method != "get" or "headers" not in described, f"{name}: no ETag"
            fits(described["content"]["application/json"]["schema"], body, name, document)
        except AssertionError as e:
            wrong.append(str(e).splitlines()[0])
    assert not wrong, "\n".join(wrong)
    asked = {name for name, *_ in ASKED}
    assert set(known) - asked == ELSEWHERE | {"bulk"}


def test_refusals_are_as_described(house, document):
    schema = document["components"]["schemas"]["problem"]
    api = WebApi(house).login("paula", PASSWORD)
    for method, path, fields, text, status in (
            ("get", "/mailboxes/{address}", {"address": "nobody@example.test"}, None, 404),
            ("patch", "/mailboxes/{address}", {"address": "joe@example.test", "quota": "lots"}, None, 422),
            ("post", "/customers", {"customer": "acme", "pool": "1G"}, None, 409),
            ("post", "/domains/{domain}/import/accounts", {"domain": "example.test"}, "a@@b\nc@@d\n", 422),
            ("get", "/nothing", {}, None, 404), ("put", "/customers", {}, None, 405),
            ("post", "/session", {"login": "paula", "password": "wrong"}, None, 401)):
        got, _, body = ask(api, method, path, fields, text)
        assert got == status == body["status"], (path, body)
        fits(schema, body, path, document)
    fits(schema, {"status": 422, "title": "x"}, "", document)
    assert {"errors", "errors_total", "type"} <= set(schema["properties"])


def test_who_may_ask_is_described(house, document):
    """Scopes are those that token.add takes; what needs nobody's name is asked without one."""
    known = operations(document)
    api, anyone = SocketApi(house), WebApi(house)
    schemes = document["components"]["securitySchemes"]
    for name, (method, path, op) in known.items():
        security = op.get("security", document["security"])
        assert all(set(s) <= set(schemes) for s in security)
        if method == "get" and "{" not in path:
            assert ask(anyone, method, path, {})[0] == 401, name
        assert (security == []) == (name == "session.add" or name.startswith("password.")), name
        scopes = {x for s in security for x in s.get("bearer", ())}
        if scopes:
            assert scopes == {name, name.split(".")[0]}
            assert api.ask("POST", "/tokens", {"name": name, "login": "paula", "scope": sorted(scopes)})[0] == 201
    bulk = api.ask("POST", "/bulk", {"items": [{"operation": "mailbox.set", "address": "joe@example.test", "name": "J"},
                                               {"operation": "mailbox.set", "address": "none@example.test", "name": "J"}]})
    fits(known["bulk"][2]["responses"]["200"]["content"]["application/json"]["schema"], bulk[2], "bulk", document)


def test_the_document_is_whole(document):
    """What a generator of clients wants: names are used once, every parameter has a kind, words, and a place."""
    assert document["info"]["description"] and document["info"]["license"]["identifier"] and document["servers"]
    for word in ("session.add", "next", "If-Match", "Accept-Language", "_ms"):
        assert word in document["info"]["description"]
    for name, (method, path, op) in operations(document).items():
        assert op["summary"] and op["tags"] == [name.split(".")[0]]
        seen = [(p["name"], p["in"]) for p in op.get("parameters", ())]
        assert len(seen) == len(set(seen))
        for p in op.get("parameters", ()):
            assert p["schema"]["type"] and p["description"] and (p["in"] != "path" or p["required"]), (name, p)
        body = op.get("requestBody")
        assert (body is not None) == (method in ("post", "put", "patch"))
        for kind, content in (body or {"content": {}})["content"].items():
            wanted = content["schema"].get("required", ())
            assert set(wanted) <= set(content["schema"].get("properties", ()))
            assert not wanted or body["required"], name
        for status, answer in op["responses"].items():
            assert ("$ref" in answer) == (not status.startswith("2")), (name, status)
        changes = method != "get"
        held = "If-Match" in [p["name"] for p in op.get("parameters", ())]
        assert held == (changes and "412" in op["responses"]) and (held or not changes or name == "bulk" or "501" in op["responses"])
