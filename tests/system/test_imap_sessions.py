# SPDX-License-Identifier: Apache-2.0
"""Several sessions on one mailbox see each other's changes; IDLE; what happens when rooms die."""
import itertools
import re

import pytest

from harness import wait_until
from imapraw import Client, message

PASSWORD = "Correct-horse-1"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(shared_postern):
    shared_postern.add_domain("sessions.test")
    return shared_postern


@pytest.fixture
def user(server):
    address = f"s{next(numbers)}@sessions.test"
    server.add_mailbox(address, PASSWORD)
    return address


@pytest.fixture
def pair(server, user):
    a, b = (Client(server, user, PASSWORD) for _ in range(2))
    for n in range(3):
        a.append(message(f"m{n}"))
    a.ok("SELECT INBOX")
    b.ok("SELECT INBOX")
    yield a, b
    a.close()
    b.close()


def test_new_mail_is_told(pair):
    a, b = pair
    a.append(message("new"), options="(\\Flagged)")
    assert b"* 4 EXISTS" in b.ok("NOOP")
    assert b"\\Flagged" in b.ok("FETCH 4 FLAGS")[0]


def recent(lines):
    """The last "* N RECENT", None where there is none."""
    found = [int(m.group(1)) for m in (re.match(rb"\* (\d+) RECENT$", x) for x in lines) if m]
    return found[-1] if found else None


def test_recent_is_told_once(server, user):
    a, b, c = (Client(server, user, PASSWORD) for _ in range(3))
    for n in range(2):
        a.append(message(f"m{n}"))
    # EXAMINE sees them and leaves them to the next; the first that may write takes them.
    assert recent(a.ok("EXAMINE INBOX")) == 2
    assert a.ok("SEARCH RECENT") == [b"* SEARCH 1 2"]
    lines = b.ok("SELECT INBOX")
    assert recent(lines) == 2 and b"* 2 EXISTS" in lines
    assert recent(c.ok("SELECT INBOX")) == 0
    assert b"RECENT 0" in c.ok("STATUS INBOX (RECENT)")[0]
    # What comes now is the first one's that has it open for writing; an examining one hears of it as old.
    c.append(message("third"), options="(\\Seen)")
    assert [recent(x.ok("NOOP")) for x in (a, b)] == [2, 3]
    assert recent(c.ok("EXAMINE INBOX")) == 0
    assert b.ok("SEARCH RECENT") == [b"* SEARCH 1 2 3"]
    assert b.ok("SEARCH NEW") == [b"* SEARCH 1 2"]
    assert c.ok("SEARCH OLD") == [b"* SEARCH 1 2 3"]
    assert b.ok("FETCH 3 FLAGS") == [b"* 3 FETCH (FLAGS (\\Seen \\Recent))"]
    assert b.ok("STORE 1 FLAGS (\\Deleted)") == [b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))"]
    assert b.ok("EXPUNGE") == [b"* 1 EXPUNGE", b"* 2 RECENT"]
    # When it leaves, the next one that may write is first.
    b.ok("UNSELECT")
    c.ok("SELECT INBOX")
    b.append(message("fourth"))
    assert recent(c.ok("NOOP")) == 1
    assert recent(b.ok("SELECT INBOX")) == 0
    for x in (a, b, c):
        x.close()


def test_recent_of_a_copy_and_after_a_restart(server, user):
    a = Client(server, user, PASSWORD)
    a.append(message("one"))
    assert recent(a.ok("SELECT INBOX")) == 1
    a.ok("COPY 1 Trash")
    assert b"RECENT 1" in a.ok("STATUS Trash (RECENT)")[0]
    pop = server.pop3(user, PASSWORD)
    assert pop.stat()[0] == 1                       # POP3 takes nothing
    pop.quit()
    a.append(message("two"))
    assert a.ok("SEARCH RECENT") == [b"* SEARCH 1 2"]
    a.close()
    server.restart()                                # who was told is kept
    a = Client(server, user, PASSWORD)
    assert recent(a.ok("SELECT INBOX")) == 0
    assert recent(a.ok("SELECT Trash")) == 1
    a.close()


def test_flags_are_told(pair):
    a, b = pair
    a.ok("STORE 2 +FLAGS (\\Answered Fresh)")
    lines = b.ok("NOOP")
    assert any(x.startswith(b"* FLAGS") and b"Fresh" in x for x in lines)
    assert any(x.startswith(b"* 2 FETCH") and b"\\Answered" in x and b"Fresh" in x for x in lines)
    assert b.ok("NOOP") == []
    assert a.ok("NOOP") == []                       # who made it knows it from the reply


def test_expunge_waits_for_its_turn(pair):
    a, b = pair
    a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert a.ok("EXPUNGE") == [b"* 1 EXPUNGE", b"* 2 RECENT"]
    # RFC 3501 7.4.1: not during FETCH, STORE, SEARCH; numbers stay as they were.
    lines = b.ok("FETCH 1:3 (UID)")
    assert not any(b"EXPUNGE" in x for x in lines)
    assert b"* 2 FETCH (UID 2)" in lines
    assert not any(b"EXPUNGE" in x for x in b.ok("STORE 2 +FLAGS (\\Seen)"))
    assert b.ok("SEARCH ALL") == [b"* SEARCH 2 3"]
    assert b.ok("UID SEARCH ALL") == [b"* SEARCH 2 3", b"* 1 EXPUNGE"]
    assert b.ok("FETCH 1:* (UID)") == [b"* 1 FETCH (UID 2)", b"* 2 FETCH (UID 3)"]


def test_fetch_of_what_is_gone(pair):
    a, b = pair
    a.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    a.ok("EXPUNGE")
    b.no("FETCH 2 BODY[]", "EXPUNGEISSUED")
    assert b"* 2 EXPUNGE" in b.ok("NOOP")


@pytest.mark.parametrize("verb", ["COPY", "MOVE"])
def test_what_is_gone_is_not_said_to_be_copied(pair, verb):
    """RFC 2180 4.4.2: a set of numbers is copied whole or not at all; uids name what there is."""
    a, b = pair
    a.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    a.ok("EXPUNGE")
    b.ok("FETCH 2 FLAGS")                       # b has heard of it, and may not tell it yet
    b.no(f"{verb} 1:3 Trash", "EXPUNGEISSUED")
    assert b"(MESSAGES 0)" in b.ok("STATUS Trash (MESSAGES)")[-1]
    b.ok(f"UID {verb} 1:3 Trash")
    assert b"(MESSAGES 2)" in b.ok("STATUS Trash (MESSAGES)")[-1]


def test_new_and_gone_at_once_is_never_seen(pair):
    a, b = pair
    uid = a.append(message("short life"), options="(\\Deleted)")
    a.ok(f"UID EXPUNGE {uid}")
    assert b.ok("NOOP") == []


def test_idle(pair):
    a, b = pair
    tag = b.idle()
    b.quiet()
    a.append(message("while idle"))
    assert b.wait_line(rb"EXISTS") == b"* 4 EXISTS"
    a.ok("STORE 1 +FLAGS (\\Flagged)")
    assert b.wait_line(rb"\* 1 FETCH .*\\Flagged")
    a.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    a.ok("EXPUNGE")
    assert [b.wait_line(rb"EXPUNGE") for _ in range(2)] == [b"* 1 EXPUNGE", b"* 2 EXPUNGE"]
    b.done(tag)
    assert b.ok("FETCH 1:* UID") == [b"* 1 FETCH (UID 2)", b"* 2 FETCH (UID 4)"]
    tag = b.idle()
    b.send("NOT DONE\r\n")
    assert b.finish(tag).status == "BAD"


def test_delivery_reaches_idle(server, user, pair):
    _, b = pair
    tag = b.idle()
    with server.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [user], message("delivered"))
    assert b.wait_line(rb"EXISTS") == b"* 4 EXISTS"
    b.done(tag)


def test_pop3_and_move_are_told(server, user, pair):
    a, b = pair
    a.ok("MOVE 1 Trash")
    assert b"* 1 EXPUNGE" in b.ok("NOOP")
    b.ok("SELECT Trash")
    a.ok("COPY 1 Trash")
    assert b"* 2 EXISTS" in b.ok("NOOP")


def test_own_append_to_the_selected_mailbox(pair):
    a, _ = pair
    data = message("mine")
    tag = a.begin(f"APPEND INBOX {{{len(data)}+}}")
    a.send(data + b"\r\n")
    answer = a.finish(tag)
    assert answer.status == "OK" and b"* 4 EXISTS" in answer.lines


def test_mailbox_deleted_under_a_session(server, user):
    a, b = (Client(server, user, PASSWORD) for _ in range(2))
    a.ok("CREATE Gone")
    b.ok("SELECT Gone")
    a.ok("DELETE Gone")
    assert b"* BYE " in b.closed()


def test_mailbox_renamed_under_a_session(server, user):
    a, b = (Client(server, user, PASSWORD) for _ in range(2))
    a.ok("CREATE Before")
    b.ok("SELECT Before")
    a.ok("RENAME Before After")
    a.append(message("there"), "After")
    assert b"* 1 EXISTS" in b.ok("NOOP")
    assert b"there" in b.ok("FETCH 1 BODY[]")[0]


@pytest.mark.parametrize("room", ["store", "imapd"])
def test_rooms_die(postern, room):
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    c = Client(postern, "joe@example.test", PASSWORD)
    c.append(message("kept"))
    c.ok("SELECT INBOX")
    postern.kill(room)
    data = c.closed()
    assert room != "store" or b"* BYE [UNAVAILABLE]" in data

    def again():
        try:
            return Client(postern, "joe@example.test", PASSWORD)
        except (OSError, EOFError, AssertionError):
            return None
    c = wait_until(again, 60, "a login", every=0.2)
    c.ok("SELECT INBOX")
    assert b"kept" in c.ok("FETCH 1 BODY[]")[0]


def test_revoked_session(server, user):
    c = Client(server, user, PASSWORD)
    c.ok("SELECT INBOX")
    server.cli("mailbox", "password", user, "--password-stdin", stdin="Another-horse-22\n")
    assert b"* BYE" in c.closed()
    Client(server, user, "Another-horse-22").ok("SELECT INBOX")


def test_stop_says_bye(postern):
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    c = Client(postern, "joe@example.test", PASSWORD)
    tag = c.idle()
    assert tag
    postern.stop()
    assert b"* BYE" in c.closed()


def test_thousands_are_paged(server, user):
    """More messages than a frame holds: SELECT, STORE, SEARCH and EXPUNGE go on over their pages."""
    a = Client(server, user, PASSWORD, timeout=120)
    n = 600
    data = message("many", "x\r\n")
    for start in range(0, n, 100):
        tags = []
        for _ in range(100):
            tag = a.begin(f"APPEND INBOX {{{len(data)}+}}")
            a.send(data + b"\r\n")
            tags.append(tag)
        assert all(a.finish(t).status == "OK" for t in tags)
    a.ok("SELECT INBOX")
    for _ in range(4):                             # 600 to 9600, by copies within
        a.ok("COPY 1:* INBOX")
    lines = a.ok("SELECT INBOX")
    assert b"* 9600 EXISTS" in lines
    assert len(a.ok("STORE 1:* +FLAGS (\\Seen)")) == 9600
    assert a.ok("SEARCH RETURN (COUNT) SEEN")[0].endswith(b"COUNT 9600")
    assert len(a.ok("FETCH 1:* (UID FLAGS ENVELOPE)")) == 9600
    b = Client(server, user, PASSWORD, timeout=120)
    b.ok("SELECT INBOX")
    odd = ",".join(str(i) for i in range(1, 9601, 2))
    a.ok(f"STORE {odd} +FLAGS.SILENT (\\Deleted)")
    assert len(a.ok("EXPUNGE")) == 4800
    lines = b.ok("NOOP")
    assert sum(b"EXPUNGE" in x for x in lines) == 4800
    assert [int(re.search(rb"UID (\d+)", x).group(1)) for x in b.ok("FETCH 1:3 UID")] == [2, 4, 6]
