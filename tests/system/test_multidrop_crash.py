# SPDX-License-Identifier: Apache-2.0
"""kill -9 while mail for a multidrop mailbox flows in (M30): what was acknowledged is there once for each recipient, with its
name in front; what was not may be there once. POSTERN_LONG=1: 30 rounds."""
import collections
import email
import os
import random
import re
import smtplib
import threading
import time

from harness import wait_until

PASSWORD, DOMAIN = "Correct-horse-1", "drop.test"
BOX, ALL = "box@" + DOMAIN, "all@lists.test"
NAMES = [f"{n}@{DOMAIN}" for n in ("one", "two", "three", "hidden", "alias")] + [BOX]
COPIES = {ALL: ["alias@" + DOMAIN, BOX]}        # a redirect: the copies that it makes; any other name makes its own
ROOMS = ["store", "smtpd", "directory", "filter", "queue"]
ROUNDS = 30 if os.environ.get("POSTERN_LONG") else 6
WRITERS = 4


class Writer(threading.Thread):
    def __init__(self, postern, name):
        super().__init__(daemon=True)
        self.postern, self.id, self.stopping = postern, name, threading.Event()
        self.acked, self.tried = set(), set()
        self.rng = random.Random(name)

    def copies(self, number, to):
        return {(number, name) for x in to for name in COPIES.get(x, [x])}

    def send(self, smtp, number):
        """ALL goes alone: one recipient has one copy of a message, whatever led to it."""
        to = [ALL] if self.rng.random() < 0.2 else self.rng.sample(NAMES, self.rng.randint(1, len(NAMES)))
        self.tried |= self.copies(number, to)
        text = f"From: a@elsewhere.test\r\nTo: {NAMES[0]}\r\nSubject: number {number}\r\n\r\n" + "line\r\n" * 50
        refused = smtp.sendmail("a@elsewhere.test", to, text)
        self.acked |= self.copies(number, [x for x in to if x not in refused])

    def run(self):
        smtp, count = None, 0
        while not self.stopping.is_set():
            count += 1
            try:
                smtp = smtp or self.postern.smtp(timeout=15)
                self.send(smtp, f"{self.id}x{count}")
            except (OSError, EOFError, smtplib.SMTPException):
                smtp = None
                time.sleep(0.05)


def found(postern):
    pairs = collections.Counter()
    for text in postern.mail(BOX, PASSWORD):
        number = re.search(rb"^Subject: number (\S+)\r$", text, re.M).group(1).decode()
        m = email.message_from_bytes(text)
        (name,) = m.get_all("Delivered-To")
        assert m.get_all("X-Original-To") == [name]
        pairs[number, name] += 1
    return pairs


def test_kill_rounds(make_postern):
    p = make_postern().init().start()
    p.add_domain(DOMAIN)
    p.add_mailbox(BOX, PASSWORD)
    p.cli("address", "add", "alias@" + DOMAIN, "--type", "alias", "--to", BOX)
    p.cli("domain", "set", DOMAIN, "--catch-all", BOX, "--multidrop", "on")
    p.add_domain("lists.test")
    p.cli("address", "add", ALL, "--type", "redirect", *(x for name in COPIES[ALL] for x in ("--to", name)))
    rng = random.Random(os.environ.get("POSTERN_SEED", "1"))
    writers = [Writer(p, f"w{i}") for i in range(WRITERS)]
    for w in writers:
        w.start()
    for n in range(ROUNDS):
        before = sum(len(w.acked) for w in writers)
        wait_until(lambda: sum(len(w.acked) for w in writers) > before + 20, 60, "mail to flow")
        time.sleep(rng.uniform(0.05, 0.4))
        if n % 6 == 5:
            p.kill_all()
            p.start()
            continue
        role = "store" if n % 2 == 0 else rng.choice(ROOMS)
        p.kill(role)
        wait_until(lambda: all(r["state"] == "ready" for r in p.rooms()), 60, "all rooms to be back")
    for w in writers:
        w.stopping.set()
    for w in writers:
        w.join(120)
        assert not w.is_alive()
    acked, tried = (set().union(*(getattr(w, x) for w in writers)) for x in ("acked", "tried"))
    pairs = found(p)
    assert len(acked) > 20 * ROUNDS, "too little was acknowledged to say anything"
    assert not [x for x in acked if pairs[x] == 0], "acknowledged copies are lost"
    assert not [x for x, n in pairs.items() if n > 1], "copies are there twice"
    assert set(pairs) <= tried, "copies of what was never sent"
    assert p.json("store", "check")["faults"] == 0
