# SPDX-License-Identifier: Apache-2.0
"""Imports as providers write them, and exports that imports take back to the same state (M23)."""
import csv
import io

import pytest

from harness import Instance

PASSWORD = "Correct-horse-1"


@pytest.fixture(scope="module")
def house():
    p = Instance()
    try:
        p.init().start()
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


def take(p, kind, text, domain, *more):
    return p.json("import", kind, p.write_file(f"{kind}.txt", text), "--domain", domain, *more, seconds=180)


def test_an_export_is_taken_back_to_the_same_state(make_postern):
    first, second = (make_postern().init().start() for _ in range(2))
    for p in (first, second):
        p.add_customer("other")
        p.add_domain("elsewhere.test", customer="other")
        p.add_domain("round.test")
    first.add_mailbox("joe@round.test", PASSWORD, "--quota", "2G", "--name", 'Joe "the boss", Dœ; # 1')
    first.add_mailbox("mary@round.test", None, "--hosted", "--send-any")
    first.cli("mailbox", "set", "mary@round.test", "--recovery", "Mary@elsewhere.test")
    first.add_mailbox('"a, b"@round.test', PASSWORD, "--quota", "1G", "--retention", "7")
    first.add_mailbox('"#x"@round.test', None)
    first.add_mailbox("jürgen@round.test", None)
    first.add_mailbox('"|cmd"@round.test', None)
    first.cli("login", "add", "joe@round.test", "custo1")
    for args in (("info", "alias", "joe@round.test"), ("pipe", "alias", '"|cmd"@round.test'), ("all", "list", "joe@round.test", '"a, b"@round.test'),
                 ("dan", "redirect", "dan@yahoo.example", "mary@round.test", "info@round.test"), ("spam", "banished")):
        to = [x for t in args[2:] for x in ("--to", t)]
        first.cli("address", "add", f"{args[0]}@round.test", "--type", args[1], *to)
    first.cli("address", "add", "gate@round.test", "--type", "alias", "--to", "mary@round.test", "--hosted")
    accounts = first.cli("export", "accounts", "round.test", "--passwords")
    aliases = first.cli("export", "aliases", "round.test")
    assert len(list(csv.reader(io.StringIO(accounts)))) == 7 and len(list(csv.reader(io.StringIO(aliases)))) == 7
    assert take(second, "accounts", accounts, "round.test", "--dry-run")["added"] == 6
    assert take(second, "accounts", accounts, "round.test")["added"] == 6
    assert take(second, "aliases", aliases, "round.test")["added"] == 6
    assert second.cli("export", "accounts", "round.test", "--passwords") == accounts
    assert second.cli("export", "aliases", "round.test") == aliases
    assert take(second, "accounts", accounts, "round.test")["unchanged"] == 6
    assert take(second, "aliases", aliases, "round.test")["unchanged"] == 6
    second.imap("joe@round.test", PASSWORD).logout()
    second.imap("custo1", PASSWORD).logout()

    def state(p):
        boxes = p.json("mailbox", "list", "--domain", "round.test")["items"]
        others = p.json("address", "list", "--domain", "round.test")["items"]
        return ([{k: b[k] for k in ("address", "name", "quota_bytes", "has_password", "hosted", "send_any", "retention", "recovery")} for b in boxes],
                [{k: a[k] for k in ("address", "type", "to", "hosted")} for a in others])
    assert state(first) == state(second)


def test_passwords_leave_only_when_asked_for(house):
    house.add_domain("secret.test")
    house.add_mailbox("joe@secret.test", PASSWORD)
    plain, with_hash = (house.cli("export", "accounts", "secret.test", *more) for more in ((), ("--passwords",)))
    assert "ARGON2" not in plain.upper() and "ARGON2" in with_hash.upper()
    assert 'operation="export.accounts"' in house.log()


def test_a_default_password_stays_one(house):
    house.add_domain("copy.test")
    text = "address,password,must_change\njoe,{PLAIN}" + PASSWORD + ",yes\n"
    take(house, "accounts", text, "copy.test")
    assert house.json("mailbox", "show", "joe@copy.test")["has_password"] is False
    with pytest.raises(Exception):
        house.imap("joe@copy.test", PASSWORD)
    row = list(csv.DictReader(io.StringIO(house.cli("export", "accounts", "copy.test", "--passwords"))))[0]
    assert row["must_change"] == "yes"


@pytest.mark.parametrize("kind, text, error", [
    ("accounts", "address,hosted\njoe,maybe\n", 'line 2: hosted: "maybe" is neither yes nor no'),
    ("accounts", "address,quota\njoe,lots\n", 'line 2: the quota "lots" is not a size'),
    ("aliases", "address,type,to\nx,candidate,\n", "candidate"),
    ("aliases", 'x: "a,b\n', "programs"),
    ("aliases", 'x: "|/bin/sh"\n', "programs"),
    ("aliases", 'x: |/bin/sh, joe\n', "programs"),
    ("aliases", 'x: "a@gmail.test x"@bad.test\n', 'there is no address "a@gmail.test x"@bad.test'),
    ("aliases", "x: =?x?q?a=40b?=c@bad.test\n", "there is no address"),
    ("aliases", "x: joe(comment)@bad.test\n", "is not a name or an address"),
    ("accounts", "joe@bad.test@other.test x\n", "is not a name or an address"),
    ("accounts", "joe@other.test x\n", "is not in the domain bad.test"),
    ("accounts", "address;password;kwota\njoe;x;1G\n", 'line 1: there is no column "kwota"; there are address, email,'),
    ("aliases", "name,to,typ\nx,joe,alias\n", 'line 1: there is no column "typ"'),
])
def test_bad_rows_are_named_and_change_nothing(house, kind, text, error):
    if not any(d["domain"] == "bad.test" for d in house.json("domain", "list")["items"]):
        house.add_domain("bad.test")
    path = house.write_file("bad.txt", text)
    assert error in house.refused("import", kind, path, "--domain", "bad.test")
    assert house.json("domain", "show", "bad.test")["mailboxes"] == 0
    assert house.json("domain", "show", "bad.test")["addresses"] == 0


def test_quoted_targets_keep_their_commas(house):
    house.add_domain("comma.test")
    house.add_mailbox('"a, b"@comma.test', None)
    house.add_mailbox("c@comma.test", None)
    take(house, "aliases", 'team: "a, b"@comma.test, c\n', "comma.test")
    assert house.json("address", "list", "--domain", "comma.test")["items"][0]["to"] == ['"a, b"@comma.test', "c@comma.test"]


def test_settings_of_a_domain_are_taken_back(make_postern):
    first, second = (make_postern().init().start() for _ in range(2))
    for p in (first, second):
        p.add_domain("set.test", "gateway", "192.0.2.1:25")
        p.add_domain("plain.test")
        p.add_mailbox("all@set.test", None)
        p.cli("admin", "add", "dora", "--domain", "set.test", "--recovery", "dora@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
    said = {"server": "192.0.2.7:2525", "server_tls": "required", "recipients": "list", "when_down": "later", "banished": "drop",
            "subaddress": "-", "catch_all": "all@set.test", "multidrop": "on", "candidates": "off", "candidate_days": "12",
            "candidate_size": "1048576", "candidate_max": "77", "over_quota": "refuse", "retention": "7"}
    first.cli("domain", "set", "set.test", *[x for k, v in said.items() for x in ("--" + k.replace("_", "-"), v)])
    text = first.cli("export", "settings", "set.test")
    assert dict(list(csv.reader(io.StringIO(text)))[1:]) == said
    before = second.json("domain", "show", "set.test")
    # First what it would be: all that it says then, and nothing else is another.
    path = second.write_file("settings.csv", text)
    would = second.json("import", "settings", path, "--domain", "set.test", "--dry-run")
    assert would.pop("dry_run") is True and would != before
    assert second.json("domain", "show", "set.test") == before
    assert not second.json("audit", "list", "--operation", "domain.set")["items"]
    assert second.json("domain", "set", "set.test", "--candidate-max", "3", "--dry-run")["candidate_max"] == 3
    assert second.json("domain", "show", "set.test") == before
    taken = take(second, "settings", text, "set.test")
    assert taken["candidate_max"] == 77 and taken["retention"] == "7"
    assert taken.pop("dry_run") is False and taken == would
    assert second.cli("export", "settings", "set.test") == text
    mine, theirs = (p.json("domain", "show", "set.test") for p in (first, second))
    assert {k: v for k, v in mine.items() if not k.endswith("_ms")} == {k: v for k, v in theirs.items() if not k.endswith("_ms")}
    assert before["candidate_max"] != 77
    # Every domain's own settings are taken back, those that nobody set as well.
    plain = second.cli("export", "settings", "plain.test")
    take(second, "settings", text.replace("all@set.test", "none").replace("multidrop,on", "multidrop,off"), "plain.test")
    assert second.cli("export", "settings", "plain.test") != plain
    take(second, "settings", plain, "plain.test")
    again = second.cli("export", "settings", "plain.test")
    assert [x for x in again.splitlines() if not x.startswith("server,")] == plain.splitlines()   # a server is never taken away
    # It is a domain.set, for whoever may do that, and only as far.
    row = second.json("audit", "list", "--operation", "domain.set", "--object", "set.test")["items"][0]
    assert "candidate_max=77" in row["detail"]
    from harness.api import WebApi
    dora = WebApi(second).login("dora", PASSWORD)
    own = dora.ask("GET", "/domains/set.test/export/settings")[2]["text"]
    assert "server" not in own and "candidate_max,77" in own

    def send(file, query=""):
        return dora.ask("POST", "/domains/set.test/import/settings" + query, file, {"Content-Type": "application/octet-stream"})
    assert send(own)[0] == 200
    assert send("setting,value\nserver,192.0.2.9:25\n", "?dry_run=true")[0] == 403
    seen = dora.ask("GET", "/domains/set.test")[1]["ETag"]
    status, headers, body = send("setting,value\ncandidate_days,9\n", "?dry_run=true")
    assert status == 200 and body["candidate_days"] == 9 and body["dry_run"] and headers["ETag"] == seen
    status, _, problem = send("setting,value\nserver,192.0.2.9:25\n")
    assert status == 403 and "only the provider may say server" in problem["detail"]
    assert dora.ask("POST", "/domains/plain.test/import/settings", own, {"Content-Type": "application/octet-stream"})[0] == 404


@pytest.mark.parametrize("text, error", [
    ("subaddress,+\n", "line 1: the first row is not setting,value"),
    ("setting,value\nsubaddress,+\nsubaddress,-\n", "line 3: the setting subaddress is there twice"),
    ("setting,value\ncolour,blue\n", "line 2: there is no setting colour"),
    ("setting,value\ndomain,other.test\n", "line 2: there is no setting domain"),
    ("setting,value\ncustomer,other\n", "line 2: there is no setting customer"),
    ("setting,value\nretention,7\nsubaddress,?\n", "line 3: subaddress: expected"),
    ("setting,value\ncandidate_max,77\ncatch_all,nobody@settings.test\n", "line 3: catch_all: \"nobody@settings.test\" is not a mailbox here"),
    ("setting,value\n\nretention,soon\n", "line 3: retention: \"soon\": expected a number of days"),
    ("setting,value\ncatch_all\n", "line 2: 1 cell, but the header has 2"),
])
def test_bad_settings_change_nothing(house, text, error):
    if house.try_cli("domain", "show", "settings.test").returncode:
        house.add_domain("settings.test")
    before = house.json("domain", "show", "settings.test")
    path = house.write_file("settings.csv", text)
    for more in ([], ["--dry-run"]):
        assert error in house.refused("import", "settings", path, "--domain", "settings.test", *more)
    assert house.json("domain", "show", "settings.test") == before


def test_all_wrong_settings_are_told_at_once(house):
    if house.try_cli("domain", "show", "settings.test").returncode:
        house.add_domain("settings.test")
    text = "setting,value\nretention,7\ncolour,blue\nretention,9\nover_quota,perhaps\nx\ncandidate_max,0\n"
    said = house.refused("import", "settings", house.write_file("settings.csv", text), "--domain", "settings.test")
    assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == [f"line {n}" for n in (3, 4, 5, 6, 7)], said
    assert "postern: 5 errors in the file, nothing was changed" in said
