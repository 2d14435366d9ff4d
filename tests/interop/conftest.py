# SPDX-License-Identifier: Apache-2.0
"""Real clients of Debian against a running instance: one for the whole folder, a mailbox of its own for each test."""
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import types

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system"), os.path.dirname(HERE)]

from harness import Instance  # noqa: E402
from letters import mail  # noqa: E402

PASSWORD = "Correct-horse-1"
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def interop_server():
    instance = Instance()
    try:
        instance.init().start()
        instance.add_domain("clients.test")
        yield instance
    except BaseException:
        instance.close(check=False)
        raise
    instance.close()


@pytest.fixture
def home(interop_server):
    """An empty folder that belongs to whom the clients run as: not root, whom some of them refuse."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="client-", dir="/tmp"))
    if interop_server.account:
        os.chown(path, interop_server.account.pw_uid, interop_server.account.pw_gid)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def account(interop_server, home):
    """server, user, password, home, cert, and run(): a client's process that must exit 0."""
    a = types.SimpleNamespace()
    a.server, a.home = interop_server, home
    who = interop_server.account
    a.user, a.password = f"c{next(numbers)}@clients.test", PASSWORD
    a.server.add_mailbox(a.user, a.password)
    a.imaps, a.pop3s, a.submission = (a.server.port(x) for x in ("imaps", "pop3s", "submission"))
    a.cert = str(home / "cert.pem")
    with open(os.path.join(a.server.dir, "tls", "cert.pem"), encoding="ascii") as f:
        text = f.read()
    with open(a.cert, "w", encoding="ascii") as f:
        f.write(text)

    def own(*paths):
        for path in paths if who else ():
            os.chown(path, who.pw_uid, who.pw_gid)

    def write_file(path, data):
        path.write_bytes(data)
        own(path)

    def maildir(*parts):
        path = home
        for part in parts:
            path = path / part
            path.mkdir(exist_ok=True)
            own(path)
        for sub in ("cur", "new", "tmp"):
            (path / sub).mkdir()
            own(path / sub)
        return path

    def write(name, text, mode=0o600):
        path = home / name
        path.write_text(text)
        own(path)
        path.chmod(mode)
        return str(path)

    def run(*args, stdin="", codes=(0,), seconds=120, **env):
        done = subprocess.run(args, input=stdin.encode() if isinstance(stdin, str) else stdin, capture_output=True,
                              timeout=seconds, cwd=home, env=dict(os.environ, **{
                                  "HOME": str(home), "TERM": "dumb", "LC_ALL": "C.UTF-8", **env}), **(
                                  {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}))
        output = done.stdout + done.stderr
        assert done.returncode in codes, f"{args}: exit {done.returncode}\n{output.decode(errors='replace')}"
        return done.stdout

    def imap():
        return a.server.imap(a.user, a.password)

    def put(subject, mailbox="INBOX", flags=""):
        with imap() as i:
            i.create(mailbox)
            ok, data = i.append(mailbox, flags, None, mail(subject))
            assert ok == "OK", data

    def subjects(mailbox="INBOX"):
        found = []
        for message in a.server.mail(a.user, a.password, mailbox):
            found += [line[9:].decode() for line in message.split(b"\r\n") if line.startswith(b"Subject: ")][:1]
        return found

    a.write, a.run, a.imap, a.put, a.subjects = write, run, imap, put, subjects
    a.write_file, a.maildir = write_file, maildir
    return a
