# SPDX-License-Identifier: Apache-2.0
"""
Several sessions do random things to one mailbox at once; each keeps the view that the server's words give it, and
that view must hold: numbers and uids agree, no EXPUNGE where it is forbidden, and at the end all see the same.
"""
import concurrent.futures
import os
import random
import re

from imapraw import Client, message

PASSWORD = "Correct-horse-1"
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "Work", "$Later"]


class Model:
    """One session, and what it has been told."""

    def __init__(self, postern, user, rng):
        self.c, self.rng = Client(postern, user, PASSWORD, timeout=60), rng
        self.c.ok("ENABLE CONDSTORE")
        self.uids, self.flags = [], {}
        self.hear(self.c.ok("SELECT INBOX"), True)

    def hear(self, lines, may_expunge):
        for line in lines:
            if found := re.match(rb"\* (\d+) EXPUNGE$", line):
                assert may_expunge, lines
                uid = self.uids.pop(int(found.group(1)) - 1)
                self.flags.pop(uid, None)
            elif found := re.match(rb"\* (\d+) EXISTS$", line):
                assert int(found.group(1)) >= len(self.uids), lines
                self.uids += [None] * (int(found.group(1)) - len(self.uids))
            elif found := re.match(rb"\* (\d+) FETCH \(.*\bUID (\d+)", line):
                number, uid = int(found.group(1)), int(found.group(2))
                assert number <= len(self.uids), (line, len(self.uids))
                assert self.uids[number - 1] in (None, uid), (line, self.uids)
                self.uids[number - 1] = uid
                if found := re.search(rb"FLAGS \(([^)]*)\)", line):
                    self.flags[uid] = frozenset(found.group(1).split())
        known = [u for u in self.uids if u]
        assert known == sorted(set(known))

    def do(self, text, may_expunge=True):
        answer = self.c.cmd(text)
        self.hear(answer.lines, may_expunge)
        return answer

    def some(self):
        a, b = self.rng.randint(1, len(self.uids)), self.rng.randint(1, len(self.uids))
        return f"{min(a, b)}:{max(a, b)}" if self.rng.random() < 0.3 else f"{a}"

    def some_uids(self):
        known = [u for u in self.uids if u] or [1]
        return ",".join(map(str, sorted(self.rng.sample(known, min(3, len(known))))))

    def step(self):
        rng = self.rng
        what = rng.choice(["append", "append", "store", "store", "uidstore", "expunge", "fetch", "search", "noop", "copy",
                           "move", "uidexpunge", "conditional", "check", "idle"])
        flags = " ".join(rng.sample(FLAGS, rng.randint(1, 3)))
        if what == "append":
            data = message(f"m{rng.random()}")
            tag = self.c.begin(f"APPEND INBOX ({flags}) {{{len(data)}+}}")
            self.c.send(data + b"\r\n")
            answer = self.c.finish(tag)
            assert answer.status == "OK", answer
            self.hear(answer.lines, True)
        elif what == "noop" or not self.uids:
            assert self.do("NOOP").status == "OK"
        elif what in ("store", "uidstore", "conditional"):
            where = f"UID STORE {self.some_uids()}" if what == "uidstore" else f"STORE {self.some()}"
            condition = f"(UNCHANGEDSINCE {rng.randint(1, 2000)}) " if what == "conditional" else ""
            how = rng.choice(["FLAGS", "+FLAGS", "-FLAGS"])
            answer = self.do(f"{where} {condition}{how} ({flags})", what == "uidstore")
            assert answer.status == "OK", answer
        elif what == "expunge":
            assert self.do("EXPUNGE").status == "OK"
        elif what == "uidexpunge":
            assert self.do(f"UID EXPUNGE {self.some_uids()}").status == "OK"
        elif what == "fetch":
            answer = self.do(f"FETCH {self.some()} (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])", False)
            assert answer.status == "OK" or "EXPUNGEISSUED" in answer.text, answer
        elif what == "search":
            answer = self.do("SEARCH RETURN (COUNT) " + rng.choice(["ALL", "SEEN", "KEYWORD Work", "SUBJECT m0"]), False)
            assert answer.status == "OK"
        elif what == "copy" and len(self.uids) < 60:
            answer = self.do(f"COPY {self.some()} INBOX")       # another session may have expunged it
            assert answer.status == "OK" or "EXPUNGEISSUED" in answer.text, answer
        elif what == "move":
            assert self.do(f"UID MOVE {self.some_uids()} Trash").status == "OK"
        elif what == "idle":
            tag = self.c.idle()
            self.hear(self.c.done(tag), True)
        else:
            self.check()

    def check(self):
        """All of it, fetched anew: hear() compares it with what was told."""
        assert self.do("FETCH 1:* (UID FLAGS MODSEQ)", False).status == "OK"

    def final(self):
        self.do("NOOP")
        lines = self.c.ok("FETCH 1:* (UID FLAGS)") if self.uids else []
        self.hear(lines, False)
        got = [(int(u), frozenset(f.split())) for u, f in
               (re.match(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)\)", x).groups() for x in lines)]
        self.recent = {u for u, f in got if b"\\Recent" in f}
        got = [(u, f - {b"\\Recent"}) for u, f in got]
        assert [u for u, _ in got] == self.uids
        return got


def test_random_sessions(shared_postern):
    seed = int(os.environ.get("POSTERN_SEED", random.randrange(1 << 32)))
    print(f"POSTERN_SEED={seed}")
    rng = random.Random(seed)
    shared_postern.add_domain("random.test")
    shared_postern.add_mailbox("joe@random.test", PASSWORD)
    sessions = [Model(shared_postern, "joe@random.test", random.Random(rng.random())) for _ in range(5)]
    steps = 4000 if os.environ.get("POSTERN_LONG") else 300

    def work(session):
        for _ in range(steps):
            session.step()

    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as pool:
        for done in [pool.submit(work, s) for s in sessions]:
            done.result()
    finals = [s.final() for s in sessions]
    assert all(f == finals[0] for f in finals)
    # Each message was \\Recent for one of them, and only for one.
    recent = [u for s in sessions for u in s.recent]
    assert sorted(recent) == [u for u, _ in finals[0]]
    fresh = Model(shared_postern, "joe@random.test", rng).final()
    assert fresh == finals[0]
