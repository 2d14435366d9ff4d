# SPDX-License-Identifier: Apache-2.0
"""Refusals in the caller's language, over HTTP and on the command line; names of fields and values stay as they are."""
import http.client
import json
import os
import re
import socket
import subprocess

import pytest

from harness.instance import binary

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


class Api(http.client.HTTPConnection):
    def __init__(self, instance):
        super().__init__("localhost", timeout=60)
        self.path = os.path.join(instance.dir, "run", "admin.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def ask(self, method, path, accept=None, body=None):
        headers = {"Accept-Language": accept} if accept else {}
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        self.request(method, "/api/v1" + path, body, headers)
        answer = self.getresponse()
        return answer, json.loads(answer.read())


@pytest.fixture
def api(shared_postern):
    with_socket = Api(shared_postern)
    yield with_socket
    with_socket.close()


@pytest.mark.parametrize("accept,language", [(None, "en"), ("de", "de"), ("de-AT, en;q=0.5", "de"), ("fr, de;q=0.2", "de"),
                                             ("en, de;q=0.9", "en"), ("fr", "en"), ("de;q=0", "en"), (",;q=;;", "en")])
def test_the_language_is_chosen(api, accept, language):
    answer, problem = api.ask("GET", "/domains/none.test", accept)
    assert answer.status == 404 and answer.getheader("Content-Language") == language
    title, detail = {"en": ("Not found", "there is no domain none.test"),
                     "de": ("Nicht gefunden", "die Domain none.test gibt es nicht")}[language]
    assert problem["title"] == title and problem["detail"] == detail and problem["field"] == "domain"


def test_a_rule_names_field_value_and_rule(api):
    for accept, rule, text in (("en", "a size such as 500M, 2G or a number of bytes", "pool: expected a size"),
                               ("de", "eine Größe wie 500M, 2G oder eine Zahl von Bytes", "pool: erwartet wird eine Größe")):
        answer, problem = api.ask("POST", "/customers", accept, {"customer": "x", "pool": "lots"})
        assert answer.status == 422
        assert (problem["field"], problem["value"], problem["rule"]) == ("pool", "lots", rule)
        assert problem["detail"].startswith(text) and "lots" in problem["detail"]


def test_what_cannot_be_made_is_no_choice(api):
    """Nothing is made a candidate, so nothing offers it."""
    _, problem = api.ask("POST", "/addresses/convert", "de", {"address": ["a@none.test"], "type": "candidate"})
    assert (problem["status"], problem["field"], problem["value"]) == (422, "type", "candidate")
    assert problem["rule"] == "mailbox, alias, list, redirect oder banished"


def test_other_refusals_of_the_api(api):
    for path, detail in (("/nowhere", "diesen Pfad gibt es nicht"), ("/queue/99", "eine wartende Nachricht dieser Nummer gibt es nicht")):
        _, problem = api.ask("GET", path, "de")
        assert problem["detail"] == detail


def test_an_import_names_its_lines(shared_postern):
    shared_postern.add_domain("lines.test")
    path = shared_postern.write_file("accounts.csv", "address,quota\njoe@lines.test,lots\nann@other.test,tons\n")
    done = shared_postern.try_cli("--lang", "de", "import", "accounts", path, "--domain", "lines.test")
    assert done.returncode == 1
    assert "2 Fehler in der Datei, es wurde nichts geändert" in done.stderr
    assert 'Zeile 2: der Speicherplatz "lots" ist keine Größe' in done.stderr
    assert 'Zeile 3: der Speicherplatz "tons" ist keine Größe' in done.stderr
    path = shared_postern.write_file("accounts.csv", "address,quota\nann@other.test,1G\n")
    done = shared_postern.try_cli("--lang", "de", "import", "accounts", path, "--domain", "lines.test")
    assert "Zeile 2: ann@other.test ist nicht in der Domain lines.test" in done.stderr


def cli(instance, *words, **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))} | environment
    done = subprocess.run([binary(), "-d", instance.dir, *words], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("environment,words,german", [
    ({}, (), False), ({"LANG": "de_DE.UTF-8"}, (), True), ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, (), False),
    ({"LC_MESSAGES": "de_CH"}, (), True), ({"LANG": "en_US.UTF-8"}, ("--lang", "de"), True),
    ({"LANG": "de_DE.UTF-8"}, ("--lang=en",), False)])
def test_the_command_line(shared_postern, environment, words, german):
    code, _, err = cli(shared_postern, "customer", "show", "nobody", *words, **environment)
    assert code == 1 and ("den Kunden nobody gibt es nicht" if german else "there is no customer nobody") in err
    code, _, err = cli(shared_postern, "customer", "add", *words, **environment)
    assert code == 2 and ("fehlt: erwartet wird ein Name" if german else "is missing: expected a name") in err
    code, _, err = cli(shared_postern, "nonsense", *words, **environment)
    assert code == 2 and ("den Befehl" if german else "there is no command") in err


def test_headings_and_help_of_the_command_line(shared_postern):
    """In the caller's language; JSON, names of options and postern(1) are the same for everybody."""
    p, german = shared_postern, {"LANG": "de_DE.UTF-8"}
    p.add_domain("heads.test", customer="heads")
    p.add_mailbox("joe@heads.test", None)

    def both(*words):
        return cli(p, *words)[1], cli(p, *words, **german)[1]
    english, said = both("mailbox", "list", "--domain", "heads.test")
    assert english.split()[:3] == ["ADDRESS", "LANGUAGE", "USED"] and said.split()[:3] == ["ADRESSE", "SPRACHE", "BELEGT"]
    assert "MUSS ÄNDERN" in said.splitlines()[0] and len(said.splitlines()) == len(english.splitlines()) == 2
    english, said = both("domain", "show", "heads.test")
    assert english.startswith("domain: ") and said.startswith("Domain: ") and "Empfänger:" in said
    assert [line.split()[-1] for line in english.splitlines()] == [line.split()[-1] for line in said.splitlines()]
    english, said = both("status")
    assert "ROOM " in english and "RAUM " in said and "Postfächer: " in said
    english, said = both("customer", "set", "--help")
    assert "Changes a customer." in english and "Ändert einen Kunden." in said and "--pool GRÖSSE" in said
    assert "--pool SIZE" in english and "Speicherplatz für alle Postfächer des Kunden zusammen" in " ".join(said.split())
    assert "Aufruf: postern" in both("mailbox", "--help")[1] and "legt ein Postfach an" in both("mailbox", "--help")[1]
    assert "Optionen jedes Befehls" in both("help")[1]
    for words in (("mailbox", "list", "--json"), ("help", "man"), ("help", "words", "mailbox")):
        assert len(set(both(*words))) == 1, words


def test_protocols_stay_english(shared_postern):
    with shared_postern.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@b.test")
        code, text = smtp.rcpt("nobody@none.test")
        assert code == 550 and text.decode().isascii()


def test_every_text_is_translated():
    """As `meson test` does: the tool, which has to find a missing text, a left-over one and a wrong conversion."""
    tool = os.path.join(ROOT, "tools", "check-texts")
    assert subprocess.run([tool, ROOT], capture_output=True, timeout=120).returncode == 0


@pytest.mark.parametrize("change,complaint", [
    (lambda po: re.sub(r'msgid "not found"\nmsgstr ".*"\n', "", po), "has no translation of \"not found\""),
    (lambda po: po + '\nmsgid "nobody says this"\nmsgstr "niemand"\n', "in no source any more"),
    (lambda po: po.replace("die Domain %.*s gibt es nicht", "die Domain gibt es nicht"), "conversions"),
    (lambda po: po.replace("die Verbindungen (LimitNOFILE=)", "die Verbindungen (LimitNODATEI=)"), "LimitNOFILE= is typed"),
    (lambda po: po.replace("--rebuild: legt", "--neu: legt"), "--rebuild is typed"),
])
def test_the_tool_finds(tmp_path, change, complaint):
    os.symlink(os.path.join(ROOT, "src"), tmp_path / "src")
    (tmp_path / "lang").mkdir()
    with open(os.path.join(ROOT, "lang", "de.po"), encoding="utf-8") as f:
        (tmp_path / "lang" / "de.po").write_text(change(f.read()), encoding="utf-8")
    done = subprocess.run([os.path.join(ROOT, "tools", "check-texts"), tmp_path], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 1 and complaint in done.stdout


@pytest.mark.parametrize("source, complaint", [
    ('problem_set(why, 1, "to", "there is no %s here", local ? "mailbox" : "list");', '"mailbox" stays English'),
    ('import_fault(e, a, 1, "%s: broken", err_text(err));', "err_text() stays English"),
    ('problem_set(why, 1, "to", "there is no %s here", text_in(why->language, local ? "mailbox" : "list"));', None),
    ('problem_set(why, 1, "to", "there is no %.*s here", SLICE_ARG(admin_get(ad, "customer")));', None)])
def test_the_tool_finds_words_inside_sentences(tmp_path, source, complaint):
    (tmp_path / "src").mkdir()
    (tmp_path / "lang").mkdir()
    (tmp_path / "src" / "x.c").write_text(f"int f(void)\n{{\n\treturn {source}\n}}\n", encoding="utf-8")
    done = subprocess.run([os.path.join(ROOT, "tools", "check-texts"), tmp_path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, complaint is None) in ((0, True), (1, False))
    assert complaint is None or complaint in done.stdout


def test_no_english_inside_german(shared_postern):
    """What kind of address it is, how many are left, what the system said."""
    p = shared_postern
    p.add_domain("words.test", customer="words")
    p.add_mailbox("joe@words.test", None)
    p.cli("address", "add", "info@words.test", "--type", "alias", "--to", "joe@words.test")
    p.cli("address", "add", "no@words.test", "--type", "banished")
    for words, said in ((("mailbox", "add", "info@words.test"), "info@words.test gibt es schon (Alias)"),
                        (("mailbox", "show", "info@words.test"), "info@words.test ist kein Postfach, sondern ein Alias"),
                        (("address", "add", "x@words.test", "--type", "list"), "ein Verteiler braucht eine Adresse"),
                        (("address", "add", "x@words.test", "--type", "banished", "--to", "joe@words.test"),
                         "eine gesperrte Adresse führt nirgendwohin"),
                        (("address", "convert", "no@words.test", "--type", "banished"), "no@words.test ist schon eine gesperrte Adresse"),
                        (("candidate", "promote", "no@words.test", "--type", "mailbox"), "sondern eine gesperrte Adresse"),
                        (("domain", "remove", "words.test"), "die Domain hat noch 1 Postfach"),
                        (("customer", "remove", "words"), "der Kunde hat noch 1 Domain"),
                        (("customer", "set", "words", "--retention", "soon"), "von 1 bis 36500, on, off"),
                        (("import", "accounts", "/nowhere/at-all", "--domain", "words.test"), "diese Datei oder diesen Ordner gibt es nicht"),
                        (("import", "aliases", p.write_file("joe.txt", "joe: no\n"), "--domain", "words.test"),
                         "joe@words.test gibt es schon (Postfach)")):
        done = p.try_cli(*words, "--lang", "de")
        assert done.returncode == 1 and said in done.stderr, (words, done.stdout, done.stderr)
