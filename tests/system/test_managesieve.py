# SPDX-License-Identifier: Apache-2.0
"""ManageSieve (RFC 5804) as clients speak it, on a running instance."""
import contextlib
import itertools
import os
import shutil
import sqlite3
import subprocess

import pytest
from harness import wait_until
from harness.doors import NONE, logs_in
from peers.managesieve import ManageSieve

PASSWORD = "Correct-horse-1"
SCRIPT = 'require "fileinto";\r\n# Grüße\r\nfileinto "Läden";\r\n'
numbers = itertools.count(1)


class House:
    def __init__(self, postern):
        self.postern = postern
        self.domain = f"manage{next(numbers)}.test"
        postern.add_domain(self.domain)
        self.joe, self.mary = f"joe@{self.domain}", f"mary@{self.domain}"
        for who in (self.joe, self.mary):
            postern.add_mailbox(who, PASSWORD)

    def connect(self):
        return ManageSieve(self.postern.port("sieve"))

    def session(self, who=None, password=PASSWORD):
        client = self.connect().start_tls()
        answer = client.login(who or self.joe, password)
        assert answer.ok, answer
        return client


@pytest.fixture
def house(shared_postern):
    return House(shared_postern)


def test_greeting_tells_what_there_is(house):
    client = house.connect()
    assert client.greeting.ok
    assert client.capabilities["IMPLEMENTATION"] == "Postern"
    assert client.capabilities["SASL"] == ""            # nothing before TLS
    assert "STARTTLS" in client.capabilities
    assert client.capabilities["VERSION"] == "1.0"
    assert {"fileinto", "vacation", "include", "imap4flags"} <= set(client.capabilities["SIEVE"].split())
    client.start_tls()
    assert client.capabilities["SASL"] == "PLAIN" and "STARTTLS" not in client.capabilities
    assert client.login(house.joe, PASSWORD).ok
    assert ["OWNER", house.joe] in client.do("CAPABILITY").lines
    assert client.do("LOGOUT").ok


def test_no_password_is_taken_in_clear(house):
    client = house.connect()
    answer = client.login(house.joe, PASSWORD)
    assert answer.status == "NO" and answer.code == "ENCRYPT-NEEDED"
    assert not client.do("LISTSCRIPTS").ok


def test_what_comes_in_clear_behind_starttls_is_dropped(house):
    """THREATS S05, for ManageSieve."""
    client = house.connect()
    client.send("STARTTLS\r\nNOOP \"injected\"\r\nCAPABILITY\r\n")
    assert client.answer().ok
    client.wrap()
    assert client.rest == b""
    answer = client.do("NOOP", "mine")
    assert answer.code.startswith("TAG") and not answer.lines, answer
    assert "injected" not in repr(answer)
    client.login(house.joe, PASSWORD)
    assert client.do("NOOP").text == "Done"


def test_the_life_of_a_script(house):
    client = house.session()
    assert client.scripts() == {}
    assert client.do("CHECKSCRIPT", SCRIPT).ok
    assert client.do("PUTSCRIPT", "täglich \"1\"", SCRIPT).ok
    assert client.do("PUTSCRIPT", "other", "keep;").ok
    assert client.scripts() == {"täglich \"1\"": False, "other": False}
    assert client.do("GETSCRIPT", "täglich \"1\"").lines[0] == [SCRIPT]
    assert client.do("SETACTIVE", "other").ok
    assert client.do("DELETESCRIPT", "other").code == "ACTIVE"
    assert client.do("SETACTIVE", "täglich \"1\"").ok
    assert client.scripts() == {"täglich \"1\"": True, "other": False}
    assert client.do("RENAMESCRIPT", "täglich \"1\"", "other").code == "ALREADYEXISTS"
    assert client.do("RENAMESCRIPT", "täglich \"1\"", "daily").ok
    assert client.scripts() == {"daily": True, "other": False}
    assert client.do("SETACTIVE", "").ok
    assert client.do("DELETESCRIPT", "daily").ok
    for command in ("GETSCRIPT", "DELETESCRIPT", "SETACTIVE"):
        assert client.do(command, "daily").code == "NONEXISTENT"
    assert client.do("RENAMESCRIPT", "daily", "x").code == "NONEXISTENT"
    # The same scripts as the command line's.
    assert [s["name"] for s in house.postern.json("sieve", "list", house.joe)["items"]] == ["other"]
    client.do("LOGOUT")


def test_a_broken_script_is_refused_with_its_place(house):
    client = house.session()
    assert client.do("PUTSCRIPT", "a", "keep;").ok
    for command in (("PUTSCRIPT", "a"), ("CHECKSCRIPT",)):
        answer = client.do(*command, "keep;\r\nfileinto \"x\";\r\n")
        assert answer.status == "NO"
        assert "line 2, column 1: this needs require \"fileinto\"" in answer.text
    assert client.do("GETSCRIPT", "a").lines[0] == ["keep;"]


def test_limits(house):
    client = house.session()
    most = 64 * 1024
    assert client.do("PUTSCRIPT", "a", "keep;" + " " * (most - 5)).ok
    assert client.do("PUTSCRIPT", "b", "keep;" + " " * (most - 4)).code == "QUOTA/MAXSIZE"
    assert client.do("NOOP").ok                         # the session goes on
    client.send(f'HAVESPACE "b" {most}\r\n')
    assert client.answer().ok
    client.send(f'HAVESPACE "b" {most + 1}\r\n')
    assert client.answer().code == "QUOTA/MAXSIZE"
    assert client.do("PUTSCRIPT", "b", " " * most).ok
    client.send('HAVESPACE "c" 1\r\n')
    assert client.answer().code == "QUOTA/MAXSIZE"
    assert client.do("PUTSCRIPT", "c", " ").code == "QUOTA/MAXSIZE"
    assert client.do("DELETESCRIPT", "b").ok
    for i in range(31):
        assert client.do("PUTSCRIPT", f"s{i}", "keep;").ok
    assert client.do("PUTSCRIPT", "one more", "keep;").code == "QUOTA/MAXSCRIPTS"
    client.send('HAVESPACE "one more" 1\r\n')
    assert client.answer().code == "QUOTA/MAXSCRIPTS"


def test_everybody_has_scripts_of_his_own(house):
    joe, mary = house.session(), house.session(house.mary)
    assert joe.do("PUTSCRIPT", "a", "keep;").ok
    assert mary.scripts() == {}
    assert mary.do("GETSCRIPT", "a").code == "NONEXISTENT"
    assert mary.do("PUTSCRIPT", "a", "discard;").ok
    assert joe.do("GETSCRIPT", "a").lines[0] == ["keep;"]


def test_unauthenticate_gives_the_login_back(house):
    client = house.session()
    assert client.do("PUTSCRIPT", "a", "keep;").ok
    assert client.do("UNAUTHENTICATE").ok
    assert not client.do("LISTSCRIPTS").ok
    assert client.login(house.mary, PASSWORD).ok
    assert client.scripts() == {}


def test_wrong_passwords(house):
    client = house.connect().start_tls()
    answer = client.login(house.joe, "nonsense")
    assert (answer.status, answer.text) == ("NO", "Wrong name or password")
    assert not client.login("nobody@" + house.domain, PASSWORD).ok
    assert not client.login(house.mary, PASSWORD, authzid=house.joe).ok     # in another's name
    assert client.login(house.joe, PASSWORD).ok


def test_a_new_password_ends_the_session(house):
    client = house.session()
    assert client.scripts() == {}
    house.postern.cli("mailbox", "password", house.joe, "--password-stdin", stdin="Another-horse-2\n")
    client.send("LISTSCRIPTS\r\n")
    assert client.answer().status == "BYE"
    assert house.session(password="Another-horse-2").scripts() == {}


def test_an_app_password_opens_it_where_it_is_for_it(house):
    def made(name, *protocols):
        words = [word for p in protocols for word in ("--protocol", p)]
        return house.postern.json("apppassword", "add", house.joe, name, *words)

    mail, rules, both = made("mail", "imap", "pop3", "submission"), made("rules", "sieve"), made("both")
    assert rules["protocols"] == ["sieve"] and both["protocols"] == ["imap", "pop3", "submission", "sieve"]
    assert not house.connect().start_tls().login(house.joe, mail["password"]).ok
    assert logs_in(house.postern, house.joe, rules["password"]) == NONE
    client, other = house.session(password=rules["password"]), house.session(password=both["password"])
    own = house.session()
    assert client.do("PUTSCRIPT", "a", "keep;").ok and other.scripts() == {"a": False}
    house.postern.cli("apppassword", "remove", house.joe, "rules")
    client.send("LISTSCRIPTS\r\n")
    assert client.answer().status == "BYE"
    assert not house.connect().start_tls().login(house.joe, rules["password"]).ok
    assert other.scripts() == own.scripts() == {"a": False}     # those of the other passwords go on
    house.postern.cli("mailbox", "password", house.joe, "--password-stdin", stdin="Another-horse-2\n")
    for session in (other, own):
        session.send("LISTSCRIPTS\r\n")
        assert session.answer().status == "BYE"


@pytest.mark.parametrize("end", ["LOGOUT", "UNAUTHENTICATE", "gone", "goodbye"])
def test_what_the_login_gave_is_given_back(postern, end):
    """Nothing of the session is left in the directory's table of tokens, however it ended."""
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    client = ManageSieve(postern.port("sieve")).start_tls()
    assert client.login("joe@example.test", PASSWORD).ok and client.scripts() == {}
    if end == "gone":
        client.sock.close()
    elif end == "goodbye":
        with contextlib.suppress(ConnectionError):
            client.send("X" * 200000)   # a line without an end
    else:
        assert client.do(end).ok
    wait_until(lambda: postern.room("sieved")["counters"]["logouts"] == 1, 10, "the session's end")
    postern.stop()
    with contextlib.closing(sqlite3.connect(os.path.join(postern.dir, "data", "directory", "directory.db"))) as db:
        assert db.execute("SELECT count(*) FROM token").fetchone() == (0,)


def test_sessions_outlive_a_crash_of_directory(house):
    client = house.session()
    assert client.do("PUTSCRIPT", "a", "keep;").ok
    house.postern.kill("directory")
    wait_until(lambda: client.do("LISTSCRIPTS").ok, 20, "scripts to be listed again")
    assert client.scripts() == {"a": False}


def test_sieve_connect(house, tmp_path):
    """Debian's client, over STARTTLS: put, list, activate, get, remove."""
    program = shutil.which("sieve-connect")
    if not program:
        pytest.skip("sieve-connect is missing")
    (tmp_path / "mine.sieve").write_text('require "fileinto"; fileinto "x";\n')
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")

    def client(*words):
        with open(password) as stdin:
            fd = stdin.fileno()
            return subprocess.run(
                [program, "--server", "127.0.0.1", "--port", str(house.postern.port("sieve")), "--user", house.joe,
                 "--authmech", "PLAIN", "--notlsverify", "--nosslverify", "--passwordfd", str(fd), *words],
                pass_fds=[fd], capture_output=True, text=True, timeout=60, cwd=tmp_path, env={"HOME": str(tmp_path),
                                                                                           "PATH": "/usr/bin:/bin"})

    done = client("--upload", "--localsieve", "mine.sieve", "--remotesieve", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    done = client("--activate", "--remotesieve", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {s["name"]: s["active"] for s in house.postern.json("sieve", "list", house.joe)["items"]} == {"mine": True}
    assert "mine" in client("--list").stdout
    done = client("--download", "--remotesieve", "mine", "--localsieve", "back.sieve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "back.sieve").read_text().strip() == (tmp_path / "mine.sieve").read_text().strip()
