# SPDX-License-Identifier: Apache-2.0
"""The copy of old mail (M41): exact, once, resumable, and nothing changes at the old server."""
import collections
import concurrent.futures
import email.utils
import hashlib
import imaplib
import os
import re
import signal
import socket
import time

import pytest
from harness import wait_until
from oldserver import Folder
from peers.valve import Valve

DOMAIN, JOE, OLD, NEW = "example.test", "joe@example.test", "Joe-old-secret-1", "Joe-new-secret-1"
FOLDERS = (Folder("INBOX", 5), Folder("Sent", 3), Folder("Archive/Küche & Garten", 2))
NAMES = {"INBOX": "INBOX", "Sent": "Sent", "Archive.K&APw-che &- Garten": "Archive/K&APw-che &- Garten"}
pytestmark = pytest.mark.root


def start_move(postern, server, *more, port=None):
    return postern.json("move", "start", DOMAIN, "--from", f"imap://127.0.0.1:{port or server.ports['imap']}", "--tls",
                        "starttls", "--master-user", "master", "--password-stdin", *more, stdin="master-secret\n")


def wait_done(postern, seconds=600):
    def over():
        status = postern.json("move", "status", DOMAIN)
        return status if status["state"] != "running" else None
    status = wait_until(over, seconds, "the copy to end", every=0.1)
    assert status["state"] == "done", status
    assert status["messages_failed"] == 0, status
    return status


def wait_copied(postern, messages, seconds=180):
    """Until so many messages are here; the figures of the run as they were then."""
    def enough():
        status = postern.json("move", "status", DOMAIN)
        return status if status["messages_done"] >= messages or status["state"] != "running" else None
    return wait_until(enough, seconds, f"{messages} copied messages", every=0.02)


def kill_in_the_middle(postern, valve, size, victim):
    """Messages stream in while the room dies: so many bytes are to come, of which a quarter is held back until then."""
    wait_copied(postern, 150)
    pid = postern.room(victim)["pid"] if victim != "all" else None
    before = valve.passed
    valve.let(size * 3 // 4)
    wait_until(lambda: valve.passed > before, 60, "more of the messages", every=0.001)
    if victim == "all":
        postern.kill_all()
        valve.open()
        postern.start()
        return
    postern.crashes_expected = True
    os.kill(pid, signal.SIGKILL)
    valve.open()
    postern.wait_back(victim, pid)


def cpu_seconds(postern):
    """What the rooms have computed so far, but for those that answer a test's questions."""
    total = 0
    for room in postern.rooms():
        if room["role"] in ("mover", "store", "filter"):
            with open(f"/proc/{room['pid']}/stat", encoding="ascii") as f:
                fields = f.read().rsplit(") ", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def old_imap(server, user=JOE, password=OLD):
    imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
    imap.login(user, password)
    return imap


def read_all(imap, mailbox):
    """Every message: (SHA-256, flags and keywords, internal date), in the order of the UIDs."""
    ok, text = imap.select(f'"{mailbox}"', readonly=True)
    assert ok == "OK", text
    if text == [b"0"]:
        return []
    ok, data = imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
    assert ok == "OK", data
    result = []
    for at, item in enumerate(data):
        if not isinstance(item, tuple):
            continue
        behind = data[at + 1] if at + 1 < len(data) and isinstance(data[at + 1], bytes) else b""
        head = item[0] + b" " + behind
        flags = re.search(rb"FLAGS \(([^)]*)\)", head).group(1).split()
        date = re.search(rb'INTERNALDATE "([^"]*)"', head).group(1).decode().strip()
        when = email.utils.mktime_tz(email.utils.parsedate_tz(date.replace("-", " ", 2)))
        result.append((hashlib.sha256(item[1]).hexdigest(), tuple(sorted(f for f in flags if f != b"\\Recent")), when))
    return result


def both_sides(postern, server):
    old, new = old_imap(server), postern.imap(JOE, NEW, timeout=120)
    try:
        return ({there: read_all(old, there) for there in NAMES}, {there: read_all(new, here) for there, here in NAMES.items()})
    finally:
        old.logout()
        new.logout()


def tree(server):
    """What lies in the old server's mailbox: names (with their flags), sizes and times of all messages."""
    top = server.maildir(JOE)
    return sorted((os.path.relpath(os.path.join(folder, name), top), os.stat(os.path.join(folder, name)).st_size,
                   os.stat(os.path.join(folder, name)).st_mtime_ns)
                  for folder, _, names in os.walk(top) for name in names if os.path.basename(folder) in ("cur", "new"))


def prepare(postern, make_old_server, messages, **options):
    server = make_old_server({JOE: OLD}, **options).start()
    server.fill(JOE, messages, FOLDERS)
    postern.add_domain(DOMAIN, "hosted")
    postern.add_mailbox(JOE, NEW)
    return server


def test_five_thousand_messages(postern, make_old_server):
    """The copy is exact, the second run is quick and copies nothing, the old server is as it was."""
    server = prepare(postern, make_old_server, 5000)
    before = tree(server)
    start_move(postern, server)
    assert wait_done(postern)["messages_new"] == 5000
    assert tree(server) == before

    there, here = both_sides(postern, server)
    assert sum(len(m) for m in there.values()) == 5000
    assert here == there        # bytes, flags, keywords, dates, and the order

    began = cpu_seconds(postern)
    start_move(postern, server)
    status = wait_done(postern)
    assert cpu_seconds(postern) - began < 1, "a run that copies nothing is not quick"
    assert (status["messages_new"], status["messages_done"]) == (0, 5000)
    proof = postern.json("move", "proof", DOMAIN)
    assert (proof["complete"], proof["messages_there"], proof["messages_here"]) == (True, 5000, 5000)


def test_subscriptions_and_special_use(postern, make_old_server):
    server = make_old_server({JOE: OLD}, separator="/").start()
    server.fill(JOE, 20, (Folder("INBOX"), Folder("Gesendet"), Folder("Papierkorb/Alt"), Folder("Shopping", subscribed=False)))
    postern.add_domain(DOMAIN)
    postern.add_mailbox(JOE, NEW)
    start_move(postern, server)
    wait_done(postern)
    imap = postern.imap(JOE, NEW)
    names = {re.search(rb'"/" (.*)$', row).group(1).strip(b'"') for row in imap.list()[1]}
    subscribed = {re.search(rb'"/" (.*)$', row).group(1).strip(b'"') for row in imap.lsub()[1]}
    assert {b"INBOX", b"Sent", b"Shopping"} <= names, names
    assert b"Shopping" not in subscribed
    assert len(read_all(imap, "Shopping")) == 5


@pytest.mark.parametrize("victim", ["mover", "store", "filter", "directory", "all"])
def test_killed_in_the_middle(postern, make_old_server, victim):
    """kill -9 while messages stream in: afterwards each is there once."""
    server = prepare(postern, make_old_server, 1500)
    before = tree(server)
    size = sum(size for _, size, _ in before)
    with Valve(server.ports["imap"], size // 2) as valve:
        start_move(postern, server, port=valve.port)
        kill_in_the_middle(postern, valve, size, victim)
        status = wait_done(postern)
    # All that the copy brought is new, also what came before the kill.
    assert (status["messages_new"], status["messages_done"]) == (1500, 1500)
    assert status["bytes_new"] == postern.json("mailbox", "show", JOE)["used_bytes"]
    there, here = both_sides(postern, server)
    assert {n: collections.Counter(m) for n, m in here.items()} == {n: collections.Counter(m) for n, m in there.items()}
    assert tree(server) == before


def test_old_server_goes_away(postern, make_old_server):
    """A connection that breaks is taken up again."""
    server = prepare(postern, make_old_server, 1500)
    start_move(postern, server)
    wait_copied(postern, 150)
    server.stop("dovecot")
    time.sleep(0.5)
    server.start("dovecot")
    wait_done(postern)
    there, here = both_sides(postern, server)
    assert here == there


def test_only_what_is_new(postern, make_old_server):
    server = prepare(postern, make_old_server, 50)
    start_move(postern, server)
    wait_done(postern)
    imap = old_imap(server)
    imap.append("INBOX", "(\\Flagged)", imaplib.Time2Internaldate(1_700_000_000), b"Subject: one more\r\n\r\nnew\r\n")
    imap.create("Fresh")
    imap.append("Fresh", None, None, b"Subject: another\r\n\r\nnew\r\n")
    imap.select("Sent")
    imap.uid("STORE", "1", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    start_move(postern, server)
    status = wait_done(postern)
    assert status["messages_new"] == 2
    new = postern.imap(JOE, NEW)
    assert len(read_all(new, "INBOX")) == 26 and len(read_all(new, "Fresh")) == 1
    assert len(read_all(new, "Sent")) == 15     # what was deleted there stays here


def test_folder_made_anew(postern, make_old_server):
    """Another UIDVALIDITY: the messages are known by what they are, not copied a second time."""
    server = prepare(postern, make_old_server, 60)
    start_move(postern, server)
    wait_done(postern)
    server.stop("dovecot")
    for folder, _, names in os.walk(server.maildir(JOE)):
        for name in names:
            if name.startswith(("dovecot-uidlist", "dovecot.index", "dovecot-uidvalidity")):
                os.unlink(os.path.join(folder, name))
    time.sleep(1.1)             # UIDVALIDITY is a time
    server.start("dovecot")
    for _ in range(2):
        start_move(postern, server)
        status = wait_done(postern)
        assert (status["messages_new"], status["messages_done"]) == (0, 60)
    there, here = both_sides(postern, server)
    assert {n: collections.Counter(m) for n, m in here.items()} == {n: collections.Counter(m) for n, m in there.items()}
    folders = [line for line in postern.cli("move", "proof", DOMAIN).splitlines() if " there, " in line and "@" not in line][1:]
    assert len(folders) > 2 and any("Küche" in line for line in folders)
    assert len({re.search(r"\d+ there", line).start() for line in folders}) == 1, folders      # one column


def test_dates_around_the_epoch(postern, make_old_server):
    """Where a restore has lost all times of files, dates are those of 1970: kept, and known again from another port."""
    server = prepare(postern, make_old_server, 0)
    start_move(postern, server)
    wait_done(postern)
    assert "100%" in postern.cli("move", "status", DOMAIN).splitlines()[1]      # nothing there, all of it here
    old = old_imap(server)
    for second in ("00", "01"):
        old.append("INBOX", None, f'"01-Jan-1970 00:00:{second} +0000"', f"Subject: {second}\r\n\r\nbody\r\n".encode())
    old.logout()
    start_move(postern, server)
    assert wait_done(postern)["messages_new"] == 2
    there, here = both_sides(postern, server)
    assert len(there["INBOX"]) == 2 and here == there
    postern.cli("move", "start", DOMAIN, "--from", f"imaps://127.0.0.1:{server.ports['imaps']}", "--master-user", "master",
                "--password-stdin", stdin="master-secret\n")
    assert wait_done(postern)["messages_new"] == 0


def test_refused_with_a_reason(postern, make_old_server):
    """A wrong password, no server, no TLS: exit 1, a reason, and nothing is begun."""
    server = prepare(postern, make_old_server, 5)
    source = f"imap://127.0.0.1:{server.ports['imap']}"
    why = postern.refused("move", "start", DOMAIN, "--from", source, "--tls", "starttls", "--master-user", "master",
                          "--password-stdin", stdin="wrong\n")
    assert "login refused" in why or "password" in why.lower(), why
    why = postern.refused("move", "start", DOMAIN, "--from", "imap://127.0.0.1:9", "--tls", "none", "--master-user",
                          "master", "--password-stdin", stdin="x\n")
    assert "connection" in why, why
    why = postern.refused("move", "start", DOMAIN, "--from", source, "--tls", "tls", "--master-user", "master",
                          "--password-stdin", stdin="master-secret\n")
    assert "TLS" in why, why
    why = postern.refused("move", "start", DOMAIN, "--from", source, "--tls", "starttls", "--verify", "--master-user",
                          "master", "--password-stdin", stdin="master-secret\n")
    assert "certificate" in why, why
    passwords = postern.write_file("passwords", f"{JOE}:x\n")
    with socket.create_server(("127.0.0.1", 0)) as silent, concurrent.futures.ThreadPoolExecutor() as at_once:
        port = silent.getsockname()[1]
        for why in at_once.map(lambda scheme: postern.refused("move", "start", DOMAIN, "--from", f"{scheme}://127.0.0.1:{port}",
                                                              "--passwords", passwords), ("imap", "imaps", "pop3", "pop3s")):
            assert f"{JOE}: the server does not answer in time; nothing was changed" in why, why
    # All wrong lines at once, also those behind one that cannot be read.
    wrong = postern.write_file("wrong", f"bad\nnobody@{DOMAIN}:x\n{JOE}:x\njoe@elsewhere.test:x\n{JOE}:y\n")
    why = postern.refused("move", "start", DOMAIN, "--from", source, "--passwords", wrong)
    assert [line.split(":")[0].strip() for line in why.splitlines()[1:]] == [f"line {n}" for n in (1, 2, 4, 5)], why
    assert postern.json("move", "status", DOMAIN)["state"] == "none"


def test_each_with_a_password_of_its_own(postern, make_old_server):
    server = prepare(postern, make_old_server, 30)
    passwords = postern.write_file("passwords", f"{JOE}:{OLD}\n")
    postern.json("move", "start", DOMAIN, "--from", f"imaps://127.0.0.1:{server.ports['imaps']}", "--passwords", passwords)
    assert wait_done(postern)["messages_new"] == 30


def test_mdbox_and_slow_reader(postern, make_old_server):
    """Another format at the old server, and a store that is stopped for a while: the source waits."""
    server = prepare(postern, make_old_server, 400, format="mdbox")
    start_move(postern, server)
    wait_copied(postern, 30)
    pid = postern.room("store")["pid"]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(pid, signal.SIGCONT)
    wait_done(postern)
    there, here = both_sides(postern, server)
    assert here == there


def test_the_order_stays_while_a_pool_is_asked(make_postern, make_old_server):
    """With several shards one asks again and again for more of a pool that is all but full, and the answer takes a while:
    nothing overtakes what waits for it."""
    postern = make_postern(conf={"rooms.store": 2}).init().start()
    postern.add_customer(pool="3500K")
    server = prepare(postern, make_old_server, 600)
    start_move(postern, server)
    deadline = time.monotonic() + 600
    while postern.json("move", "status", DOMAIN)["state"] == "running":
        assert time.monotonic() < deadline
        pid = postern.room("directory")["pid"]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
    wait_done(postern)
    there, here = both_sides(postern, server)
    here["INBOX"] = [m for m in here["INBOX"] if m in there["INBOX"]]      # less the notices of a pool that fills
    assert here == there
