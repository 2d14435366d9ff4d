# SPDX-License-Identifier: Apache-2.0
"""Old servers that lie (THREATS I07 to I10): whatever they say, the mover stays bounded, and nothing is doubled or lost."""
import os
import re
import socket
import threading

import pytest
from harness import wait_until

DOMAIN, JOE = "example.test", "joe@example.test"
MESSAGE = b"From: a@elsewhere.test\r\nSubject: %d\r\n\r\nhello\r\n"


class LyingServer:
    """IMAP by a table: command -> function that gives the untagged lines; what is not in it is answered with OK."""

    def __init__(self, greeting=b"* OK ready\r\n", folders=None, **answers):
        self.greeting, self.answers, self.said = greeting, answers, []
        self.folders = folders or {b"INBOX": [1, 2, 3]}
        self.selected = b"INBOX"
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self):
        self.socket.close()

    def _serve(self, connection):
        try:
            connection.sendall(self.greeting)
            reader = connection.makefile("rb")
            while line := self._command(connection, reader):
                self.said.append(line)
                tag, _, rest = line.rstrip(b"\r\n").partition(b" ")
                verb = rest.split(b" ")[0].upper().decode(errors="replace")
                if verb == "UID":
                    verb = "SCAN" if b"BODY" not in rest else "BODIES"
                answer = self.answers.get(verb.lower(), getattr(self, "_" + verb.lower(), lambda _: b""))(rest)
                for piece in (answer,) if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
                connection.sendall(tag + b" OK done\r\n")
        except OSError:
            pass

    @staticmethod
    def _command(connection, reader):
        """A command with its literals as quoted strings."""
        line = reader.readline()
        while found := re.search(rb"\{(\d+)\}\r\n$", line):
            connection.sendall(b"+ go\r\n")
            line = line[:found.start()] + b'"' + reader.read(int(found.group(1))) + b'"' + reader.readline()
        return line

    def _capability(self, _):
        return b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n"

    def _list(self, _):
        return b"".join(b'* LIST () "/" {%d}\r\n%s\r\n' % (len(n), n) for n in self.folders)

    def _examine(self, rest):
        name = rest.split(b" ", 1)[1][1:-1]
        self.selected = name if name in self.folders else self.selected
        return b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" % len(self.folders[self.selected])

    def _scan(self, _):
        return b"".join(b"* %d FETCH (UID %d RFC822.SIZE 60)\r\n" % (i + 1, uid)
                        for i, uid in enumerate(self.folders[self.selected]))

    def _bodies(self, rest):
        wanted = []
        for part in rest.split(b" ")[2].split(b","):
            first, _, last = part.partition(b":")
            wanted += range(int(first), int(last or first) + 1)
        return b"".join(self.one(uid) for uid in wanted if uid in self.folders[self.selected])

    @staticmethod
    def one(uid, date=b"01-Jan-2026 00:00:00 +0000"):
        body = MESSAGE % uid
        return b'* 1 FETCH (UID %d FLAGS (\\Seen) INTERNALDATE "%s" BODY[] {%d}\r\n%s)\r\n' % (uid, date, len(body), body)


@pytest.fixture
def copy(shared_postern, request):
    """copy(server) runs a move of a fresh domain; (status, function that opens its IMAP, function that runs it again)."""
    made = []

    def run(server, seconds=180, refused=False):
        made.append(server)
        domain = f"m{len(made)}-{re.sub('[^a-z0-9]', '-', request.node.name.lower())[:40].strip('-')}.test"
        user, password = f"joe@{domain}", "Correct-horse-1"
        shared_postern.add_domain(domain)
        shared_postern.add_mailbox(user, password)
        passwords = shared_postern.write_file(f"passwords-{domain}", f"{user}:old\n")
        args = ["move", "start", domain, "--from", f"imap://127.0.0.1:{server.port}", "--tls", "none", "--passwords", passwords]
        if refused:
            return shared_postern.refused(*args)

        def over():
            status = shared_postern.json("move", "status", domain)
            return status if status["state"] != "running" else None

        def go():
            shared_postern.json(*args)
            return wait_until(over, seconds, "the copy to end", every=0.1)
        return go(), lambda: shared_postern.imap(user, password), go
    yield run
    for server in made:
        server.close()


def subjects(imap, mailbox="INBOX"):
    imap.select(f'"{mailbox}"', readonly=True)
    _, data = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")
    return sorted(int(re.search(rb"Subject: (\d+)", item[1]).group(1)) for item in data if isinstance(item, tuple))


def test_an_honest_one(copy):
    server = LyingServer()
    status, imap, _ = copy(server)
    assert status["state"] == "done" and subjects(imap()) == [1, 2, 3]
    verbs = {line.split()[1].upper() for line in server.said}
    assert verbs <= {b"CAPABILITY", b"AUTHENTICATE", b"LIST", b"LSUB", b"STATUS", b"EXAMINE", b"UID"}, verbs
    assert not any(b"BODY[" in line for line in server.said), "only BODY.PEEK leaves \\Seen alone"


def test_preauth_is_refused(copy):
    server = LyingServer(greeting=b"* PREAUTH be my guest\r\n")
    assert "PREAUTH" in copy(server, refused=True)
    assert server.said == []


def test_counts_that_cannot_be(copy):
    """EXISTS 2^32-1: the folder is left out and said so; nothing is allocated for it."""
    server = LyingServer(examine=lambda _: b"* 4294967295 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n")
    status, imap, _ = copy(server)
    assert status["state"] == "done"
    assert imap().select("INBOX", readonly=True)[1] == [b"0"]


def test_a_literal_of_four_gigabytes(copy, shared_postern):
    before = shared_postern.room("mover")["pid"]
    server = LyingServer(bodies=lambda _: b"* 1 FETCH (UID 1 FLAGS () BODY[] {4294967295}\r\n" + b"x" * 100000)
    status, imap, _ = copy(server)
    assert status["state"] == "failed"
    assert "more than it may" in status["mailboxes"][0]["error"]
    assert shared_postern.room("mover")["pid"] == before


def test_a_million_untagged(copy, shared_postern):
    def flood(_):
        for _ in range(1000):
            yield b"* 1 EXPUNGE\r\n* 7 FETCH (FLAGS (\\Seen))\r\n* OK [X] y\r\n* BOGUS\r\n" * 250
        yield b"* 0 EXPUNGE\r\n* 3 FETCH (UID 3 RFC822.SIZE 60)\r\n* 1 FETCH (UID 1 RFC822.SIZE 60)\r\n"
    before = shared_postern.memory()["mover.0"]
    status, imap, _ = copy(LyingServer(scan=flood))
    assert status["state"] == "done" and subjects(imap()) == [1, 3]
    assert shared_postern.memory()["mover.0"] < before + 64 * 1024 * 1024


def test_more_uids_than_messages(copy):
    def flood(_):
        for at in range(0, 150000, 1000):
            yield b"".join(b"* 1 FETCH (UID %d RFC822.SIZE 9)\r\n" % (uid + 1) for uid in range(at, at + 1000))
    status, _, _ = copy(LyingServer(scan=flood))
    assert status["state"] == "failed" and "more messages than it says" in status["mailboxes"][0]["error"]


def test_messages_that_were_not_asked_for(copy):
    """Unasked, repeated, without a UID, out of order: each message is here once."""
    def bodies(_):
        return (b"".join(LyingServer.one(uid) for uid in (9, 3, 3, 2, 2)) + b"* 1 FETCH (BODY[] {2}\r\nhi)\r\n" + LyingServer.one(1))
    status, imap, again = copy(LyingServer(bodies=bodies))
    assert status["state"] == "done" and subjects(imap()) == [1, 2, 3]
    assert again()["messages_new"] == 0
    assert subjects(imap()) == [1, 2, 3]


def test_uids_with_holes(copy):
    """UIDs far apart, and one that the server lists but does not give: told, and tried again in the next run."""
    server = LyingServer(folders={b"INBOX": [1, 50000, 4294967295]})
    hidden = {50000}
    server.answers["bodies"] = lambda rest: b"".join(
        LyingServer.one(uid) for uid in server.folders[b"INBOX"] if str(uid).encode() in rest and uid not in hidden)
    status, imap, again = copy(server)
    assert (status["messages_done"], status["messages_failed"]) == (2, 1)
    assert subjects(imap()) == [1, 4294967295]
    hidden.clear()
    assert again()["messages_failed"] == 0
    assert subjects(imap()) == [1, 50000, 4294967295]


def test_dates_and_flags_that_cannot_be(copy):
    def bodies(_):
        return (LyingServer.one(1, b"99-Foo-0000 77:00:00 +9999") + LyingServer.one(2, b"")
                + b'* 3 FETCH (UID 3 FLAGS (\\Seen \\Bogus ' + b" ".join(b"k%d" % n for n in range(2000)) + b') BODY[] "short")\r\n')
    status, imap, _ = copy(LyingServer(bodies=bodies))
    assert status["state"] == "done" and status["messages_done"] == 3
    assert imap().select("INBOX", readonly=True)[1] == [b"3"]


NAMES = [b"INBOX", b"../../etc/passwd", b"a\r\nb DELETE INBOX", b"a\x00b", b"inbox", b"&AGE-", b"K\xc3\xbc", b"K&APw-", b"Ku\xcc\x88",
         b"/" * 500, b"x/" * 300 + b"y", b"~root", b"#news", b"%/*", b"\xff\xfe", b"x" * 900, b"x" * 100_000]


def test_hostile_folder_names(copy):
    """Every folder's messages are here under a harmless name, but for those that cannot be asked for or are too long."""
    server = LyingServer(folders={name: [1] for name in NAMES})
    status, imap, _ = copy(server)
    assert status["state"] == "done", status
    assert not any(b"DELETE" in line and line.split()[1] == b"DELETE" for line in server.said)
    rows = imap().list()[1]
    assert len(rows) > 10
    for row in rows:
        assert b".." not in row.rsplit(b" ", 1)[-1].split(b"/"), row


def test_literals_that_are_not_invited(copy):
    """A server that answers instead of inviting a literal: that folder is left out, the others are copied."""
    server = LyingServer(folders={b"INBOX": [1, 2], b"K\xc3\xbc": [1], b"Other": [1]})
    server._command = lambda _, reader: reader.readline()
    server.answers["examine"] = lambda rest: b"" if b"{" in rest else server._examine(rest)
    status, imap, _ = copy(server)
    assert status["state"] == "done" and status["messages_done"] == 3, status
    assert subjects(imap()) == [1, 2] and subjects(imap(), "Other") == [1]


def test_many_folders(copy):
    """More than 10,000 folders: refused with a reason, not memory without end."""
    def flood(_):
        for at in range(0, 12000, 500):
            yield b"".join(b'* LIST () "/" f%d\r\n' % n for n in range(at, at + 500))
    status, _, _ = copy(LyingServer(list=flood))
    assert status["state"] == "failed" and "folders" in status["mailboxes"][0]["error"]


def test_uidvalidity_that_changes_under_way(copy):
    """A folder that is made anew while it is read is begun again, and nothing is there twice."""
    count = [0]

    def bodies(rest):
        count[0] += 1
        first = b"* OK [UIDVALIDITY 8] anew\r\n" if count[0] == 1 else b""
        return first + b"".join(LyingServer.one(uid) for uid in (1, 2, 3))
    status, imap, _ = copy(LyingServer(bodies=bodies))
    assert status["state"] == "done" and subjects(imap()) == [1, 2, 3]


def test_passwords_do_not_show(shared_postern):
    assert "Correct-horse-1" not in shared_postern.log()
    assert os.path.exists(shared_postern.log_path)
