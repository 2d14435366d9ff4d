# SPDX-License-Identifier: Apache-2.0
"""The two sides of the tour: the old server and the instance of Postern, each by the commands anybody would use."""
import base64
import collections
import imaplib
import json
import os
import pwd
import re
import smtplib
import ssl
import subprocess
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
OLD_SERVER = os.path.join(ROOT, "tests", "oldserver", "oldserver")
SECONDS = 120


class Trouble(Exception):
    """What went wrong, for the reader."""


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)       # the tour's certificates are self-made
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def wait_until(question, seconds, what):
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Trouble(f"waited {seconds} seconds for {what}")
        time.sleep(0.1)


class Old:
    """Postfix and Dovecot of Debian; root is needed to start them."""

    def __init__(self, directory):
        self.dir, self.ports = directory, {}

    def _run(self, *args):
        prefix = [] if os.geteuid() == 0 else ["sudo"]
        done = subprocess.run([*prefix, "/usr/bin/python3", OLD_SERVER, *map(str, args)], stdout=subprocess.PIPE,
                              text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise Trouble("the old server does not start (see above)")
        return json.loads(done.stdout)

    def start(self, port_base, users, aliases):
        args = [f"--user={name}={password}" for name, password in users.items()]
        args += [f"--alias={name}={','.join(targets)}" for name, targets in aliases.items()]
        self.ports = self._run("start", self.dir, "--port-base", port_base, *args)

    def is_made(self):
        return os.path.lexists(self.dir)

    def again(self):
        self.ports = self._run("start", self.dir)

    def fill(self, user, messages, seed):
        return self._run("fill", self.dir, user, "--messages", messages, "--seed", seed)

    def accounts(self):
        return self._run("accounts", self.dir)

    def imap(self, user, password):
        imap = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=60)
        imap.login(user, password)
        return imap


class Postern:
    """An instance; its commands run as the instance's user."""

    def __init__(self, binary, directory, user=None):
        self.binary, self.dir = binary, directory
        self.account = pwd.getpwnam(user) if user else None
        self.log_path = directory + ".log"

    def _as_user(self):
        if not self.account or os.geteuid() != 0:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def run(self, *args, stdin=None):
        return subprocess.run([self.binary, "-d", self.dir, *map(str, args)], input=stdin, capture_output=True, text=True,
                              timeout=SECONDS * 6, check=False, cwd="/", **self._as_user())

    def cli(self, *args, stdin=None):
        done = self.run(*args, stdin=stdin)
        if done.returncode:
            raise Trouble(f"postern {' '.join(map(str, args))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def json(self, *args, stdin=None):
        return json.loads(self.cli(*args, "--json", stdin=stdin))

    def ports(self):
        """From postern.conf: {"smtp": 2025, ...}"""
        with open(os.path.join(self.dir, "postern.conf"), encoding="utf-8") as f:
            found = re.findall(r"^(smtp|submission|imap|pop3)\.listen\s*=\s*127\.0\.0\.1:(\d+)", f.read(), re.M)
        return {name: int(port) for name, port in found}

    def is_up(self):
        done = self.run("status", "--json")
        return done.returncode == 0 and all(r["state"] == "ready" for r in json.loads(done.stdout)["rooms"])

    def start(self):
        if self.is_up():
            return False
        with open(self.log_path, "ab") as log:
            process = subprocess.Popen([self.binary, "run", self.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd="/", start_new_session=True, **self._as_user())

        def up():
            if process.poll() is not None:
                raise Trouble(f"postern run ended; its log is {self.log_path}")
            return self.is_up()
        wait_until(up, 60, "Postern to start")
        return True

    def imap(self, user, password):
        imap = imaplib.IMAP4_SSL("127.0.0.1", self.ports()["imap"], ssl_context=tls_context(), timeout=60)
        imap.login(user, password)
        return imap

    def queued(self):
        listed = self.json("queue", "list")
        return len(listed["items"] if isinstance(listed, dict) and "items" in listed else listed)


class Correspondents:
    """People elsewhere who write to the domain: numbered messages over a few connections, all the time."""

    def __init__(self, port, recipients, first=1, connections=4, pause=0.02):
        self.port, self.recipients, self.pause = port, recipients, pause
        self.accepted, self.errors, self.next_number = [], [], first
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._write, daemon=True) for _ in range(connections)]

    def _number(self):
        with self._lock:
            self.next_number += 1
            return self.next_number - 1

    def _send(self, smtp):
        count = self._number()
        to = self.recipients[count % len(self.recipients)]
        text = (f"From: Sender {count} <sender{count}@elsewhere.test>\r\nTo: <{to}>\r\nSubject: Tour message {count}\r\n"
                f"Message-ID: <tour.{count}.{time.time_ns()}@elsewhere.test>\r\n\r\nThis is message {count}.\r\n")
        smtp.sendmail(f"sender{count}@elsewhere.test", [to], text)
        with self._lock:
            self.accepted.append((count, to))

    def _write(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, local_hostname="elsewhere.test", timeout=60) as smtp:
                while not self._stop.wait(self.pause):
                    self._send(smtp)
        except (OSError, smtplib.SMTPException) as e:
            with self._lock:
                self.errors.append(str(e))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def tour_numbers(imap, mailbox="INBOX"):
    """How often each numbered message is in a mailbox."""
    imap.select(mailbox, readonly=True)
    _, data = imap.uid("SEARCH", "SUBJECT", '"Tour message"')
    found = collections.Counter()
    uids = data[0].split() if data and data[0] else []
    for at in range(0, len(uids), 500):
        _, rows = imap.uid("FETCH", b",".join(uids[at:at + 500]).decode(), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        for row in rows:
            if isinstance(row, tuple):
                found[int(re.search(rb"Tour message (\d+)", row[1]).group(1))] += 1
    return found


def folders(imap):
    """{name as listed: messages} of everything that can be opened."""
    _, rows = imap.list()
    result = {}
    for row in rows:
        flags, name = re.match(rb'\((.*?)\) (?:"."|NIL) (.*)$', row).groups()
        if b"\\noselect" in flags.lower() or b"\\nonexistent" in flags.lower():
            continue
        name = name.decode()
        _, status = imap.status(name, "(MESSAGES)")
        result[name.strip('"')] = int(re.search(rb"MESSAGES (\d+)", status[0]).group(1))
    return result


def read_mutf7(name):
    """A mailbox name as a person reads it."""
    def run(match):
        if match.group(1) == "":
            return "&"
        text = match.group(1).replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be")
    return re.sub(r"&([^-]*)-", run, name)
