# SPDX-License-Identifier: Apache-2.0
"""Customers, domains, addresses, imports and rights on a running instance: what a call has acknowledged is in force
on every protocol, and bad input is refused with field and reason and changes nothing."""
import concurrent.futures
import imaplib
import socket
import subprocess
import threading
import time

import pytest

from harness import wait_until
from harness.doors import EVERY, NONE, logs_in
from peers.pop3 import Pop3Server

PASSWORD, NEW = "Correct-horse-1", "Battery-staple-2"
MESSAGE = "From: a@elsewhere.test\r\nTo: x@example.test\r\nSubject: {}\r\n\r\nhello\r\n"


def rcpt(postern, address, sender="a@elsewhere.test"):
    """Code and text of one RCPT."""
    with postern.smtp() as smtp:
        smtp.ehlo()
        assert smtp.mail(sender)[0] == 250
        code, text = smtp.docmd(f"RCPT TO:<{address}>")
        return code, text.decode()


def send(postern, address, subject):
    with postern.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [address], MESSAGE.format(subject))


def subjects(postern, user, password=PASSWORD):
    found = []
    for message in postern.mail(user, password):
        found += [line[9:].decode() for line in message.split(b"\r\n") if line.startswith(b"Subject: ")]
    return found


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.add_domain("example.test")
    for name in ("joe", "mary", "jane"):
        p.add_mailbox(f"{name}@example.test", PASSWORD)
    return p


# -- M2: in force when the call returns -------------------------------------------------------------------------------

def test_a_new_mailbox_works_at_once_everywhere(house):
    for i in range(5):
        address = f"new{i}@example.test"
        assert rcpt(house, address)[0] == 550
        house.add_mailbox(address, PASSWORD)
        assert logs_in(house, address, PASSWORD) == EVERY
        assert rcpt(house, address)[0] == 250


def test_a_changed_password_is_in_force_at_once_and_ends_sessions(house):
    user = "pw@example.test"
    house.add_mailbox(user, PASSWORD)
    assert logs_in(house, user, PASSWORD) == EVERY
    assert logs_in(house, user, PASSWORD) == EVERY      # from the cache of right passwords, too
    idle = house.imap(user, PASSWORD)
    house.cli("mailbox", "password", user, "--password-stdin", stdin=NEW + "\n")
    assert logs_in(house, user, PASSWORD) == NONE
    assert logs_in(house, user, NEW) == EVERY

    def ended():
        try:
            idle.noop()
        except (imaplib.IMAP4.abort, OSError):
            return True
    wait_until(ended, 20, "the session to end")


def test_a_removed_mailbox_is_gone_at_once(house):
    user = "gone@example.test"
    house.add_mailbox(user, PASSWORD)
    send(house, user, "one")
    assert subjects(house, user) == ["one"]
    assert "holds 1 message, which would be lost" in house.refused("mailbox", "remove", user)
    assert "enthält 1 Nachricht, die verloren ginge" in house.refused("--lang", "de", "mailbox", "remove", user)
    assert logs_in(house, user, PASSWORD) == EVERY
    assert house.json("mailbox", "remove", user, "--discard-mail")["messages"] == 1
    assert logs_in(house, user, PASSWORD) == NONE
    assert rcpt(house, user)[0] == 550
    # The same name again is another, empty mailbox.
    house.add_mailbox(user, PASSWORD)
    assert subjects(house, user) == []


def test_an_alias_comes_and_goes_at_once(house):
    alias = "short@example.test"
    assert rcpt(house, alias)[0] == 550
    house.cli("address", "add", alias, "--type", "alias", "--to", "joe@example.test")
    assert rcpt(house, alias)[0] == 250
    assert logs_in(house, alias, PASSWORD) == EVERY
    house.cli("address", "remove", alias)
    assert rcpt(house, alias)[0] == 550
    assert logs_in(house, alias, PASSWORD) == NONE


def test_names_are_one_whatever_their_case(house):
    assert rcpt(house, "JOE@Example.TEST")[0] == 250
    assert rcpt(house, '"joe"@example.test')[0] == 250
    assert logs_in(house, "Joe@EXAMPLE.test", PASSWORD) == EVERY
    assert "exists already" in house.refused("mailbox", "add", "JOE@example.test")


# -- addresses over real SMTP -----------------------------------------------------------------------------------------

def test_alias_list_and_subaddress_deliver(house):
    house.cli("address", "add", "info@example.test", "--type", "alias", "--to", "mary@example.test")
    house.cli("address", "add", "both@example.test", "--type", "list", "--to", "mary@example.test", "--to",
              "jane@example.test")
    for to, subject in (("info@example.test", "by alias"), ("both@example.test", "by list"),
                        ("mary+shop@example.test", "by detail")):
        send(house, to, subject)
    assert sorted(subjects(house, "mary@example.test")) == ["by alias", "by detail", "by list"]
    assert subjects(house, "jane@example.test") == ["by list"]


def test_one_copy_for_who_is_reached_twice(house):
    house.add_mailbox("once@example.test", PASSWORD)
    house.cli("address", "add", "o1@example.test", "--type", "alias", "--to", "once@example.test")
    house.cli("address", "add", "o2@example.test", "--type", "redirect", "--to", "o1@example.test", "--to",
              "once@example.test", "--to", "o2@example.test")
    send(house, "o2@example.test", "one copy")
    assert subjects(house, "once@example.test") == ["one copy"]


def test_banished_is_refused(house):
    house.cli("address", "add", "spam@example.test", "--type", "banished")
    code, text = rcpt(house, "spam@example.test")
    assert code == 550 and "5.7.1" in text


def test_postmaster_is_somebody(house):
    assert rcpt(house, "postmaster@example.test")[0] == 250
    assert rcpt(house, "Postmaster")[0] == 250


@pytest.mark.parametrize("address", [
    "x@ext.test", '"x@ext.test"@example.test', "x%ext.test@example.test", "@example.test:x@ext.test",
    "ext.test!x@example.test", "x@ext.test@example.test", "x@[127.0.0.1]", "joe@[127.0.0.1]", '"x@ext.test"', "x",
    "x@", "joe@example.test.", "joe@sub.example.test", "joe@xexample.test", "joe%example.test@ext.test",
    "joe@example.test%ext.test", "joe@example.test,x@ext.test"])
@pytest.mark.parametrize("sender", ["a@elsewhere.test", "", "joe@example.test"])
def test_no_relay_without_a_login(house, address, sender):      # S28
    assert 500 <= rcpt(house, address, sender)[0] <= 559


@pytest.mark.parametrize("local", [";id;", "$(id)", "../../x", "|cmd", "-oX", "x'/**/UNION/**/SELECT/**/X'00'--", "%s%n"])
def test_local_parts_are_data(house, local):                    # S30
    code, text = rcpt(house, f'"{local}"@example.test')
    assert code == 550 and "5.1.1" in text


def test_a_user_may_send_anywhere_but_not_as_anybody(house):
    with house.submission("joe@example.test", PASSWORD) as smtp:
        smtp.mail("joe@example.test")
        assert smtp.rcpt("x@ext.test")[0] == 250
        smtp.rset()
        assert smtp.rcpt("x@ext.test")[0] == 503


# -- imports ----------------------------------------------------------------------------------------------------------

def openssl_hash(password, *args):
    done = subprocess.run(["openssl", "passwd", *args, password], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def doveadm_hash(password, scheme):
    return subprocess.run(["doveadm", "pw", "-s", scheme, "-p", password], capture_output=True, text=True,
                          check=True).stdout.strip()


SCHEMES = ["SSHA", "SSHA512", "SHA256", "MD5-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "ARGON2I", "PBKDF2", "PLAIN-MD5",
           "PLAIN"]


def test_imported_hashes_log_in_and_are_rehashed(house):
    house.add_domain("hashes.test")
    lines = [f"u{i} {doveadm_hash('Old pass 1', scheme)}" for i, scheme in enumerate(SCHEMES)]
    lines += [f"u{len(SCHEMES)} {openssl_hash('Old pass 1', '-6')}", f"u{len(SCHEMES) + 1} Old pass 1"]
    path = house.write_file("hashes.txt", "\n".join(lines) + "\n")
    got = house.json("import", "accounts", path, "--domain", "hashes.test")
    assert got["added"] == len(lines)
    before = counter(house, "auth", "rehashed")
    for i in range(len(lines)):
        assert logs_in(house, f"u{i}@hashes.test", "Old pass 2") == NONE
        assert logs_in(house, f"u{i}@hashes.test", "Old pass 1") == EVERY
    wait_until(lambda: counter(house, "auth", "rehashed") == before + len(lines), 10, "every hash to be put anew")
    for i in range(len(lines)):
        assert logs_in(house, f"u{i}@hashes.test", "Old pass 1") == EVERY
    assert counter(house, "auth", "rehashed") == before + len(lines)


def counter(postern, role, name):
    return {c["name"]: c["value"] for c in postern.room(role)["counters"]}[name] \
        if isinstance(postern.room(role)["counters"], list) else postern.room(role)["counters"][name]


@pytest.mark.parametrize("text, line, reason", [
    ("a x\nb y z\nA q\n", 3, "line 1 already"),
    ("a x\nb@other.test y\n", 2, "not in the domain"),
    ("a x\nb..c y\n", 2, "not a name"),
    ("a x\nb {NOPE}z\n", 2, "scheme"),
    ("a x\njoe y\n", 2, "exists already"),
    ("a x\nb \xff\n".encode("latin-1"), 2, "UTF-8"),
    ("address,password\na,x\nb\n", 3, "1 cell, but the header has 2"),
])
def test_a_broken_line_refuses_the_file_and_changes_nothing(house, text, line, reason):
    path = house.write_file("broken.txt", text)
    for more in ((), ("--dry-run",)):
        error = house.refused("import", "accounts", path, "--domain", "example.test", *more)
        assert f"line {line}" in error and reason in error
    assert rcpt(house, "a@example.test")[0] == 550


@pytest.mark.parametrize("text, line, reason", [
    ("team: joe\nx: nobody\n", 2, "no address nobody@example.test"),
    ("team: joe\nteam: mary\n", 2, "line 1 already"),
    ("team: joe\nmary: jane\n", 2, "exists already (mailbox)"),
    ("team: joe\nx mary\n", 2, "no colon"),
    ("team: joe\nx: |/bin/sh\n", 2, "programs"),
])
def test_a_broken_alias_line_refuses_the_file(house, text, line, reason):
    path = house.write_file("aliases.txt", text)
    error = house.refused("import", "aliases", path, "--domain", "example.test")
    assert f"line {line}" in error and reason in error
    assert rcpt(house, "team@example.test")[0] == 550


def test_files_as_providers_write_them(house):                  # M23
    house.add_domain("files.test")
    accounts = house.write_file("p4-accounts.txt", "joe joes-password\nmary marys-password\njane\n")
    aliases = house.write_file("p4-aliases.txt", "info: mary\nsales: mary, jane\nmerry: mary\ndan: dan@yahoo.example\n"
                                                 "janitor: joe\nall: mary, jane, dan, joe\n")
    dry = house.json("import", "accounts", accounts, "--domain", "files.test", "--dry-run")
    assert dry["added"] == 3 and dry["dry_run"] and len(dry["warnings"]) == 1
    assert rcpt(house, "joe@files.test")[0] == 550
    assert house.json("import", "accounts", accounts, "--domain", "files.test")["added"] == 3
    assert house.json("import", "aliases", aliases, "--domain", "files.test")["added"] == 6
    assert house.json("import", "aliases", aliases, "--domain", "files.test")["unchanged"] == 6
    types = {a["address"].split("@")[0]: a["type"] for a in
             house.json("address", "list", "--domain", "files.test")["items"]}
    assert types == {"info": "alias", "sales": "list", "merry": "alias", "dan": "redirect", "janitor": "alias",
                     "all": "redirect"}
    assert logs_in(house, "joe@files.test", "joes-password") == EVERY
    boxes = {m["address"]: m["has_password"] for m in
             house.json("mailbox", "list", "--domain", "files.test")["items"]}
    assert boxes == {"joe@files.test": True, "mary@files.test": True, "jane@files.test": False}


def test_ten_thousand_accounts_in_seconds(house):
    house.add_domain("many.test")
    path = house.write_file("many.txt", "".join(f"user{i} Secret-pass-{i}\n" for i in range(10000)))
    started = time.monotonic()
    assert house.json("import", "accounts", path, "--domain", "many.test", seconds=180)["added"] == 10000
    assert time.monotonic() - started < 150     # sanitizers, and a machine with other work; else a few seconds
    assert logs_in(house, "user9999@many.test", "Secret-pass-9999") == EVERY


# -- refusals ---------------------------------------------------------------------------------------------------------

def test_what_exists_already_is_said(house):
    assert "domain example.test exists already" in house.refused("domain", "add", "EXAMPLE.test", "--customer", "acme",
                                                                 "--mode", "hosted")
    assert "joe@example.test exists already (mailbox)" in house.refused("mailbox", "add", "joe@example.test")
    assert "joe@example.test exists already (mailbox)" in house.refused(
        "address", "add", "joe@example.test", "--type", "alias", "--to", "mary@example.test")


@pytest.mark.parametrize("password, text", [
    ("Short-1", "at least 12"), ("no-upper-case-1", "an upper-case letter"), ("NO-LOWER-CASE-1", "a lower-case letter"),
    ("No-digit-here-x", "a digit")])
def test_the_password_policy_is_told(house, password, text):     # M6
    assert text in house.refused("mailbox", "add", "weak@example.test", "--password-stdin", stdin=password + "\n")
    assert text in house.refused("mailbox", "password", "joe@example.test", "--password-stdin", stdin=password + "\n")
    assert rcpt(house, "weak@example.test")[0] == 550
    assert logs_in(house, "joe@example.test", PASSWORD) == EVERY


def test_other_refusals_name_their_reason(house):
    assert "there is no customer nobody" in house.refused("domain", "add", "z.test", "--customer", "nobody", "--mode",
                                                          "hosted")
    assert "needs its own mail server" in house.refused("domain", "add", "z.test", "--customer", "acme", "--mode",
                                                        "gateway")
    assert "there is no domain z.test" in house.refused("mailbox", "add", "joe@z.test")
    assert "not a mailbox here" in house.refused("address", "add", "l@example.test", "--type", "list", "--to",
                                                 "x@elsewhere.test")
    assert "still has" in house.refused("customer", "remove", "acme")
    assert "still has" in house.refused("domain", "remove", "example.test")
    house.cli("address", "add", "pin@example.test", "--type", "alias", "--to", "joe@example.test")
    assert "pin@example.test" in house.refused("mailbox", "remove", "joe@example.test")


def test_a_quota_must_fit_the_pool(house):                       # M25
    house.add_customer("small", "1G")
    house.cli("customer", "set", "small", "--allotment", "fixed")
    house.add_domain("small.test", customer="small")
    house.add_mailbox("a@small.test", PASSWORD, "--quota", "600M")
    assert "only" in house.refused("mailbox", "add", "b@small.test", "--quota", "500M")
    house.add_mailbox("b@small.test", PASSWORD, "--quota", "400M")
    assert "only" in house.refused("mailbox", "set", "b@small.test", "--quota", "500M")
    house.cli("mailbox", "set", "a@small.test", "--quota", "500M")
    house.cli("mailbox", "set", "b@small.test", "--quota", "500M")


# -- guessing ---------------------------------------------------------------------------------------------------------

def test_a_wrong_password_takes_as_long_as_an_unknown_name(house):
    """Whatever the account's hash costs: a cheap imported one must not tell that the account exists."""
    house.add_domain("timing.test")
    path = house.write_file("timing.txt", "cheap {PLAIN-MD5}fece0a49029effcf4165481714717e79\n")
    house.cli("import", "accounts", path, "--domain", "timing.test")
    house.add_mailbox("dear@timing.test", PASSWORD)
    times = {"nobody": [], "cheap": [], "dear": []}
    texts = set()
    for _ in range(15):
        for name, taken in times.items():
            session = house.imap()
            started = time.monotonic()
            with pytest.raises(imaplib.IMAP4.error) as refused:
                session.login(f"{name}@timing.test", "Wrong password 1")
            taken.append(time.monotonic() - started)
            texts.add(str(refused.value))
            session.shutdown()
    assert len(texts) == 1, texts
    least = {name: min(taken) for name, taken in times.items()}     # whatever else the machine does only adds
    assert max(least.values()) < 2.5 * min(least.values()), times


def test_guessing_is_stopped_and_locks_nobody_else_out(make_postern):
    p = make_postern(conf={"limits.exempt_networks": "192.0.2.0/24"}).init().start()
    p.add_domain("example.test")
    for name in ("joe", "mary"):
        p.add_mailbox(f"{name}@example.test", PASSWORD)

    def guess(number):
        try:
            p.imap("joe@example.test", f"Guess-number-{number}").logout()
        except (imaplib.IMAP4.error, OSError):
            pass
    threads = [threading.Thread(target=guess, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert logs_in(p, "joe@example.test", PASSWORD) == NONE     # from this network, on every protocol
    assert logs_in(p, "mary@example.test", PASSWORD) == EVERY


# -- crashes ----------------------------------------------------------------------------------------------------------

def test_changes_survive_kill_of_the_room(postern):
    postern.add_domain("example.test")
    for i in range(6):
        postern.add_mailbox(f"u{i}@example.test", PASSWORD)
        postern.kill("directory" if i % 2 else "store")
        assert logs_in(postern, f"u{i}@example.test", PASSWORD) == EVERY
        send(postern, f"u{i}@example.test", "kept")
        assert subjects(postern, f"u{i}@example.test") == ["kept"]


def test_a_login_waits_for_rooms_that_come_back(postern):
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    for role in ("auth", "directory", "store"):
        postern.kill(role)
        assert logs_in(postern, "joe@example.test", PASSWORD) == EVERY


# -- gateway ----------------------------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_gateway_asks_the_old_server_and_remembers(postern, old_server):     # M35, M36
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    assert rcpt(postern, "joe@example.test")[0] == 250
    assert rcpt(postern, "nobody@example.test")[0] == 550
    assert rcpt(postern, "x%ext.test@example.test")[0] == 550
    old_server.stop("postfix")
    assert rcpt(postern, "joe@example.test")[0] == 250          # known
    assert rcpt(postern, "nobody@example.test")[0] == 550       # remembered
    assert rcpt(postern, "mary@example.test")[0] == 250         # never asked: mail waits
    postern.cli("domain", "set", "example.test", "--when-down", "later")
    assert rcpt(postern, "other@example.test")[0] == 451
    postern.cli("domain", "set", "example.test", "--recipients", "list")
    assert rcpt(postern, "other@example.test")[0] == 550
    old_server.start("postfix")


def test_a_move_that_cannot_work_is_refused(postern, old_server):
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    source = f"imap://127.0.0.1:{old_server.ports['imap']}"
    good = postern.write_file("good.txt", "joe@example.test:Joe-old-secret-1\n")
    bad = postern.write_file("bad.txt", "joe@example.test:Wrong\n")
    assert "no mailbox joe@example.test" in postern.refused("move", "start", "example.test", "--from", source, "--tls",
                                                            "none", "--passwords", good)
    postern.add_mailbox("joe@example.test", PASSWORD)
    error = postern.refused("move", "start", "example.test", "--from", source, "--tls", "none", "--passwords", bad)
    assert "joe@example.test" in error and "nothing was changed" in error
    error = postern.refused("move", "start", "example.test", "--from", f"imap://127.0.0.1:{free_port()}", "--tls",
                            "none", "--passwords", good)
    assert "nothing was changed" in error
    error = postern.refused("move", "start", "example.test", "--from", source, "--tls", "none")
    assert "passwords" in error or "master user" in error
    assert postern.json("move", "status", "example.test")["state"] == "none"


def test_a_copy_is_made_proved_and_not_made_twice(postern, old_server):
    old_server.fill("joe@example.test", 60)
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    postern.add_mailbox("joe@example.test", PASSWORD)
    passwords = postern.write_file("passwords.txt", "joe@example.test:Joe-old-secret-1\n")
    source = f"imap://127.0.0.1:{old_server.ports['imap']}"
    args = ("move", "start", "example.test", "--from", source, "--tls", "none", "--passwords", passwords)

    def done():
        status = postern.json("move", "status", "example.test")
        assert status["state"] != "failed", status
        return status if status["state"] == "done" else None
    postern.cli(*args)
    first = wait_until(done, 60, "the copy")
    assert first["messages_new"] == first["messages_total"] == 60
    postern.cli(*args)
    assert wait_until(done, 60, "the second copy")["messages_new"] == 0
    proof = postern.json("move", "proof", "example.test", seconds=120)
    assert proof["complete"] and proof["messages_missing"] == 0 and proof["messages_there"] == 60
    warnings = postern.json("domain", "switch", "example.test", "hosted", "--dry-run")["warnings"]
    assert not any("not copied" in w for w in warnings)
    postern.cli("move", "stop", "example.test")
    assert "passwords" in postern.refused("move", "proof", "example.test")


class SlowPop3(Pop3Server):
    """Greets when it is told to."""

    def __init__(self, *args, **more):
        self.greets = threading.Event()
        super().__init__(*args, **more)

    def _session(self, f):
        self.greets.wait(60)
        super()._session(f)


def test_what_is_set_while_the_old_server_is_asked_stays(postern):
    postern.add_domain("example.test", "gateway", "127.0.0.1:9")
    postern.add_mailbox("joe@example.test", PASSWORD)
    passwords = postern.write_file("passwords.txt", "joe@example.test:old-secret\n")
    with SlowPop3([], password="old-secret") as server, concurrent.futures.ThreadPoolExecutor() as pool:
        start = pool.submit(postern.try_cli, "move", "start", "example.test", "--from", f"pop3://127.0.0.1:{server.port}", "--tls",
                            "none", "--passwords", passwords)
        try:
            wait_until(lambda: server.sessions, 20, "the question")
            postern.cli("domain", "set", "example.test", "--server", "127.0.0.1:7", "--when-down", "later")
        finally:
            server.greets.set()
        done = start.result()
        assert done.returncode == 0, done
    shown = postern.json("domain", "show", "example.test")
    assert (shown["server"], shown["when_down"], shown["phase"]) == ("127.0.0.1:7", "later", "copying")


def test_the_switch_says_what_is_missing(postern, old_server):
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    postern.add_mailbox("joe@example.test", None)
    assert rcpt(postern, "mary@example.test")[0] == 250
    dry = postern.json("domain", "switch", "example.test", "hosted", "--dry-run")
    assert dry["dry_run"] and dry["mode_before"] == "gateway"
    assert any("mary@example.test" in w for w in dry["warnings"])
    assert any("joe@example.test" in w and "password" in w for w in dry["warnings"])
    assert postern.json("domain", "show", "example.test")["mode"] == "gateway"
    assert postern.json("domain", "switch", "example.test", "hosted")["mode"] == "hosted"
    assert rcpt(postern, "mary@example.test")[0] == 550
    assert postern.json("domain", "switch", "example.test", "gateway")["mode"] == "gateway"
    assert rcpt(postern, "mary@example.test")[0] == 250


def test_one_address_lives_here_while_the_rest_is_forwarded(postern, old_server):   # M37
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{old_server.ports['smtp']}")
    postern.add_mailbox("joe@example.test", PASSWORD)
    postern.add_mailbox("mary@example.test", PASSWORD)
    postern.cli("mailbox", "set", "joe@example.test", "--hosted")
    send(postern, "joe@example.test", "here")
    send(postern, "mary@example.test", "there")
    assert subjects(postern, "joe@example.test") == ["here"]

    def arrived():
        imap = imaplib.IMAP4("127.0.0.1", old_server.ports["imap"])
        imap.login("mary@example.test", "Mary-old-secret-1")
        imap.select()
        return imap.search(None, "SUBJECT", "there")[1][0]
    wait_until(arrived, 20, "the mail at the old server")
    assert subjects(postern, "mary@example.test") == []
