# SPDX-License-Identifier: Apache-2.0
"""
Reads tests in the language `vnd.dovecot.testsuite` (files *.svtest, as Pigeonhole has them) and plays them with Postern's engine:

    tests/sieve/svtest.py FOLDER [BUILD]      FOLDER holds the files; BUILD is where sieve_play was built (build/)

A test is a block of a script. What is plain Sieve in it runs in the engine, where `test_fail` is a redirect to an address that names
it. `test_set`, `test_script_compile`, `test_script_run` and `test_result_action` are done here. A test that uses more, or
an extension that Postern does not name, is counted as skipped, with what it wanted. The exit status is 0 whatever fails: these
are ideas, and where we differ on purpose stands in tests/README.md.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<line>\#[^\n]*\n?)|(?P<comment>/\*.*?\*/)|(?P<text>text:[ \t]*(?:\#[^\n]*)?\r?\n.*?^\.\r?\n)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\")|(?P<word>:?[A-Za-z_][A-Za-z0-9_.]*)|(?P<number>\d+[KMGkmg]?)|(?P<punct>.)", re.S | re.M)
FOLDERS = {"include": ("included", "included-global")}


class Skip(Exception):
    pass


class Token:
    def __init__(self, kind, text):
        self.kind, self.text = kind, text

    @property
    def value(self):
        """Of a string."""
        if self.kind == "text":
            body = self.text.split("\n", 1)[1]
            return re.sub(r"(?m)^\.", "", re.sub(r"(?m)^\.\r?\n\Z", "", body), count=0)
        return re.sub(r"\\(.)", r"\1", self.text[1:-1], flags=re.S)


def tokens_of(text):
    found = (Token(m.lastgroup, m[0]) for m in TOKEN.finditer(text))
    return [t for t in found if t.kind not in ("space", "line", "comment")]


def statements(tokens):
    """Lists of tokens: up to ; or a closing block on the outermost level; elsif and else belong to their if."""
    out, now, depth = [], [], 0
    for i, t in enumerate(tokens):
        now.append(t)
        if t.kind != "punct":
            continue
        depth += (t.text in "{([") - (t.text in "})]")
        follows = tokens[i + 1].text.lower() if i + 1 < len(tokens) else ""
        if depth == 0 and (t.text == ";" or t.text == "}" and follows not in ("elsif", "else")):
            out.append(now)
            now = []
    return out


def text_of(tokens):
    return " ".join(t.text + ("\n" if t.kind == "text" else "") for t in tokens)


class File:
    def __init__(self, path, play, work):
        self.path, self.folder, self.play, self.work = path, os.path.dirname(path), play, work
        self.counts, self.failures, self.skips = collections.Counter(), [], collections.Counter()
        self.env = {"message": "From: a@example.org\r\n\r\n", "envelope.from": "sender@example.org",
                    "envelope.to": "recipient@example.org"}
        self.before, self.requires, self.script, self.result, self.unfit = [], [], None, None, None

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(text)
        return path

    def run_engine(self, *args):
        done = subprocess.run([self.play, *args], capture_output=True, text=True, errors="replace", timeout=60)
        if done.returncode:
            raise AssertionError("the engine died: " + done.stderr[-2000:])
        return done.stdout.rstrip("\n")

    def run_script(self, path):
        message = self.write("message", re.sub(r"\r?\n", "\r\n", self.env["message"]))
        folders = next((f for n, f in FOLDERS.items() if f"/{n}/" in self.path), ())
        return self.run_engine(path, message, self.env["envelope.from"], self.env["envelope.to"],
                               *[os.path.join(self.folder, f) for f in folders])

    def run_plain(self, plain, reasons):
        if not plain:
            return
        text = self.requires_text(plain) + "\n".join(text_of(s) for s in plain)
        said = self.run_script(self.write("plain.sieve", text))
        hit = re.search(r"redirect fail-(\d+)@", said)
        if hit:
            raise AssertionError(reasons[int(hit[1])])
        if said.startswith("line ") or " failed: " in said:
            raise AssertionError("the engine says: " + said)

    def requires_text(self, plain):
        return "".join(f'require "{name}";\n' for name in self.requires)

    # -- what is done here ------------------------------------------------------------------------------

    def condition(self, tokens):
        """Words of the test language in a condition become true or false."""
        out, i = [], 0
        while i < len(tokens):
            word = tokens[i].text
            if word == "test_set":
                raise Skip("test_set within a condition")
            if not word.startswith("test_") or word == "test_fail":
                out.append(tokens[i])
                i += 1
                continue
            if word == "test_script_compile":
                self.script = os.path.join(self.folder, tokens[i + 1].value)
                said, used = self.run_engine(self.script), 2
                if "is not known here" in said or "no capability" in said:
                    raise Skip(said)
                answer = said == "ok"
            elif word == "test_script_run":
                if not self.script or tokens[i + 1].text.startswith(":"):
                    raise Skip("test_script_run with more")
                self.result, used = self.run_script(self.script), 1
                answer = " failed: " not in self.result
            elif word == "test_result_action":
                used, answer = self.result_action(tokens[i + 1:])
                used += 1
            elif word in ("test_result_execute",):
                used, answer = 1, True
            else:
                raise Skip(word)
            out.append(Token("word", "true" if answer else "false"))
            i += used
        return out

    def result_action(self, tokens):
        if tokens[0].text != ":index" or self.result is None:
            raise Skip("test_result_action with more")
        names = {"fileinto": "store", "ereject": "reject"}
        kinds = [names.get(a.split(" ")[0], a.split(" ")[0]) for a in self.result.split(" failed: ")[0].split("; ")]
        at = int(tokens[1].text) - 1
        return 3, at < len(kinds) and kinds[at] == tokens[2].value

    def statement(self, s, plain, reasons):
        word = s[0].text.lower()
        if word == "test_set":
            self.run_plain(plain, reasons)
            plain[:] = [p for p in plain if p[0].text.lower() == "set"]
            if s[1].value not in self.env or s[2].kind not in ("string", "text"):
                raise Skip("test_set " + s[1].value)
            self.env[s[1].value] = "" if s[2].value == "<>" else s[2].value
        elif word == "test_result_reset":
            self.result = None
        elif word.startswith("test_") and word != "test_fail":
            raise Skip(word)
        else:
            plain.append(self.with_failures(self.condition(s), reasons))

    def with_failures(self, tokens, reasons):
        out, i = [], 0
        while i < len(tokens):
            if tokens[i].text == "test_fail":
                reasons.append(tokens[i + 1].value)
                out += tokens_of(f'redirect "fail-{len(reasons) - 1}@test.invalid"; stop')
                i += 2
            else:
                out.append(tokens[i])
                i += 1
        return out

    # -- all of it --------------------------------------------------------------------------------------

    def test(self, name, body):
        plain, reasons = list(self.before), []
        try:
            if self.unfit:
                raise Skip(self.unfit + " before the tests")
            for s in statements(body):
                self.statement(s, plain, reasons)
            self.run_plain(plain, reasons)
            self.counts["passed"] += 1
        except Skip as e:
            self.counts["skipped"] += 1
            self.skips[str(e)] += 1
        except AssertionError as e:
            self.counts["failed"] += 1
            self.failures.append((name, str(e)))

    def play_all(self):
        with open(self.path, encoding="utf-8", errors="replace") as f:
            tokens = tokens_of(f.read())
        for s in statements(tokens):
            word = s[0].text.lower()
            if word == "test":
                self.test(s[1].value, s[3:-1])
            elif word == "require":
                names = [t.value for t in s if t.kind == "string"]
                self.requires += [n for n in names if n != "vnd.dovecot.testsuite"]
            elif word == "test_set" and s[1].value in self.env and s[2].kind in ("string", "text"):
                self.env[s[1].value] = s[2].value
            elif any(t.text.startswith("test_") and t.text != "test_config_set" for t in s):
                self.unfit = next(t.text for t in s if t.text.startswith("test_"))
            elif not word.startswith("test_"):
                self.before.append(s)


def known(play, names, work):
    path = os.path.join(work, "known.sieve")
    with open(path, "w") as f:
        f.write("".join(f'require "{n}";\n' for n in names))
    return subprocess.run([play, path], capture_output=True, text=True).stdout.strip() == "ok"


def main(folder, build="build"):
    play = os.path.abspath(os.path.join(build, "tests", "sieve", "sieve_play"))
    total, foreign = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as work:
        for root, _, names in sorted(os.walk(os.path.abspath(folder))):
            for name in sorted(n for n in names if n.endswith(".svtest")):
                f = File(os.path.join(root, name), play, work)
                f.play_all()
                short = os.path.relpath(f.path, folder)
                if not known(play, f.requires, work):
                    foreign += 1
                    continue
                total.update(f.counts)
                print(f"{short}: " + ", ".join(f"{n} {k}" for k, n in sorted(f.counts.items())))
                for test, why in f.failures:
                    print(f"    FAILED {test}: {why}")
                for why, n in f.skips.items():
                    print(f"    skipped {n}: {why}")
    print(f"{dict(total)}; {foreign} files of extensions that are not ours")


if __name__ == "__main__":
    main(*sys.argv[1:])
