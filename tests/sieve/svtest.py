# SPDX-License-Identifier: Apache-2.0
"""
Reads tests in the language `vnd.dovecot.testsuite` (files *.svtest, as Pigeonhole has them) and plays them with Postern's engine:

    tests/sieve/svtest.py FOLDER [BUILD]      FOLDER holds the files; BUILD is where sieve_play was built (build/)

A test is a block of a script. What is plain Sieve in it runs in the engine, where `test_fail` is a redirect to an address that names
it. Words of the test language are done here: a script is compiled and run, its actions are counted and looked at, mailboxes
are there. Of `test_error` only whether there is one counts, since we tell the first error alone, in words of our own;
`test_message` finds the message itself in folders and redirects, not replies, which the engine does not write; saved binaries and
a reload change nothing. A test that uses more, or an extension that Postern does not name, is counted as skipped, with what it
wanted. The exit status is 0 whatever fails: these are ideas, and where we differ on purpose stands in tests/README.md.
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
RELATIONS = {"gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
             "eq": lambda a, b: a == b, "ne": lambda a, b: a != b}
NAMES = {"fileinto": "store", "ereject": "reject"}      # of actions: ours, theirs
IDLE = {"test_config_reload", "test_result_print", "test_binary_save", "test_binary_load"}


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
        self.refused, self.mailboxes = False, []

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

    def set_message(self, text):
        """The envelope is the header's, until the test says another."""
        self.env["message"] = text
        header = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
        for name, fields in (("envelope.from", "Return-Path|Sender|From"), ("envelope.to", "Envelope-To|To")):
            found = re.search(rf"(?im)^(?:{fields}):.*?([^\s<>:,;\"]+@[^\s<>:,;\"]+)", header)
            self.env[name] = found[1] if found else {"envelope.from": "sender", "envelope.to": "recipient"}[name] + "@example.com"

    def run_scripts(self, *paths):
        message = self.write("message", re.sub(r"\r?\n", "\r\n", self.env["message"]))
        folders = next((f for n, f in FOLDERS.items() if f"/{n}/" in self.path), None)
        options = [f"-m{m}" for m in self.mailboxes] + [f"-s{p}" for p in paths[1:]]
        if folders:
            options += [f"-p{os.path.join(self.folder, folders[0])}", f"-g{os.path.join(self.folder, folders[1])}"]
        return self.run_engine(*options, paths[0], message, self.env["envelope.from"], self.env["envelope.to"])

    def run_plain(self, plain, reasons):
        """What comes of it, as the engine prints it."""
        if not plain:
            return "keep"
        text = self.requires_text(plain) + "\n".join(text_of(s) for s in plain)
        said = self.run_scripts(self.write("plain.sieve", text))
        hit = re.search(r"redirect fail-(\d+)@", said)
        if hit:
            raise AssertionError(reasons[int(hit[1])])
        if said.startswith("line ") or " failed: " in said:
            raise AssertionError("the engine says: " + said)
        return said

    def requires_text(self, plain):
        return "".join(f'require "{name}";\n' for name in self.requires)

    # -- what is done here ------------------------------------------------------------------------------

    def condition(self, tokens, plain, reasons):
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
            act = getattr(self, "is_" + word[5:], None)
            if not act:
                raise Skip(word)
            rest = tokens[i + 1:]
            if word == "test_multiscript":
                end = 1 + next(n for n, t in enumerate(rest) if t.text == "]")
            else:
                end = next((n for n, t in enumerate(rest) if t.kind == "punct" and t.text in ")}{;,"), len(rest))
            out.append(Token("word", "true" if act(rest[:end], plain, reasons) else "false"))
            i += 1 + end
        return out

    def compile_one(self, name):
        path = os.path.join(self.folder, name)
        said = self.run_engine(path)
        if "is not known here" in said or "no capability" in said:
            raise Skip(said)
        return path, said == "ok"

    def is_script_compile(self, args, plain, reasons):
        self.script, fits = self.compile_one(args[0].value)
        self.refused = not fits
        return fits

    def is_script_run(self, args, plain, reasons):
        if not self.script or args:
            raise Skip("test_script_run with more")
        self.result = self.run_scripts(self.script)
        self.refused = " failed: " in self.result
        return not self.refused

    def is_multiscript(self, args, plain, reasons):
        names = [t.value for t in args if t.kind == "string"]
        self.result = self.run_scripts(*[self.compile_one(n)[0] for n in names])
        self.refused = " failed: " in self.result
        return not self.refused

    def is_error(self, args, plain, reasons):
        return self.count(args, int(self.refused), self.refused) if args[0].text == ":count" else self.refused

    def is_result_execute(self, args, plain, reasons):
        if self.result is None:
            self.result = self.run_plain(plain, reasons)
        return True

    def actions(self):
        if self.result is None:
            raise Skip("actions of nothing")
        return self.result.split(" failed: ")[0].split("; ")

    def count(self, args, n, many=False):
        """:count RELATION [:comparator C] NUMBER; many: how many is not known, but some, and not too many."""
        relation, want = args[1].value, int(args[-1].value)
        if many and want:
            return relation in ("eq", "ge", "le")
        return RELATIONS[relation](n, want)

    def is_result_action(self, args, plain, reasons):
        kinds = [NAMES.get(a.split(" ")[0], a.split(" ")[0]) for a in self.actions()]
        if args[0].text == ":count":
            return self.count(args, len(kinds))
        if args[0].text != ":index":
            raise Skip("test_result_action with more")
        at = int(args[1].text) - 1
        return at < len(kinds) and kinds[at] == args[2].value

    def is_message(self, args, plain, reasons):
        """The message that comes of it is the one that there was, in a folder or redirected."""
        if any(a.startswith(("vacation", "reject", "ereject")) for a in self.actions()):
            raise Skip("test_message of a reply")
        at = int(args[-1].text)
        if args[0].text == ":smtp":
            to = [a.split(" ")[1] for a in self.actions() if a.startswith("redirect ")]
            if at < len(to):
                self.run_plain(plain, reasons)
                plain[:] = [p for p in plain if p[0].text.lower() == "set"]
                self.env["envelope.to"] = to[at]
            return at < len(to)
        folder = "keep" if args[1].value.upper() == "INBOX" else "fileinto " + args[1].value
        return at == 0 and any((a + " ").startswith(folder + " ") for a in self.actions())

    def set_environment(self, s, plain, reasons):
        self.run_plain(plain, reasons)
        plain[:] = [p for p in plain if p[0].text.lower() == "set"]
        if s[1].value not in self.env or s[2].kind not in ("string", "text"):
            raise Skip("test_set " + s[1].value)
        if s[1].value == "message":
            self.set_message(s[2].value)
        else:
            self.env[s[1].value] = "" if s[2].value == "<>" else s[2].value

    def word(self, s, plain, reasons):
        """A statement of the test language."""
        word = s[0].text.lower()
        if word == "test_set":
            self.set_environment(s, plain, reasons)
        elif word == "test_result_reset":
            self.result = None
        elif word == "test_mailbox_create":
            self.mailboxes.append(s[1].value)
        elif word == "test_message":
            if not self.is_message(s[1:-1], plain, reasons):
                raise AssertionError("there is no such message")
        elif word not in IDLE:
            raise Skip(word)

    def statement(self, s, plain, reasons):
        word = s[0].text.lower()
        if word.startswith("test_") and word != "test_fail":
            self.word(s, plain, reasons)
        else:
            plain.append(self.with_failures(self.condition(s, plain, reasons), reasons))

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
            elif word in ("test_config_set", "test_config_unset"):
                continue
            elif word.startswith("test_"):
                try:
                    self.word(s, [], [])
                except Skip as e:
                    self.unfit = str(e)
            elif any(t.text.startswith("test_") for t in s):
                self.unfit = next(t.text for t in s if t.text.startswith("test_"))
            else:
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
