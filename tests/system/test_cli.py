# SPDX-License-Identifier: Apache-2.0
"""The command line: usage, what it refuses and how it says so, init, run, reload, doctor, status, man pages."""
import contextlib
import json
import os
import re
import socket
import ssl
import stat
import subprocess

import pytest

from harness import Instance
from harness.instance import ROOT, STOP_SECONDS, binary, tls_context
from harness.wait import wait_until


def nouns():
    """Every operation of the table, from the list of rights."""
    found = {}
    with open(os.path.join(ROOT, "src/room/directory/rights/rights.txt"), encoding="ascii") as f:
        for name in (line.split()[0] for line in f):
            noun, _, verb = name.partition(".")
            if verb and noun != "session":  # that is for the web
                found.setdefault(noun, []).append(verb)
    return found


NOUNS = nouns()
COMMANDS = ["init", "run", "stop", "status", "reload", "doctor", "bulk", "conf", "check", "help"]


def postern(*args, stdin="", **more):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C.UTF-8")
    env.pop("POSTERN_DIR", None)
    return subprocess.run([binary(), *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60, env=env,
                          **more)


@pytest.fixture
def made(make_postern):
    """An instance that was made and does not run."""
    return make_postern().init()


# -- usage ---------------------------------------------------------------------


@pytest.mark.parametrize("args, text", [
    (["frobnicate"], 'there is no command "frobnicate"'),
    (["mailbox", "frobnicate"], 'there is no "mailbox frobnicate"'),
    (["mailbox", "add"], "ADDRESS is missing: expected a mail address"),
    (["mailbox", "add", "joe"], 'ADDRESS: expected a mail address such as name@example.org, got "joe"'),
    (["mailbox", "add", "joe@example.test", "two"], '"two" is one word too many'),
    (["mailbox", "add", "joe@example.test", "--colour", "red"], "there is no option --colour here"),
    (["mailbox", "add", "joe@example.test", "--quota"], "--quota needs a value"),
    (["mailbox", "add", "joe@example.test", "--quota", "lots"], '--quota: expected a size such as 500M'),
    (["mailbox", "add", "joe@example.test", "--password", "x"], "use --password-stdin"),
    (["mailbox", "add", "joe@example.test", "--password-stdin"], "expected a password on stdin, but there is none"),
    (["mailbox", "password", "joe@example.test"], "use --password-stdin"),
    (["address", "add", "x@example.test"], "--type is missing: expected alias, list, redirect or banished"),
    (["domain", "switch", "example.test", "elsewhere"], 'MODE: expected gateway or hosted, got "elsewhere"'),
    (["domain", "switch", "example..test", "hosted"], 'DOMAIN: expected a domain such as example.org'),
    (["customer", "add", "acme", "--pool", "1G", "--pool", "2G"], "--pool: expected this field once only"),
    (["import", "accounts", "--domain", "example.test"], "FILE is missing"),
    (["move", "start", "example.test", "--from", "http://x"], "--from: expected imap://HOST:PORT"),
    (["move", "start", "example.test", "--from", "imap://x", "--password-stdin"], "belongs to --master-user"),
    (["move", "start", "example.test", "--from", "imap://x", "--passwords", "f", "--master-user", "m"],
     "either a file of passwords or a master user"),
    (["queue", "show", "seven"], 'ID: expected a number from 1'),
    (["conf", "frobnicate"], "conf dump|check|man"),
    (["init", "/nonexistent/x", "--port-base", "70000"], "--port-base: expected a number from 0 to 64540"),
    (["status", "now"], '"now" is one word too many'),
    (["mailbox", "list", "--domain", "x\x1b[31m"], "--domain: expected a domain"),
    (["mailbox", "x\x1b[31m"], r"x\x1b[31m"),
])
def test_wrong_usage_is_exit_2_with_the_reason(args, text):
    done = postern("-d", "/nonexistent", *args)
    assert done.returncode == 2, done
    assert text in done.stderr
    assert "\x1b" not in done.stderr
    assert done.stdout == ""


def test_a_refusal_names_the_option(shared_postern):
    """Whatever the sentence says: the option, as it is written here, stands before it."""
    shared_postern.add_customer("options")
    assert "--mode: a domain needs a mode" in shared_postern.refused("domain", "add", "options.test", "--customer", "options")
    shared_postern.cli("domain", "add", "options.test", "--customer", "options", "--mode", "hosted")
    assert "--password-stdin: the password has 5 characters" in shared_postern.refused(
        "mailbox", "add", "joe@options.test", "--password-stdin", stdin="short\n")
    # A word that has no option stands for itself.
    assert "--" not in shared_postern.refused("mailbox", "show", "nobody@options.test")


def test_an_instance_must_be_named():
    for args, text in ((["status"], "-d DIR"), (["init"], "usage: postern init DIR"), (["run"], "-d DIR")):
        done = postern(*args)
        assert done.returncode == 2
        assert text in done.stderr


def test_without_words_it_shows_the_commands():
    done = postern()
    assert done.returncode == 2
    for word in [*COMMANDS, *NOUNS]:
        assert re.search(rf"^  {word} ", done.stdout, re.M), word


@pytest.mark.parametrize("noun, verb", [(n, v) for n, verbs in NOUNS.items() for v in verbs])
def test_every_verb_has_help(noun, verb):
    done = postern(noun, verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: postern [-d DIR] {noun} {verb}")
    assert "--json" in done.stdout
    assert postern("--help", noun, verb).stdout == done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    done = postern(command, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: postern [-d DIR] {command}")


def test_completion_knows_every_word():
    assert {*COMMANDS, *NOUNS} == set(postern("help", "words").stdout.split())
    for noun, verbs in NOUNS.items():
        assert set(verbs) == set(postern("help", "words", noun).stdout.split())
    script = os.path.join(ROOT, "packaging", "bash-completion", "postern")
    path = os.path.dirname(binary()) + ":" + os.environ["PATH"]
    env = dict(os.environ, PATH=path, ASAN_OPTIONS="detect_leaks=0")
    for line, at, expected in (("postern mo", 1, "move"), ("postern -d /x move st", 4, "start status stop"),
                               ("postern move status x --w", 4, "--watch")):
        ask = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={at}; _postern; echo ${{COMPREPLY[*]}}"
        done = subprocess.run(["bash", "-c", ask], env=env, capture_output=True, text=True, timeout=30)
        assert done.stdout.strip() == expected, done


def test_init_with_a_wrong_name_makes_nothing(tmp_path):
    for wrong in ("two names", "a..b", "", "x" * 254):
        done = postern("init", tmp_path / "one", "--host", wrong)
        assert done.returncode == 2 and "host.name: expected a name of a host such as mail.example.org" in done.stderr, done
        assert not (tmp_path / "one").exists()


def test_texts_from_files_are_in_help(tmp_path):
    """What is typed as --text-file stands in the help, in the man page and in the completion."""
    for noun, verb, names in (("autoreply", "set", ["text"]), ("template", "set", ["text", "html"])):
        said, known = postern(noun, verb, "--help").stdout, postern("help", "words", noun, verb).stdout.split()
        for name in names:
            assert f"\n  --{name}-file FILE  " in said and f"--{name}-file" in known
    assert "\\-\\-text\\-file FILE" in postern("help", "man").stdout
    assert "--subject-file" not in postern("autoreply", "set", "--help").stdout     # one line; no file


@pytest.mark.parametrize("page, args", [("postern.1", ["help", "man"]), ("postern.conf.5", ["conf", "man"])])
def test_man_pages_are_in_step(page, args):
    with open(os.path.join(ROOT, "docs", "man", page), encoding="utf-8") as f:
        assert f.read() == postern(*args).stdout, "run tools/update-man"


def test_every_option_is_in_its_man_page(made):
    options = json.loads(made.cli("conf", "dump", "--json"))
    with open(os.path.join(ROOT, "docs", "man", "postern.conf.5"), encoding="utf-8") as f:
        page = f.read().replace("\\-", "-")
    for name in options:
        assert f".B {name}\n" in page


# -- no instance ---------------------------------------------------------------


@pytest.mark.parametrize("args", [["status"], ["reload"], ["mailbox", "list"], ["queue", "list"], ["stop"]])
def test_an_instance_that_does_not_run_is_said(made, args):
    assert f"no instance runs in {made.dir}" in made.refused(*args)


def test_a_folder_that_is_not_there_is_said():
    done = postern("-d", "/nonexistent/x", "status")
    assert done.returncode == 1 and "/nonexistent/x: No such file" in done.stderr


# -- init ----------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_init_keeps_secrets_to_the_owner(made):
    assert mode(made.dir + "/tls") == 0o700
    assert mode(made.dir + "/tls/key.pem") == 0o600
    for name in ("directory", "queue", "store.0"):
        assert mode(f"{made.dir}/data/{name}") == 0o700
    with open(made.dir + "/tls/cert.pem", encoding="ascii") as f:
        assert "PRIVATE KEY" not in f.read()


def test_init_never_touches_an_instance(made):
    with open(made.dir + "/tls/key.pem", "rb") as f:
        before = f.read()
    done = made._run(["init", made.dir])
    assert done.returncode == 1 and "there is an instance" in done.stderr
    with open(made.dir + "/tls/key.pem", "rb") as f:
        assert f.read() == before


def test_init_says_the_login_and_keeps_only_its_hash(make_postern):
    instance = make_postern()
    done = instance._run(["init", instance.dir, "--json"])
    login = json.loads(done.stdout)["provider"]
    assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", login["password"])
    for top, _, names in os.walk(instance.dir):
        for name in names:
            with open(os.path.join(top, name), "rb") as f:
                assert login["password"].encode() not in f.read()


def test_init_where_nothing_may_be_written():
    done = postern("init", "/proc/postern")
    assert done.returncode == 1 and "/proc/postern" in done.stderr


def test_init_that_was_cut_short_can_be_repeated(made):
    os.unlink(made.dir + "/postern.conf")
    assert made._run(["init", made.dir, "--port-base", str(made.port_base)]).returncode == 0


# -- configuration -------------------------------------------------------------


def damage(instance, line):
    with open(instance.dir + "/postern.conf", "a", encoding="utf-8") as f:
        f.write(line + "\n")
    with open(instance.dir + "/postern.conf", encoding="utf-8") as f:
        return len(f.readlines())


@pytest.mark.parametrize("line, expected", [
    ("frobnicate", 'expected "name = value", got "frobnicate"'),
    ("smtp.maxsize = 1M", '"smtp.maxsize": expected the name of an option; did you mean smtp.max_'),
    ("smtp.max_size = 7M", "smtp.max_size: expected this option once, but line"),
])
def test_a_damaged_configuration_names_file_line_and_expectation(made, line, expected):
    where = f"{made.dir}/postern.conf:{damage(made, line)}: "
    for done in (made._run(["-d", made.dir, "conf", "check"]), made._run(["run", made.dir])):
        assert done.returncode == 1, done
        assert where in done.stderr and expected in done.stderr
    assert not os.path.exists(made.dir + "/run/admin.sock")


def test_conf_dump_parses_back(made):
    path = made.write_file("dumped.conf", made.cli("conf", "dump"))
    assert made.json("conf", "dump", path) == made.json("conf", "dump")


# -- run -----------------------------------------------------------------------


def test_a_port_in_use_starts_nothing(made):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", made.port("imaps")))
        taken.listen()
        done = made._run(["run", made.dir])
    assert done.returncode == 1
    assert f"127.0.0.1:{made.port('imaps')}" in done.stderr and "in use" in done.stderr
    for service in ("smtp", "submission", "pop3s"):
        with socket.socket() as free, pytest.raises(ConnectionRefusedError):
            free.connect(("127.0.0.1", made.port(service)))
    made.start()


def test_a_second_run_is_refused(postern):
    done = postern._run(["run", postern.dir], seconds=30)
    assert done.returncode == 1 and "running already" in done.stderr
    postern.status()


def test_nothing_starts_while_a_stopped_instance_is_checked(postern):
    """Its index may be made anew meanwhile. The check cannot end before somebody reads what it says."""
    postern.stop()
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    full = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            full += os.write(theirs, b"x" * 4096)
    os.set_blocking(theirs, True)
    check = postern._spawn(["check", postern.dir, "--rebuild"], stdin=subprocess.DEVNULL, stdout=theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as said:
        wait_until(lambda: "does not answer yet" in postern.refused("status"), 20, "the check")
        done = postern._run(["run", postern.dir], seconds=30)
        assert done.returncode == 1 and "is locked" in done.stderr
        assert "store.0: " in said.read().decode()[full:]
    assert check.wait(30) == 0
    postern.start()


def test_events_are_json_lines_where_asked_for(make_postern):
    instance = make_postern(conf={"log.json": "true", "log.level": "debug"}).init().start()
    instance.cli("customer", "add", "acme")
    instance.stop()
    events = [json.loads(line) for line in instance.log().splitlines()]
    assert {"supervisor.ready", "httpd.request.done"} <= {e["event"] for e in events}
    assert all({"time", "level", "room", "event"} <= set(e) for e in events), events[0]


def test_stop_waits_for_the_end(postern):
    assert postern.cli("stop").strip() == "stopped"
    assert postern.process.wait(STOP_SECONDS) == 0
    postern._forget_process()
    assert "no instance runs" in postern.refused("status")


# -- status, doctor --------------------------------------------------------------


def test_status_shows_rooms(shared_postern):
    status = shared_postern.status()
    assert status["version"] and status["started_ms"] > 0
    assert {"smtpd", "httpd"} <= {r["role"] for r in status["rooms"]}
    for room in status["rooms"]:
        assert room["pid"] > 1 and room["state"] == "ready" and room["rss_bytes"] > 0 and room["restarts"] == 0
    table = shared_postern.cli("status")
    assert re.search(r"^ROOM +PID +STATE +MEMORY +RESTARTS +UP$", table, re.M)
    assert re.search(r"^httpd\.0 +\d+ +ready ", table, re.M)


def test_options_may_stand_anywhere(shared_postern):
    one = postern("-d", shared_postern.dir, "status", "--json")
    two = postern("--json", "status", "-d", shared_postern.dir)
    three = postern("status", f"--dir={shared_postern.dir}", "--json")
    assert [d.returncode for d in (one, two, three)] == [0, 0, 0]
    assert [r["pid"] for r in json.loads(one.stdout)["rooms"]] == [r["pid"] for r in json.loads(three.stdout)["rooms"]]


def findings(done):
    return {(c["check"], c["finding"]): c["text"] for c in json.loads(done.stdout)["checks"]}


class Resolver:
    """Answers every question with REFUSED, which is an answer."""

    def __enter__(self):
        import threading
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        try:
            while True:
                query, peer = self.socket.recvfrom(512)
                self.socket.sendto(query[:2] + b"\x80\x05" + query[4:], peer)
        except OSError:
            pass

    def __exit__(self, *what):
        self.socket.close()


def test_doctor_finds_a_sound_instance_sound(made):
    with Resolver() as dns:
        made.set_option("dns.servers", f"127.0.0.1:{dns.port}")
        done = made.try_cli("doctor", "--json")
        assert done.returncode == 0, done.stdout
        found = findings(done)
        assert "can listen" in found["ports", "ok"] and "1 of 1 resolver answers" in found["dns", "ok"]
        assert {"configuration", "certificate", "disk", "sandbox", "memory"} <= {c for c, _ in found}
        assert re.search(r"^ok +ports ", made.cli("doctor"), re.M)
        made.start()
        assert "answers on" in findings(made.try_cli("doctor", "--json"))["ports", "ok"]


def test_doctor_says_what_is_wrong(made):
    os.chmod(made.dir + "/tls/key.pem", 0o644)
    made.set_option("dns.servers", "127.0.0.1:1")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", made.port("smtp")))
        taken.listen()
        done = made.try_cli("doctor", "--json")
    assert done.returncode == 1 and "something is wrong" in done.stderr
    found = findings(done)
    assert "another program has" in found["ports", "wrong"]
    assert "chmod 600" in found["certificate", "wrong"]
    assert "no resolver answers" in found["dns", "wrong"]


def test_doctor_of_a_damaged_configuration(made):
    line = damage(made, "frobnicate")
    found = findings(made.try_cli("doctor", "--json"))
    assert f"postern.conf:{line}: expected" in found["configuration", "wrong"]


# -- reload --------------------------------------------------------------------


def certificate(instance):
    with socket.create_connection(("127.0.0.1", instance.port("submission")), 10) as plain:
        with tls_context().wrap_socket(plain) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


def replace(source, target):
    """The content only: owner and mode stay."""
    with open(source, "rb") as f, open(target, "r+b") as g:
        g.truncate()
        g.write(f.read())


def test_reload_changes_configuration_and_certificate_without_dropping_sessions(postern, make_postern):
    other = make_postern().init()
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", "Correct-Horse-7-Battery")
    imap = postern.imap("joe@example.test", "Correct-Horse-7-Battery")
    plain, secure = postern.smtp(), postern.submission()
    assert plain.ehlo()[0] == 250 and secure.ehlo()[0] == 250
    before = certificate(postern)
    pids = postern.pids()
    for name in ("cert.pem", "key.pem"):
        replace(f"{other.dir}/tls/{name}", f"{postern.dir}/tls/{name}")
    postern.set_option("smtp.max_size", "7M")
    assert "in force" in postern.cli("reload")
    assert wait_until(lambda: certificate(postern) != before, 10, "the new certificate")

    def size():
        smtp = postern.smtp()
        smtp.ehlo()
        value = smtp.esmtp_features["size"]
        smtp.quit()
        return value
    wait_until(lambda: size() == str(7 << 20), 10, "the new size limit")
    assert plain.noop()[0] == 250 and secure.noop()[0] == 250
    assert imap.select("INBOX")[0] == "OK" and imap.logout()[0] == "BYE"
    assert postern.pids() == pids


def test_domain_add_says_what_is_missing(postern):
    postern.add_customer()
    assert "a domain needs a customer, or alias_of\n" in postern.refused("domain", "add", "example.test")
    assert "a domain needs a mode: gateway or hosted\n" in postern.refused("domain", "add", "example.test", "--customer",
                                                                           "acme")


def test_reload_says_what_waits_for_the_next_start(make_postern):
    """... and a room that starts anew meanwhile is told what the others go by."""
    postern = make_postern().init().start()
    postern.add_domain("example.test")
    postern.set_option("rooms.store", "2")
    postern.set_option("smtp.max_size", "7M")
    for _ in range(2):                          # it waits until it is done, not until it was said
        assert postern.cli("reload").splitlines()[1:] == ["rooms.store waits for the next start"]
    assert postern.json("reload") == {"waiting": ["rooms.store"]}
    postern.kill("directory")
    for n in range(4):
        address = f"user{n}@example.test"
        postern.add_mailbox(address, "Correct-Horse-7-Battery")
        with postern.smtp() as smtp:
            smtp.sendmail("a@elsewhere.test", [address], b"Subject: x\r\n\r\ny\r\n")
        assert len(postern.mail(address, "Correct-Horse-7-Battery")) == 1
    postern.restart()
    assert len(postern.pids("store")) == 2
    assert postern.json("reload") == {"waiting": []}


def test_services_at_one_address_are_refused(postern):
    address = f"127.0.0.1:{postern.port('smtp')}"
    postern.set_option("imap.listen", address)
    for command in (["conf", "check"], ["reload"]):
        why = postern.refused(*command)
        assert "imap.listen: expected addresses of its own, but smtp.listen has one of them" in why, why


def test_reload_of_a_damaged_configuration_changes_nothing(postern):
    before = certificate(postern)
    line = damage(postern, "smtp.max_sizes = 7M")
    assert f"postern.conf:{line}: " in postern.refused("reload")
    assert certificate(postern) == before
    with open(postern.dir + "/postern.conf", encoding="utf-8") as f:
        lines = f.readlines()
    with open(postern.dir + "/postern.conf", "w", encoding="utf-8") as f:
        f.writelines(lines[:-1])
    postern.cli("reload")


def test_reload_of_a_mismatched_certificate_changes_nothing(postern, make_postern):
    other = make_postern().init()
    before = certificate(postern)
    replace(f"{other.dir}/tls/cert.pem", f"{postern.dir}/tls/cert.pem")
    assert "is not the key of" in postern.refused("reload")
    assert certificate(postern) == before
