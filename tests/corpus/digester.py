# SPDX-License-Identifier: Apache-2.0
"""Runs corpus_dump: messages in, what Postern says of them out."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = pathlib.Path(os.environ.get("POSTERN_CORPUS", ROOT.parent / "shared" / "corpus"))


def tool():
    """Beside the postern that is tested, else in the usual build folders."""
    where = [pathlib.Path(os.environ["POSTERN_BIN"]).parents[1]] if "POSTERN_BIN" in os.environ else []
    for folder in where + [ROOT / "build-test", ROOT / "build"]:
        path = folder / "tests" / "corpus" / "corpus_dump"
        if path.exists():
            return path
    raise FileNotFoundError("corpus_dump: build first (ninja -C build)")


class Dump:
    def __init__(self, facts, envelope, body, bodystructure):
        self.facts = facts
        self.parts = facts["parts"]
        self.envelope = envelope
        self.body = body
        self.bodystructure = bodystructure


def with_crlf(data):
    """Every line end as CRLF, as a message arrives by SMTP."""
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Digester:
    def __enter__(self):
        self.process = subprocess.Popen([tool()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(30) == 0

    def dump(self, message):
        self.process.stdin.write(b"%d\n" % len(message) + message)
        self.process.stdin.flush()
        facts = json.loads(self.process.stdout.readline())
        return Dump(facts, self._value(), self._value(), self._value())

    def _value(self):
        size = int(self.process.stdout.readline())
        return self.process.stdout.read(size)


def messages(folders=("mime-odd", "mime-torture", "spamassassin", "jmap-email-get", "jmap-email-parse",
                      "imap-bodystructure")):
    """(name, bytes) of each message of the corpus."""
    for folder in folders:
        for path in sorted((CORPUS / folder).rglob("*")):
            if path.suffix in (".eml", ".txt") and path.name != "LICENSE.txt":
                yield str(path.relative_to(CORPUS)), path.read_bytes()
