# SPDX-License-Identifier: Apache-2.0
"""docs/OPERATING.md: its command lines work as they are written, in their order, on one instance."""
import os
import re
import shlex

from harness.instance import ROOT

PASSWORD = "Correct-horse-1"
FILES = {"text.txt": "Hallo {person}: {link}\n", "page.html": "<p>{link}</p>\n", "accounts.txt": "ann Anns-password-1\nbob Bobs-password-1\n",
         "aliases.txt": "team: ann, bob\n", "rules.sieve": "keep;\n", "bills.sieve": "keep;\n"}
# What the page shows with numbers and mail that only an example has, an old server, an app's code, or as one of two ways.
EXAMPLES = ["queue show 17", "token remove 7", "move start", "move proof", "totp confirm", "totp codes", "candidate messages",
            "candidate promote", "candidate banish", "candidate remove", "--catch-all paul@", "--multidrop on",
            "--default-password-stdin", "mailbox remove joe@example.org"]


def command_lines():
    """(line number, words) of each `postern ...` inside a block that speaks to a running instance and comes back."""
    inside = False
    with open(os.path.join(ROOT, "docs", "OPERATING.md"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            inside ^= line.startswith("```")
            if not inside or not line.startswith("postern "):
                continue
            words = shlex.split(re.sub(r"\s#.*", "", line).split(" > ")[0])[1:]
            if words[0] not in ("init", "run", "-d") and "--watch" not in words and "..." not in words:
                yield number, words


def test_every_command_line(make_postern):
    p = make_postern(conf={"domain.alternate_base": "provider.example"}).init().start()
    paths = {name: p.write_file(name, text) for name, text in FILES.items()}
    lines, wrong = list(command_lines()), []
    assert len(lines) > 100
    for number, words in lines:
        stdin = (PASSWORD + "\n") * sum(w.endswith("-stdin") for w in words)
        done = p.try_cli(*[paths.get(w, w) for w in words], stdin=stdin)
        shown = " ".join(words)
        if done.returncode == 2 or (done.returncode and not any(x in shown for x in EXAMPLES)):
            wrong.append((number, shown, done.stderr.strip()))
    assert not wrong, "\n".join(map(str, wrong))
