# SPDX-License-Identifier: Apache-2.0
"""Switch under load: numbered mail flows in over eight connections while the domain moves to Postern, back, and to
Postern again. Every message that got 250 is found exactly once, on the old server or on Postern.

A server that dies behind the final dot of a message and before its 250 may have the message or not (RFC 1047);
no client can know, and Postern sends it again; Postfix itself may hand a message to Dovecot twice when it is killed. So that this is not mixed up with faults of ours, the outage comes in
two forms: a door in front of the old server that is shut between transactions (then: exactly once), and Postfix
stopped by its signal in the middle of everything (then: nothing is lost, and twice is only what Postern's log names
as in doubt)."""
import collections
import imaplib
import re
import smtplib
import socket
import threading
import time

import pytest

from harness import wait_until

PASSWORD = "Correct-horse-7"
OLD_PASSWORD = "Joe-old-secret-1"
USER = "joe@example.test"
CONNECTIONS = 8
NUMBER = re.compile(rb"^Subject: number (\d+)\r?$", re.M)
POSTFIX_ID = re.compile(rb"\(Postfix\) with ESMTPS? id (\w+)")


class Load:
    """Eight connections that send numbered mail until stop(); acknowledged holds what got 250."""

    def __init__(self, postern):
        self.postern, self.acknowledged, self.failed = postern, [], []
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def _run(self, lane):
        number, smtp = lane, None
        while not self.ending.is_set():
            try:
                if smtp is None:
                    smtp = self.postern.smtp(timeout=60)
                smtp.sendmail(f"a{lane}@elsewhere.test", [USER], b"Subject: number %d\r\n\r\nbody\r\n" % number)
                with self.lock:
                    self.acknowledged.append(number)
            except (OSError, smtplib.SMTPException) as e:
                with self.lock:
                    self.failed.append((number, e))
                smtp = None
                time.sleep(0.05)
            number += CONNECTIONS
        if smtp:
            smtp.quit()

    def flows(self, count=30):
        """Until so many more are acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + count, 120, "mail to flow")

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(150)
            assert not thread.is_alive(), "a connection hangs"


def on_old(old):
    """Numbers, once for each transaction: what Postfix, killed, hands to Dovecot again has the same id there."""
    imap = imaplib.IMAP4("127.0.0.1", old.ports["imap"], timeout=60)
    imap.login(USER, OLD_PASSWORD)
    imap.select("INBOX", readonly=True)
    _, data = imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER])")
    imap.logout()
    heads = [item[1] for item in data if isinstance(item, tuple)]
    return [number for number, _ in {(int(NUMBER.search(h)[1]), POSTFIX_ID.search(h)[1]) for h in heads}]


def on_postern(postern):
    return [int(NUMBER.search(text)[1]) for text in postern.mail(USER, PASSWORD)]


class Door:
    """A proxy in front of an SMTP server. shut(): no new connections, and each open one ends with 421 in place of its
    next MAIL; open() lets in again."""

    def __init__(self, port):
        self.to, self.port, self.is_open = port, 0, False
        self.open()

    def open(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(100)
        self.port, self.is_open = self.listener.getsockname()[1], True
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        self.is_open = False
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @staticmethod
    def _reply(server, client):
        while True:
            line = server.readline()
            if not line:
                raise OSError("the server is gone")
            client.write(line)
            if line[3:4] != b"-":
                client.flush()
                return line

    def _talk(self, client, server):
        self._reply(server, client)
        while line := client.readline():
            if line.upper().startswith(b"MAIL") and not self.is_open:
                client.write(b"421 4.3.2 shut\r\n")
                client.flush()
                return
            server.write(line)
            server.flush()
            answer = self._reply(server, client)
            if line.upper().startswith(b"DATA") and answer.startswith(b"354"):
                while line != b".\r\n":
                    line = client.readline()
                    if not line:
                        return
                    server.write(line)
                server.flush()
                self._reply(server, client)

    def _serve(self, sock):
        try:
            with sock, socket.create_connection(("127.0.0.1", self.to), 10) as old:
                old.settimeout(None)        # whoever waits for an answer says how long
                with sock.makefile("rwb") as client, old.makefile("rwb") as server:
                    self._talk(client, server)
        except OSError:
            pass


def in_doubt(postern):
    """How many messages the log says may have reached a server that did not answer."""
    return len(re.findall(r"relay\.recipient\.later .*it may have the message", postern.log()))


def check(postern, old, load, may_doubt=False):
    wait_until(lambda: not postern.json("queue", "list")["items"], 120, "an empty queue", every=0.2)
    wanted = sorted(load.acknowledged)

    def found():
        return collections.Counter(on_old(old) + on_postern(postern))
    # The old server's own queue may still hold some.
    wait_until(lambda: set(wanted) <= set(found()), 120, "all acknowledged mail", every=1)
    counts = found()
    doubts = in_doubt(postern)      # each is said before the message goes out again
    assert may_doubt or not doubts
    twice = sorted(n for n in counts if counts[n] > 1)
    assert len(twice) <= doubts, f"found more than once: {twice}"
    assert max(counts.values()) <= 1 + (doubts > 0)
    assert not load.failed, f"refused: {load.failed[:5]}"
    return wanted


def begin(postern, port):
    postern.add_domain("example.test", "gateway", f"127.0.0.1:{port}")
    postern.add_mailbox(USER, PASSWORD)
    return Load(postern)


def switch_with_outages(postern, go, come):
    """go() and come() end and begin the old server's presence."""
    time.sleep(1.5)
    go()
    time.sleep(1.5)
    postern.cli("domain", "switch", "example.test", "hosted")
    time.sleep(1.5)
    postern.cli("domain", "switch", "example.test", "gateway")
    time.sleep(1.5)
    come()
    time.sleep(2.5)
    go()
    time.sleep(1)
    postern.cli("domain", "switch", "example.test", "hosted")
    time.sleep(1.5)


QUICK = pytest.mark.parametrize("postern", [{"conf": {"queue.retry_first": "1s", "queue.probe": "1s"}}], indirect=True)


@pytest.mark.root
@QUICK
def test_switch_under_load(postern, old_server):
    load = begin(postern, old_server.ports["smtp"])
    wait_until(lambda: on_old(old_server), 60, "mail on the old server", every=0.2)
    for mode in ("hosted", "gateway", "hosted"):
        load.flows()
        postern.cli("domain", "switch", "example.test", mode)
    load.flows()
    load.stop()
    wanted = check(postern, old_server, load)
    assert on_old(old_server) and on_postern(postern)
    assert len(wanted) > 100


@pytest.mark.root
@QUICK
def test_switch_under_load_with_the_old_server_away_and_back(postern, old_server):
    door = Door(old_server.ports["smtp"])
    load = begin(postern, door.port)
    switch_with_outages(postern, door.shut, door.open)
    load.stop()
    door.open()
    check(postern, old_server, load)
    door.shut()


@pytest.mark.root
@QUICK
def test_switch_under_load_with_the_old_server_killed_and_started(postern, old_server):
    load = begin(postern, old_server.ports["smtp"])
    switch_with_outages(postern, lambda: old_server.stop("postfix"), lambda: old_server.start("postfix"))
    load.stop()
    old_server.start("postfix")
    check(postern, old_server, load, may_doubt=True)
