#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Durable SMTP delivery: Postern against Debian's Postfix + Dovecot LMTP (maildir, mdbox), one machine, one run.

    meson setup build-release -Dbuildtype=release && ninja -C build-release
    sudo POSTERN_BUILD=build-release tests/bench/smtp/bench_smtp.py [--connections 1,8,64] [--rounds 3]

Every server gets the same messages from the same generator (smtp_load), to ten mailboxes. "accepted" is what the client sees:
250 to each message. "delivered" is until the last message is in its mailbox: for Postern the same moment, since
250 means committed; for Postfix when its queue is empty. "CPU" is what the server used, a message. The sides take
turns; the median of the rounds counts. Other load on the machine hits whoever needs more steps a message.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "..", "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "system")]

from harness import Instance, free_base  # noqa: E402
from harness.instance import BUILD_DIR  # noqa: E402
from oldserver import OldServer  # noqa: E402

USERS = [f"user{i}@example.test" for i in range(10)]
PASSWORD = "Correct-horse-1"
LOAD = os.path.join(BUILD_DIR, "tests", "bench", "smtp", "smtp_load")


class CpuTime:
    """What a server and all that it starts use, by a control group of its own (v1 or v2; root)."""

    def __init__(self, name):
        top = "/sys/fs/cgroup/cpuacct" if os.path.isdir("/sys/fs/cgroup/cpuacct") else "/sys/fs/cgroup"
        self.home, self.dir = top, os.path.join(top, f"bench-{os.getpid()}-{name}")

    def __enter__(self):
        try:
            os.mkdir(self.dir)
            self._move(self.dir)
        except OSError:
            self.dir = None
        return self

    def __exit__(self, *_):
        if self.dir:
            self._move(self.home)

    @staticmethod
    def _move(directory):
        with open(os.path.join(directory, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(os.getpid()))

    def milliseconds(self):
        if not self.dir:
            return 0.0
        v1 = os.path.join(self.dir, "cpuacct.usage")
        with open(v1 if os.path.exists(v1) else os.path.join(self.dir, "cpu.stat"), encoding="ascii") as f:
            text = f.read()
        return int(text) / 1e6 if os.path.exists(v1) else int(text.split()[1]) / 1e3

    def close(self):
        end = time.monotonic() + 5
        while self.dir and time.monotonic() < end:
            try:
                os.rmdir(self.dir)
                return
            except OSError:
                time.sleep(0.1)


class Postern:
    name = "Postern"

    def __init__(self):
        self.instance = Instance(conf={"log.level": "warn"})
        self.instance.init().start()
        self.instance.add_domain("example.test")
        for user in USERS:
            self.instance.add_mailbox(user, PASSWORD)
        self.port = self.instance.port("smtp")

    def wait_delivered(self):
        """250 said so."""

    def count(self):
        found = 0
        for user in USERS:
            imap = self.instance.imap(user, PASSWORD)
            found += int(imap.select("INBOX", readonly=True)[1][0])
            imap.logout()
        return found

    def close(self):
        self.instance.close(check=False)


class Old:
    def __init__(self, layout):
        self.name = f"Postfix + Dovecot {layout}"
        self.dir = tempfile.mkdtemp(prefix="bench-old-", dir="/tmp")
        self.server = OldServer(self.dir, free_base(), dict.fromkeys(USERS, PASSWORD), format=layout)
        self.server.start()
        self.port = self.server.ports["smtp"]

    def wait_delivered(self):
        while self.server.queue_length():
            time.sleep(0.01)

    def count(self):
        import imaplib
        found = 0
        for user in USERS:
            imap = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
            imap.login(user, PASSWORD)
            found += int(imap.select("INBOX", readonly=True)[1][0])
            imap.logout()
        return found

    def close(self):
        self.server.remove()
        shutil.rmtree(self.dir, ignore_errors=True)


def measure(side, connections, messages, size, per_connection):
    start, used = time.monotonic(), side.cpu.milliseconds()
    done = subprocess.run([LOAD, str(side.port), str(connections), str(messages), str(size), str(per_connection), *USERS],
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{side.name}: smtp_load ended with {done.returncode}: {done.stdout.decode()}")
    result = json.loads(done.stdout)
    side.wait_delivered()
    result["delivered_rate"] = messages / (time.monotonic() - start)
    result["cpu_ms"] = (side.cpu.milliseconds() - used) / messages
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", default="1,8,64")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=0, help="a round; 0: by connections")
    parser.add_argument("--size", type=int, default=20480)
    parser.add_argument("--per-connection", type=int, default=0, help="messages before a new connection; 0: never a new one")
    parser.add_argument("--only", choices=["postern", "maildir", "mdbox"], action="append")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    which = args.only or ["postern", "maildir", "mdbox"]
    sides, table = [], {}
    try:
        for w in which:
            with CpuTime(w) as cpu:
                sides.append(Postern() if w == "postern" else Old(w))
                sides[-1].cpu = cpu
        expected = dict.fromkeys((s.name for s in sides), 0)
        for connections in map(int, args.connections.split(",")):
            for round_number in range(args.rounds + 1):
                for side in sides:
                    messages = args.messages or (300 if connections == 1 else 1500)
                    messages = messages if round_number else max(connections, 50)     # the first warms up
                    result = measure(side, connections, messages, args.size, args.per_connection)
                    expected[side.name] += messages
                    if round_number:
                        table.setdefault((connections, side.name), []).append(result)
        for side in sides:
            found = side.count()
            if found != expected[side.name]:
                raise SystemExit(f"{side.name}: {found} messages in the mailboxes, {expected[side.name]} were accepted")
    finally:
        for side in sides:
            side.close()
            side.cpu.close()
    report(table, sides, args)


def report(table, sides, args):
    medians = {key: {field: statistics.median(r[field] for r in rows) for field in rows[0]} for key, rows in table.items()}
    if args.json:
        print(json.dumps([{"connections": c, "side": s} | m for (c, s), m in medians.items()], indent=1))
        return
    how = f"{args.per_connection} a connection" if args.per_connection else "connections kept"
    print(f"{args.size} octets a message, {how}, {len(USERS)} mailboxes, median of {args.rounds} rounds\n")
    print(f"{'connections':>11}  {'server':26} {'accepted/s':>10} {'delivered/s':>11} {'p50 ms':>7} {'p99 ms':>7} {'CPU ms':>7}  Postern is")
    for (connections, name), m in medians.items():
        ours = medians.get((connections, "Postern"))
        ratio = ""
        if ours and name != "Postern":
            ratio = f"{ours['delivered_rate'] / m['delivered_rate']:.1f} times as fast"
            ratio += f", with 1/{m['cpu_ms'] / ours['cpu_ms']:.1f} of the CPU" if ours["cpu_ms"] else ""
        print(f"{connections:>11}  {name:26} {m['rate']:>10.0f} {m['delivered_rate']:>11.0f} {m['p50_ms']:>7.0f} "
              f"{m['p99_ms']:>7.0f} {m['cpu_ms']:>7.2f}  {ratio}")


if __name__ == "__main__":
    main()
