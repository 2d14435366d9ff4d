# SPDX-License-Identifier: Apache-2.0
"""Everything at once: mail over eight connections to addresses that change what they are, folders that rules choose,
passwords that change, rooms that die. What was acknowledged is there, and no mailbox has it twice.

Races of one kind have their place beside the feature: logins during a change of password (test_directory_races.py),
conversions, removals (test_addresses.py), promotions (test_candidates.py), sixteen deliveries against one quota (test_quota.py).
"""
import collections
import os
import random

from harness import wait_until
from harness.instance import CliError
from load import Load, numbers

PASSWORD = "Correct-horse-1"
STEPS = 150 if os.environ.get("POSTERN_LONG") else 30
KEEPERS = [f"m{i}@race.test" for i in range(3)]
CHANGING = [f"r{i}@race.test" for i in range(3)]
DIE = ["store", "directory", "smtpd", "queue", "filter", "auth"]
SCRIPTS = ["keep;", 'require "fileinto"; fileinto "Archive";', 'require ["fileinto", "copy"]; fileinto :copy "Junk"; discard;',
           'require "fileinto"; if header :contains "Subject" "7" { fileinto "Trash"; }']


def convert(p, rng, address, kinds):
    """Mostly from a mailbox to something else and back: then mail has to move, or is on its way to what is gone."""
    kind = rng.choice(["alias"] * 4 + ["list"]) if kinds.get(address) == "mailbox" else rng.choice(["mailbox"] * 4 + ["alias", "list"])
    to = rng.sample(KEEPERS, 1 if kind == "alias" else 2)
    more = [] if kind == "mailbox" else [word for t in to for word in ("--to", t)]
    try:
        p.cli("address", "convert", address, "--type", kind, *more)
        kinds[address] = kind
    except CliError as e:
        # A mailbox with mail becomes no list, nothing becomes what it is, and what moves is waited for.
        if not any(text in e.stderr for text in ("holds", "already", "mov")):
            raise


def one_step(p, rng, number, kinds):
    what = rng.choice([*["convert"] * 5, "password", "script", "kill"])
    if what == "convert":
        convert(p, rng, rng.choice(CHANGING), kinds)
    elif what == "password":
        p.cli("mailbox", "password", rng.choice(KEEPERS), "--password-stdin", stdin=f"{PASSWORD}{number}\n")
    elif what == "script":
        path = p.write_file(f"rules{number}.sieve", rng.choice(SCRIPTS))
        p.cli("sieve", "put", rng.choice(KEEPERS), "rules", path, "--active")
    else:
        p.kill(rng.choice(DIE))
        wait_until(lambda: all(r["state"] == "ready" for r in p.rooms()), 60, "all rooms to be back")
    return what


def copies(p, user):
    """How often each number is in a mailbox, in whatever folder."""
    found = collections.Counter()
    for folder in ("INBOX", "Archive", "Junk", "Trash"):
        found += numbers(p.mail(user, PASSWORD, folder))
    return found


def test_everything_at_once(make_postern):
    rng = random.Random(os.environ.get("POSTERN_SEED", "1"))
    p = make_postern(conf={"rooms.store": 2}).init().start()
    p.add_domain("race.test")
    for address in KEEPERS:
        p.add_mailbox(address, PASSWORD)
    for address in CHANGING:
        p.cli("address", "add", address, "--type", "alias", "--to", KEEPERS[0])
    load = Load(p, CHANGING * 2 + KEEPERS[:1])
    done, kinds = collections.Counter(), {}
    for number in range(STEPS):
        before = load.count()
        done[one_step(p, rng, number, kinds)] += 1
        wait_until(lambda: load.count() > before + 5, 60, "mail to flow on")
    load.stop()
    assert not load.refused, load.refused[:3]
    wait_until(lambda: not p.json("address", "moves", "race.test")["items"], 60, "mail to have moved")
    wait_until(lambda: not p.json("queue", "list")["items"], 60, "an empty queue")
    mailboxes = [m["address"] for m in p.json("mailbox", "list", "--domain", "race.test")["items"]]
    assert set(KEEPERS) <= set(mailboxes)
    everywhere = collections.Counter()
    for user in mailboxes:
        p.cli("mailbox", "password", user, "--password-stdin", stdin=PASSWORD + "\n")
        here = copies(p, user)
        twice = [n for n, times in here.items() if times > 1]
        assert not twice, f"{len(twice)} twice in {user}, such as {twice[:5]}"
        everywhere += here
    lost = [(n, to) for n, to in load.acknowledged if not everywhere[n]]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} lost, such as {lost[:5]} ({dict(done)})"
    assert p.json("store", "check")["faults"] == 0
