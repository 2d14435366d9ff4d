# SPDX-License-Identifier: Apache-2.0
"""The command line for somebody who speaks German: help of every option, the doctor, files that are wrong, what a start
says, pictures and findings; keys and values of JSON, events and man pages stay as they are."""
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import unicodedata

import pytest

from harness.instance import ROOT, binary
from test_cli import COMMANDS, NOUNS, Resolver

GERMAN = {"LANG": "de_DE.UTF-8"}
VERBS = [(noun, verb) for noun, verbs in NOUNS.items() for verb in verbs]
# Words that no German sentence has; values that are typed (hosted, domain, mailbox.set) are not among them.
ENGLISH = re.compile(r"\b(the|of|for|with|where|which|when|whose|who|is|are|its|that|it|and|or|only|those|mail address|"
                     r"customer's|without|cannot|expected|got|usage|may|must|not|how|what|one|to|ADDRESS|SIZE|FILE|DIR)\b")


def german(*words, stdin="", directory=None, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "POSTERN_DIR"))} | GERMAN | more
    env["ASAN_OPTIONS"] = "detect_leaks=0"
    where = ["-d", directory] if directory else []
    return subprocess.run([binary(), *where, *map(str, words)], input=stdin, env=env, capture_output=True, text=True, timeout=60)


def columns(line):
    return sum(0 if unicodedata.combining(c) else 1 for c in line)


def said(text):
    """Without what is typed or a name: options, things in quotes or backquotes, words with points."""
    text = " ".join(text.split())
    return re.sub(r"do-not-reply@|--[\w-]+|\b\w+(\|\w[\w-]*)+|`[^`]*`|\"[^\"]*\"|\([a-z-]+\)|\b(name|import|export|move|template|domain) \w+\b", "", text)


@pytest.mark.parametrize("noun, verb", VERBS)
def test_help_of_every_option_is_german_and_fits(noun, verb):
    done = german(noun, verb, "--help")
    assert done.returncode == 0 and done.stdout.startswith("Aufruf: postern [-d ORDNER] ")
    assert not ENGLISH.search(said(done.stdout)), (ENGLISH.search(said(done.stdout)), done.stdout)
    usage, sentence, rest = done.stdout.split("\n\n")
    for line in rest.splitlines():
        text = re.fullmatch(r"  (\S.{16}) (\S.*)|  (-\S.*|[A-Z]\S*)| {20}(\S.*)", line)
        assert text, line   # the text begins in the same column everywhere
    for line in done.stdout.splitlines():
        assert columns(line) <= 80 or " " not in line.strip(), line


def test_help_fits_the_terminal():
    """Lines break between words, an umlaut is one column, and brackets of the usage are not torn."""
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **GERMAN)
    for wide in (50, 72, 200):
        out = subprocess.run(["script", "-qec", f"stty cols {wide} rows 40; {binary()} mailbox set --help", "/dev/null"], env=env,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout.replace("\r", "")
        lines = out.splitlines()
        options = lines[:next(i for i, line in enumerate(lines) if line.startswith("  -d "))]
        assert max(map(columns, options)) <= min(wide, 100) and any(columns(line) > min(wide, 100) - 25 for line in options)
        assert all(line.count("[") == line.count("]") for line in options), out
        assert "Speicherplatz dieses Postfachs, 0 für keine Grenze; eine Größe wie 500M" in " ".join(out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_is_german(command):
    done = german(command, "--help")
    assert done.returncode == 0 and not ENGLISH.search(said(done.stdout)), done.stdout
    assert not ENGLISH.search(said(german("help").stdout))


@pytest.mark.parametrize("words, error", [
    (["mailbox", "add"], "ADRESSE fehlt: erwartet wird eine Mailadresse"),
    (["mailbox", "add", "joe"], 'ADRESSE: erwartet wird eine Mailadresse wie name@example.org, angegeben ist "joe"'),
    (["import", "accounts", "--domain", "example.test"], "DATEI fehlt"),
    (["domain", "switch", "example.test", "elsewhere"], 'BETRIEB: erwartet wird gateway oder hosted, angegeben ist "elsewhere"'),
    (["queue", "show", "seven"], "NUMMER: erwartet wird eine Zahl von 1"),
    (["plan", "set", "example.test", "--day", "soon"], '--day: erwartet wird ein Tag wie 2026-12-24, angegeben ist "soon"'),
    (["mailbox", "password", "joe@example.test"], "nehmen Sie --password-stdin"),
    (["check", "--quickly"], "Aufruf: postern check [ORDNER] [--rebuild]")])
def test_what_is_missing_is_named_as_help_does(words, error):
    done = german(*words, directory="/nonexistent")
    assert done.returncode == 2 and error in done.stderr


@pytest.fixture
def made(make_postern):
    return make_postern().init()


def test_the_doctor_speaks_german(made):
    os.chmod(made.dir + "/tls/key.pem", 0o644)
    made.set_option("dns.servers", "127.0.0.1:1")
    done = german("doctor", directory=made.dir)
    assert done.returncode == 1 and "etwas stimmt nicht, siehe oben" in done.stderr
    assert not ENGLISH.search(said(done.stdout)), done.stdout
    assert re.search(r"^Fehler +DNS +kein Resolver antwortet", done.stdout, re.M)
    assert re.search(r"^gut +Konfiguration +\S+ ist gültig$", done.stdout, re.M)
    assert len({line.index(re.split("  +", line)[2]) for line in done.stdout.splitlines()}) == 1    # one column
    found = json.loads(german("doctor", "--json", directory=made.dir).stdout)["checks"]
    assert {c["finding"] for c in found} <= {"ok", "note", "wrong"}
    assert {"certificate", "dns", "sandbox"} <= {c["check"] for c in found}
    with Resolver() as dns:
        made.set_option("dns.servers", f"127.0.0.1:{dns.port}")
        assert "Antwort von 1 von 1 Resolver" in german("doctor", directory=made.dir).stdout


@pytest.mark.parametrize("line, error", [
    ("frobnicate", 'erwartet wird "Name = Wert", hier steht "frobnicate"'),
    ("smtp.max_sice = 1M", '"smtp.max_sice": erwartet wird der Name einer Option; meinten Sie smtp.max_size?'),
    ("queue.retry = soon", "erwartet wird der Name einer Option"),
    ("host.name = x", "host.name: erwartet wird diese Option nur einmal, sie steht aber schon in Zeile"),
    ("x" * 5000, "erwartet werden Zeilen von höchstens 4096 Bytes")])
def test_a_wrong_line_is_told_by_whoever_reads_the_file(made, line, error):
    with open(made.dir + "/postern.conf", "a", encoding="utf-8") as f:
        f.write(line + "\n")
    with open(made.dir + "/postern.conf", encoding="utf-8") as f:
        number = len(f.readlines())
    for words in (("conf", "check"), ("run", made.dir), ("check",)):
        done = german(*words, directory=made.dir)
        assert done.returncode == 1 and f"postern.conf:{number}: " in done.stderr and error in done.stderr, done
    assert error in german("doctor", directory=made.dir).stdout


@pytest.mark.parametrize("option, value, error", [
    ("log.json", "perhaps", 'true oder false, angegeben ist "perhaps"'), ("log.level", "loud", "debug, info, warn oder error"),
    ("smtp.max_size", "1", "eine Größe von 64K bis 1G"), ("smtp.timeout", "1", "eine Dauer (ms, s, m, h, d) von 1s bis 1h"),
    ("host.name", "two names", "ein Rechnername wie mail.example.org, ang"), ("web.url", "ftp://x", "eine Adresse wie https://mail.example.org"),
    ("domain.alternate_base", "a b", "mail.example.org, oder nichts"), ("smtp.listen", "25", "Adressen mit Ports wie 127.0.0.1:2025"),
    ("dns.servers", "one", "Adressen wie 192.0.2.53"), ("tls.key", "", "ein Text von 1")])
def test_what_each_kind_of_option_takes(made, option, value, error):
    made.set_option(option, value)
    done = german("conf", "check", directory=made.dir)
    assert done.returncode == 1 and f"{option}: erwartet wird " in done.stderr and error in done.stderr, done


def test_a_reload_says_it_to_whoever_asked(make_postern):
    p = make_postern().init()
    p.start()
    p.set_option("smtp.max_errors", "many")
    done = german("reload", directory=p.dir)
    assert done.returncode == 1 and 'smtp.max_errors: erwartet wird eine Zahl von 3 bis 1000, angegeben ist "many"' in done.stderr
    assert 'expected a number from 3 to 1000, got "many"' in p.try_cli("reload").stderr
    p.set_option("smtp.max_errors", "30")
    assert german("reload", directory=p.dir).stdout == "Konfiguration und Zertifikat sind in Kraft\n"


def test_a_new_instance_is_explained_in_german(tmp_path):
    done = german("init", tmp_path / "neu", "--port-base", "30000")
    assert done.returncode == 0 and "In " in done.stdout and not ENGLISH.search(said(done.stdout.replace(str(tmp_path), "")))
    text = (tmp_path / "neu" / "postern.conf").read_text(encoding="utf-8")
    assert "# größte Nachricht, die angenommen wird: eine Größe von 64K bis 1G\n" in text and "[Neustart]" in text
    assert not [line for line in text.splitlines() if line.startswith("#") and ENGLISH.search(said(line))]
    for environment in ({}, {"LANG": "C"}):   # the settings do not depend on the language
        dumped = german("conf", "dump", directory=str(tmp_path / "neu"), **environment)
        assert [line for line in dumped.stdout.splitlines() if not line.startswith("#")] == \
               [line for line in text.splitlines() if not line.startswith("#")]
    assert german("conf", "check", directory=str(tmp_path / "neu")).stdout.endswith("ist gültig\n")


def test_the_state_of_an_instance(shared_postern):
    p = shared_postern
    done = german("status", "--trials", directory=p.dir)
    assert done.returncode == 0 and re.search(r"^store\.0 +\d+ +bereit ", done.stdout, re.M)
    assert "RAUM DARF" in done.stdout and "öffnen" in done.stdout and " nein " in done.stdout
    rooms = json.loads(german("status", "--json", directory=p.dir).stdout)["rooms"]
    assert {r["state"] for r in rooms} == {"ready"}
    jobs = german("timer", "list", directory=p.dir).stdout
    assert "löscht Post, die älter ist" in jobs and not ENGLISH.search(said(jobs)), jobs
    kinds = german("template", "list", directory=p.dir).stdout
    assert "das Postfach ist zu 80 % voll" in kinds
    shown = german("template", "show", "invitation", directory=p.dir).stdout
    assert "{link}  wohin man gehen soll" in shown and "\nText:\n" in shown


def test_sentences_about_domains_and_addresses(shared_postern):
    p = shared_postern
    p.add_domain("satz.test", customer="satz")
    p.cli("domain", "set", "satz.test", "--server", "127.0.0.1:2525")
    assert "satz.test ginge von hosted zu gateway\n" in german("domain", "switch", "satz.test", "gateway", "--dry-run", directory=p.dir).stdout
    notes = {mode: german("domain", "switch", "satz.test", mode, "--dry-run", directory=p.dir).stdout.splitlines()[1:]
             for mode in ("gateway", "hosted")}
    assert notes == {"gateway": ["  Hinweis: Post, die hier angekommen ist, bleibt hier; neue geht an den alten Server"],
                     "hosted": ["  Hinweis: die Domain hat keine Postfächer: ihre ganze Post würde abgelehnt"]}
    for n in range(22):
        p.add_mailbox(f"n{n:02}@satz.test", None)
    notes = german("domain", "switch", "satz.test", "hosted", "--dry-run", directory=p.dir).stdout.splitlines()[1:]
    assert notes[0] == "  Hinweis: niemand kann sich anmelden, es hat kein Passwort: n00@satz.test"
    assert notes[20] == "  Hinweis: niemand kann sich anmelden, es hat kein Passwort: 2 weitere"
    assert not ENGLISH.search(said("\n".join(notes)))
    p.add_mailbox("joe@satz.test", None)
    p.add_mailbox("amy@satz.test", None)
    done = german("address", "convert", "amy@satz.test", "--type", "alias", "--to", "joe@satz.test", "--discard-mail", directory=p.dir)
    assert done.stdout.startswith("amy@satz.test: Postfach -> Alias"), done
    p.cli("admin", "add", "chef", "--customer", "satz", "--recovery", "chef@draussen.test")
    for shown in (german("admin", "show", "chef", directory=p.dir), german("admin", "show", "chef", "--lang", "en", directory=p.dir)):
        lines = shown.stdout.splitlines()
        assert lines[-1].split()[1:] in (["Kunde", "satz"], ["customer", "satz"])
        assert len({re.match(r"[^:]+: +", line).end() for line in lines}) == 1, shown.stdout     # one column


def test_faults_of_stored_mail(make_postern):
    p = make_postern().init()
    p.start()
    p.add_domain("faul.test")
    p.add_mailbox("joe@faul.test", None)
    p.stop()
    with contextlib.closing(sqlite3.connect(p.dir + "/data/store.0/store.db")) as db, db:
        db.execute("UPDATE account SET used_messages = 7")
    done = german("check", directory=p.dir)
    assert done.returncode == 1 and "Fehler: Konten mit falschen Zählern (1, 0)" in done.stdout, done
    assert re.search(r"^store\.0: 1 Konto, \d+ Ordner, \d+ Nachrichten, \d+ Fehler$", done.stdout, re.M)
    assert "accounts with wrong counters (1, 0)" in german("check", "--json", directory=p.dir).stdout


def test_pages_of_the_manual_stay_english():
    for words in (("help", "man"), ("conf", "man")):
        assert german(*words).stdout == german(*words, LANG="C").stdout


@pytest.mark.parametrize("path, change", [
    ("proto/api/ops.h", ('"storage for this mailbox, 0 for none"', '"room for this mailbox, 0 for none"')),
    ("proto/api/ops_address.c", ('P_Q("address")', 'P_Q("nickname")')),
    ("proto/api/ops_queue.c", ('"tell the sender"', '"say so to the sender"')),
    ("cli/doctor.c", ('"the certificate cannot be read"', '"nobody can read the certificate"')),
    ("lib/conf/conf_options.c", ('"largest message that is accepted"', '"largest accepted message"'))])
def test_a_new_text_of_help_or_doctor_needs_its_german(tmp_path, path, change):
    shutil.copytree(os.path.join(ROOT, "src"), tmp_path / "src", ignore=shutil.ignore_patterns("*.proto", "test_*"))
    os.symlink(os.path.join(ROOT, "lang"), tmp_path / "lang")
    file = tmp_path / "src" / path
    assert change[0] in file.read_text(encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    done = subprocess.run([os.path.join(ROOT, "tools", "check-texts"), tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and f"src/{path}: de.po has no translation of " in done.stdout, done.stdout
