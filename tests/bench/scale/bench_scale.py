#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A large directory: how long it takes to fill, and whether mail and logins notice its size.

    meson setup build-release -Dbuildtype=release && ninja -C build-release
    POSTERN_BUILD=build-release tests/bench/scale/bench_scale.py [--customers 200] [--domains 1000] [--accounts 100000]

Makes two instances: one with ten accounts, one with as many customers, domains and accounts as asked for, by the command
line and import files as a provider would. Then both take turns at the same work; the ratio is large to small, medians of
the rounds.
"""
import argparse
import base64
import hashlib
import json
import os
import random
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "system")]

from harness import Instance  # noqa: E402
from harness.instance import BUILD_DIR  # noqa: E402

PASSWORD = "Correct-horse-1"
LOAD = os.path.join(BUILD_DIR, "tests", "bench", "smtp", "smtp_load")


def ssha(number):
    salt = number.to_bytes(4, "big")
    return "{SSHA}" + base64.b64encode(hashlib.sha1(PASSWORD.encode() + salt).digest() + salt).decode()


class Side:
    def __init__(self, name, customers, domains, accounts):
        self.name = name
        self.instance = Instance(conf={"log.level": "warn", "smtp.max_recipients": "1000"})
        self.instance.init().start()
        self.users, self.times = [], {}
        self.timed("customers", self.make_customers, customers)
        self.timed("domains", self.make_domains, domains, customers)
        self.timed("accounts", self.import_accounts, domains, accounts)

    def timed(self, what, work, *args):
        start = time.monotonic()
        work(*args)
        self.times[what] = time.monotonic() - start

    def make_customers(self, customers):
        for i in range(customers):
            self.instance.cli("customer", "add", f"customer{i}", "--pool", "1T")

    def make_domains(self, domains, customers):
        for i in range(domains):
            self.instance.cli("domain", "add", f"d{i}.example.test", "--customer", f"customer{i % customers}", "--mode", "hosted")

    def import_accounts(self, domains, accounts):
        each = accounts // domains
        for d in range(domains):
            lines = (f"user{i} {ssha(d * each + i)}\n" for i in range(each))
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
                f.write("".join(lines))
                f.flush()
                os.chmod(f.name, 0o644)
                self.instance.cli("import", "accounts", f.name, "--domain", f"d{d}.example.test", seconds=120)
            self.users += [f"user{i}@d{d}.example.test" for i in range(each)]

    # ---- what is compared ----

    def rcpt(self, n, known=True):
        """Recipients a second, each answered before the next is named."""
        names = [random.choice(self.users) if known else "nobody-" + random.choice(self.users) for _ in range(n)]
        group, spent = (50 if known else 5), 0.0       # refusals are counted a connection
        for at in range(0, n, group):
            with smtplib.SMTP("127.0.0.1", self.instance.port("smtp"), timeout=60) as smtp:
                smtp.ehlo()
                smtp.mail("a@elsewhere.test")
                start = time.monotonic()
                answers = [smtp.rcpt(name)[0] for name in names[at:at + group]]
                spent += time.monotonic() - start
            assert all((code == 250) == known for code in answers), answers
        return n / spent

    def login(self, n):
        start = time.monotonic()
        for i in range(n):
            self.instance.imap(self.some[i % len(self.some)], PASSWORD).logout()
        return n / (time.monotonic() - start)

    def first_login(self, n):
        """Accounts that never logged in: their imported hash is checked, and made anew in today's form."""
        start = time.monotonic()
        for _ in range(n):
            self.instance.imap(self.fresh.pop(), PASSWORD).logout()
        return n / (time.monotonic() - start)

    def deliver(self, n, users):
        done = subprocess.run([LOAD, str(self.instance.port("smtp")), "8", str(n), "20480", "0", *users],
                              stdout=subprocess.PIPE, check=True)
        result = json.loads(done.stdout)
        assert not result["refused"], result
        return result["rate"]

    def prepare(self):
        random.seed(7)
        self.some = random.sample(self.users, 10)
        rest = [u for u in self.users if u not in self.some]
        self.fresh = random.sample(rest, min(len(rest), 400))
        self.login(10)


def plain_import(side, n):
    """Plain passwords: each is hashed before it is kept."""
    side.instance.cli("domain", "add", "plain.example.test", "--customer", "customer0", "--mode", "hosted")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("".join(f"user{i} Pass-word-{i:06}\n" for i in range(n)))
        f.flush()
        os.chmod(f.name, 0o644)
        start = time.monotonic()
        side.instance.cli("import", "accounts", f.name, "--domain", "plain.example.test", seconds=600)
    return time.monotonic() - start


def compare(sides, rounds):
    work = {
        "recipients a second": lambda s: s.rcpt(1000),
        "unknown recipients a second": lambda s: s.rcpt(100, known=False),
        "logins a second": lambda s: s.login(40),
        "messages of 20 KB a second, to 10": lambda s: s.deliver(800, s.some),
    }
    table = {name: {s.name: [] for s in sides} for name in work}
    for number in range(rounds + 1):
        for name, fn in work.items():
            for side in sides:
                rate = fn(side)
                if number:                              # the first warms up
                    table[name][side.name].append(rate)
    return {name: {side: statistics.median(rates) for side, rates in row.items()} for name, row in table.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain", type=int, default=2000, help="accounts of the import with plain passwords")
    args = parser.parse_args()
    sides = []
    try:
        for name, counts in (("small", (1, 1, 10)), ("large", (args.customers, args.domains, args.accounts))):
            sides.append(Side(name, *counts))
        large = sides[1]
        print(f"{args.customers} customers in {large.times['customers']:.1f} s, {args.domains} domains in {large.times['domains']:.1f} s, "
              f"{args.accounts} accounts in {args.domains} imports in {large.times['accounts']:.1f} s: "
              f"{sum(large.times.values()):.1f} s together (goal: under 120)")
        print(f"{args.plain} accounts with plain passwords: {plain_import(large, args.plain):.1f} s")
        for side in sides:
            side.prepare()
            rooms = {r["role"]: r["rss_bytes"] / 1e6 for r in side.instance.rooms()}
            print(f"{side.name}: memory MB: " + ", ".join(f"{role} {mb:.0f}" for role, mb in rooms.items() if role in ("directory", "store", "smtpd", "auth")))
        print(f"\n{'':36}{'10 accounts':>14}{str(args.accounts) + ' accounts':>18}   large is")
        for name, row in compare(sides, args.rounds).items():
            print(f"{name:36}{row['small']:>14.0f}{row['large']:>18.0f}   {row['large'] / row['small']:.2f} times")
        spread = large.deliver(2000, random.sample(large.users, 1000))
        print(f"{'the same, to 1000 of the large one':36}{'':14}{spread:>18.0f}")
        first = large.first_login(100)
        print(f"{'first logins a second':36}{'':14}{first:>18.0f}")
    finally:
        for side in sides:
            side.instance.close(check=False)


if __name__ == "__main__":
    main()
