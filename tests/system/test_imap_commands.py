# SPDX-License-Identifier: Apache-2.0
"""Every command and extension of the IMAP server, as it stands on the wire."""
import base64
import itertools
import re

import pytest

from harness.wait import wait_until
from imapraw import Client, message

PASSWORD = "Correct-horse-1"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(shared_postern):
    shared_postern.add_domain("imap.test")
    return shared_postern


@pytest.fixture
def user(server):
    address = f"u{next(numbers)}@imap.test"
    server.add_mailbox(address, PASSWORD)
    return address


@pytest.fixture
def client(server, user):
    c = Client(server, user, PASSWORD)
    yield c
    c.close()


@pytest.fixture
def inbox(client):
    """INBOX selected, with three messages that are not \\Recent any more."""
    for subject in ("one", "two", "three"):
        client.append(message(subject, f"body of {subject}\r\n"))
    client.ok("SELECT INBOX")
    client.ok("SELECT INBOX")
    return client


def fetched(lines, number, item):
    """What stands behind an item of one message's FETCH line."""
    for line in lines:
        if line.startswith(b"* %d FETCH (" % number):
            found = re.search(rb"\b" + re.escape(item) + rb" (\([^)]*\)|\S+?)[ )]", line)
            if found:
                return found.group(1)
    raise AssertionError((number, item, lines))


# -- before login ------------------------------------------------------------------


def test_greeting_and_capability(server):
    c = Client(server)
    assert c.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
    assert b"AUTH=PLAIN" in c.ok("CAPABILITY")[0]
    c.bad("SELECT INBOX")
    c.ok("LOGOUT")
    assert c.closed() == b""


def test_login_variants(server, user):
    secret = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
    c = Client(server)
    assert "CAPABILITY" in c.cmd(f"AUTHENTICATE PLAIN {secret}").text
    c.bad(f"LOGIN {user} x")                       # already logged in
    c = Client(server)
    tag = c.begin("AUTHENTICATE PLAIN")
    assert c.line() == b"+ "
    c.send(secret + "\r\n")
    assert c.finish(tag).status == "OK"
    c = Client(server)
    tag = c.begin("AUTHENTICATE LOGIN")
    assert base64.b64decode(c.line()[2:]).lower().startswith(b"user")
    c.send(base64.b64encode(user.encode()) + b"\r\n")
    assert base64.b64decode(c.line()[2:]).lower().startswith(b"pass")
    c.send(base64.b64encode(PASSWORD.encode()) + b"\r\n")
    assert c.finish(tag).status == "OK"
    c = Client(server)
    tag = c.begin(f"LOGIN {{{len(user)}}}")
    assert c.line().startswith(b"+ ")
    c.send(f"{user} {{{len(PASSWORD)}+}}\r\n{PASSWORD}\r\n")
    assert c.finish(tag).status == "OK"


def test_login_refused(server, user):
    c = Client(server)
    c.no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED")
    c.no(f"LOGIN nobody@imap.test {PASSWORD}", "AUTHENTICATIONFAILED")
    c.no("AUTHENTICATE GSSAPI", "CANNOT")
    tag = c.begin("AUTHENTICATE PLAIN")
    c.line()
    c.send("*\r\n")
    assert c.finish(tag).status == "BAD"
    c.ok(f'LOGIN "{user}" "{PASSWORD}"')


def test_id_enable_namespace(client):
    assert client.ok('ID ("name" "x" "version" NIL)') == [b'* ID ("name" "Postern")']
    client.ok("ID NIL")
    client.bad('ID ("name")')
    assert client.ok("ENABLE CONDSTORE X-NOTHING") == [b"* ENABLED CONDSTORE"]
    assert client.ok("NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL NIL']


# -- mailboxes -----------------------------------------------------------------------


def listed(lines):
    names = {}
    for line in lines:
        found = re.match(rb'\* (?:LIST|LSUB) \(([^)]*)\) "/" "?([^"]*)"?(.*)$', line)
        if found:
            names[found.group(2).decode()] = found.group(1).decode().split()
    return names


def test_create_list_delete(client):
    client.ok("CREATE Work/2026/")
    names = listed(client.ok('LIST "" *'))
    assert "\\HasChildren" in names["Work"] and "\\HasNoChildren" in names["Work/2026"]
    assert set(listed(client.ok('LIST "" %'))) == {"Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash", "Work"}
    assert set(listed(client.ok('LIST Work/ %'))) == {"Work/2026"}
    assert set(listed(client.ok('LIST "" "W*6"'))) == {"Work/2026"}
    assert client.ok('LIST "" ""') == [b'* LIST (\\Noselect) "/" ""']
    assert set(listed(client.ok('LIST "" inbox'))) == {"INBOX"}
    client.no("CREATE Work/2026", "ALREADYEXISTS")
    client.no("CREATE inbox", "ALREADYEXISTS")
    client.ok("DELETE Work/2026")
    client.no("DELETE Work/2026", "NONEXISTENT")
    client.no("DELETE INBOX", "CANNOT")


def test_names(client):
    client.ok('CREATE "Entw&APw-rfe"')
    assert "Entw&APw-rfe" in listed(client.ok('LIST "" *'))
    client.no('CREATE "a&AGE-"', "CANNOT")
    client.ok("ENABLE UTF8=ACCEPT")
    client.ok('SELECT "Entwürfe"')
    client.ok('SELECT "Entwu\u0308rfe"')           # the decomposed twin is the same mailbox
    assert b'"Entw\xc3\xbcrfe"' in b"".join(client.ok('LIST "" "Ent*"'))
    client.ok("UNSELECT")
    client.ok('DELETE "Entwürfe"')


def test_special_use(client):
    client.ok("CREATE Spam (USE (\\Flagged))")
    assert "\\Flagged" in listed(client.ok('LIST "" Spam'))["Spam"]
    client.no("CREATE Odd (USE (\\Important))", "USEATTR")
    assert set(listed(client.ok('LIST (SPECIAL-USE) "" *'))) >= {"Sent", "Drafts", "Trash", "Junk", "Spam"}
    assert "INBOX" not in listed(client.ok('LIST (SPECIAL-USE) "" *'))


def test_subscriptions(client):
    for name in ("INBOX", "Sent", "Archive", "Drafts", "Junk", "Trash"):
        client.ok(f"UNSUBSCRIBE {name}")
    client.ok("CREATE a/b/c")
    client.ok("UNSUBSCRIBE a/b")
    client.ok("UNSUBSCRIBE a")
    client.ok("SUBSCRIBE a/b/c")
    assert set(listed(client.ok('LSUB "" *'))) == {"a/b/c"}
    assert listed(client.ok('LSUB "" %')) == {"a": ["\\Noselect"]}
    lines = client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" %')
    assert listed(lines).keys() == {"a"} and b'(CHILDINFO ("SUBSCRIBED"))' in lines[0]
    assert "\\Subscribed" in listed(client.ok('LIST "" * RETURN (SUBSCRIBED)'))["a/b/c"]
    client.ok("DELETE a/b/c")                       # RFC 3501 6.3.4: the subscription stays
    assert listed(client.ok('LIST (SUBSCRIBED) "" *')) == {"a/b/c": ["\\NonExistent", "\\HasNoChildren", "\\Subscribed"]}


def test_list_status_and_patterns(inbox):
    lines = inbox.ok('LIST "" (INBOX Sent) RETURN (STATUS (MESSAGES UNSEEN SIZE) CHILDREN)')
    assert listed(lines).keys() == {"INBOX", "Sent"}
    assert any(re.match(rb'\* STATUS "INBOX" \(MESSAGES 3 UNSEEN 3 SIZE \d+\)', line) for line in lines)
    inbox.bad('LIST (NONSENSE) "" *')


def test_rename(client):
    client.ok("CREATE old/child")
    client.append(message("kept"), "old/child")
    client.ok("RENAME old new")
    assert {"new", "new/child"} <= set(listed(client.ok('LIST "" new*')))
    client.ok("SELECT new/child")
    assert b"kept" in client.ok("FETCH 1 BODY.PEEK[HEADER]")[0]
    client.ok("UNSELECT")
    client.no("RENAME new Sent", "ALREADYEXISTS")
    client.no("RENAME none other", "NONEXISTENT")
    client.append(message("in the inbox"))
    client.ok("RENAME INBOX moved")                 # RFC 3501 6.3.5: its messages move, it stays
    assert b"MESSAGES 0" in client.ok("STATUS INBOX (MESSAGES)")[0]
    assert b"MESSAGES 1" in client.ok("STATUS moved (MESSAGES)")[0]


def test_status(inbox):
    assert inbox.ok("STATUS Sent (RECENT)") == [b'* STATUS "Sent" (RECENT 0)']
    inbox.append(message("kept"), "Sent", "(\\Seen)")
    assert inbox.ok("STATUS Sent (RECENT)") == [b'* STATUS "Sent" (RECENT 1)']
    line = inbox.ok("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE)")[-1]   # behind CONDSTORE's OK
    assert re.match(rb'\* STATUS "INBOX" \(MESSAGES 3 RECENT 0 UIDNEXT 4 UIDVALIDITY \d+ UNSEEN 3 HIGHESTMODSEQ \d+ '
                    rb'SIZE \d+\)$', line)
    inbox.no("STATUS Nowhere (MESSAGES)", "NONEXISTENT")
    inbox.bad("STATUS INBOX ()")


def test_status_of_what_expunge_would_free(inbox):
    """RFC 9208 4.1.4: who names QUOTA=RES-STORAGE and QUOTA=RES-MESSAGE tells both."""
    assert inbox.ok("STATUS INBOX (DELETED DELETED-STORAGE)") == [b'* STATUS "INBOX" (DELETED 0 DELETED-STORAGE 0)']
    inbox.append(message("longer than the others"))
    inbox.ok("STORE 1,4 +FLAGS.SILENT (\\Deleted)")
    sizes = [int(re.search(rb"RFC822.SIZE (\d+)", line).group(1)) for line in inbox.ok("FETCH 1,4 RFC822.SIZE")]
    want = b'* STATUS "INBOX" (DELETED 2 DELETED-STORAGE %d)' % sum(sizes)
    assert inbox.ok("STATUS INBOX (DELETED DELETED-STORAGE)") == [want]
    assert want in inbox.ok('LIST "" % RETURN (STATUS (DELETED DELETED-STORAGE))')
    inbox.ok("EXPUNGE")
    assert inbox.ok("STATUS INBOX (DELETED-STORAGE)") == [b'* STATUS "INBOX" (DELETED-STORAGE 0)']


def test_select_examine_close(inbox):
    lines = inbox.ok("EXAMINE INBOX")
    text = b"\n".join(lines)
    for part in (b"* 3 EXISTS", b"* 0 RECENT", b"[UNSEEN 1]", b"[UIDVALIDITY ", b"[UIDNEXT 4]", b"[HIGHESTMODSEQ ",
                 b"[PERMANENTFLAGS ()]"):
        assert part in text
    inbox.no("STORE 1 +FLAGS (\\Seen)", "NOPERM")
    inbox.no("EXPUNGE", "NOPERM")
    assert b"FLAGS" not in inbox.ok("FETCH 1 BODY[]")[0]     # no \Seen in a mailbox that is only looked at
    inbox.no("SELECT Nowhere", "NONEXISTENT")
    inbox.bad("FETCH 1 FLAGS")                      # the failed SELECT has closed the old one
    inbox.ok("SELECT INBOX")
    inbox.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    inbox.ok("UNSELECT")
    assert b"MESSAGES 3" in inbox.ok("STATUS INBOX (MESSAGES)")[0]
    inbox.ok("SELECT INBOX")
    assert inbox.ok("CLOSE") == []
    assert b"MESSAGES 2" in inbox.ok("STATUS INBOX (MESSAGES)")[0]


def test_quota(client, server, user):
    # The customer's pool, which its mailboxes share, is there as soon as directory has told its size.
    assert wait_until(lambda: client.ok("GETQUOTAROOT INBOX")[0] == b'* QUOTAROOT "INBOX" "pool"')
    assert re.match(rb'\* QUOTA "pool" \(STORAGE \d+ 104857600\)$', client.ok("GETQUOTA pool")[0])
    client.no('GETQUOTA ""', "NONEXISTENT")         # no limit of its own
    client.no('GETQUOTA "other"', "NONEXISTENT")
    client.no('SETQUOTA "" (STORAGE 1)', "NOPERM")
    small = f"small{next(numbers)}@imap.test"
    server.add_mailbox(small, PASSWORD, "--quota", "1M")
    c = Client(server, small, PASSWORD)
    assert b"(STORAGE 0 1024" in c.ok('GETQUOTA ""')[0]
    assert wait_until(lambda: c.ok("GETQUOTAROOT INBOX")[0] == b'* QUOTAROOT "INBOX" "" "pool"')
    big = message("big", "x" * 78 + "\r\n") * 1
    big += (b"y" * 78 + b"\r\n") * 14000
    tag = c.begin(f"APPEND INBOX {{{len(big)}+}}")
    c.send(big + b"\r\n")
    answer = c.finish(tag)
    assert answer.status == "NO" and "[OVERQUOTA]" in answer.text


# -- messages ------------------------------------------------------------------------


def test_append(client):
    uid = client.append(message("dated"), options='(\\Seen $Work) "01-Jan-2020 10:00:00 +0100"')
    client.ok("SELECT INBOX")
    line = client.ok(f"UID FETCH {uid} (FLAGS INTERNALDATE RFC822.SIZE)")[0]
    assert b'INTERNALDATE "01-Jan-2020 09:00:00 +0000"' in line
    assert b"FLAGS (\\Seen \\Recent $Work)" in line
    assert f"RFC822.SIZE {len(message('dated'))}".encode() in line
    tag = client.begin("APPEND Nowhere {3+}")
    client.send("abc\r\n")
    answer = client.finish(tag)
    assert answer.status == "NO" and "[TRYCREATE]" in answer.text
    tag = client.begin("APPEND INBOX (\\Foo) {3+}")
    client.send("abc\r\n")
    assert client.finish(tag).status == "BAD"
    tag = client.begin("APPEND INBOX {0+}")
    client.send("\r\n")
    assert client.finish(tag).status == "NO"
    # The mailbox's name may be a literal too.
    data = message("second")
    tag = client.begin(f"APPEND {{5+}}\r\nINBOX {{{len(data)}+}}")
    client.send(data + b"\r\n")
    answer = client.finish(tag)
    assert answer.status == "OK" and b"* 2 EXISTS" in answer.lines
    client.ok("ENABLE UTF8=ACCEPT")
    data = "Subject: Grüße\r\n\r\nHällo\r\n".encode()
    tag = client.begin(f"APPEND INBOX UTF8 (~{{{len(data)}+}}")
    client.send(data + b")\r\n")
    assert client.finish(tag).status == "OK"


@pytest.mark.parametrize("date", ["01-Jan-1970 00:00:00", "01-Jan-1970 00:00:01", "31-Dec-1969 23:59:59"])
def test_append_keeps_the_date_of_the_epoch(client, date):
    uid = client.append(message("dated"), options=f'"{date} +0000"')
    client.ok("SELECT INBOX")
    assert date.encode() in client.ok(f"UID FETCH {uid} INTERNALDATE")[0]


def test_fetch_items(inbox):
    line = inbox.ok("FETCH 2 FULL")[0]
    for item in (b"FLAGS (", b"INTERNALDATE ", b"RFC822.SIZE ", b"ENVELOPE (", b"BODY ("):
        assert item in line
    assert inbox.ok("UID FETCH 1:* UID") == [b"* %d FETCH (UID %d)" % (n, n) for n in (1, 2, 3)]
    assert fetched(inbox.ok("FETCH 1 RFC822.SIZE"), 1, b"RFC822.SIZE") == b"%d" % len(message("one", "body of one\r\n"))
    assert inbox.ok("UID FETCH 99 FLAGS") == []
    inbox.bad("FETCH 4 FLAGS")
    inbox.bad("FETCH 0 FLAGS")
    inbox.bad("FETCH 1 (FLAGS NONSENSE)")
    assert len(inbox.ok("FETCH *:1 FLAGS")) == 3
    assert inbox.ok("UID FETCH 3:* FLAGS") and inbox.ok("UID FETCH 50:* FLAGS")[0].startswith(b"* 3 FETCH")


def test_fetch_sections(client):
    text = ("Subject: parts\r\nX-Long: a\r\n b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
            "--B\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n"
            "Subject: inner\r\nFrom: a@b.test\r\n\r\ninner body\r\n--B--\r\n")
    client.append(text)
    client.ok("SELECT INBOX")
    header, body = text.split("\r\n\r\n", 1)
    inner = "Subject: inner\r\nFrom: a@b.test\r\n\r\n"
    expected = {
        "": text, "HEADER": header + "\r\n\r\n", "TEXT": body, "1": "first", "1.MIME": "Content-Type: text/plain\r\n\r\n",
        "2": inner + "inner body", "2.HEADER": inner, "2.TEXT": "inner body", "2.1": "inner body",
        "2.HEADER.FIELDS (SUBJECT)": "Subject: inner\r\n\r\n",
        "HEADER.FIELDS (X-Long Subject)": "Subject: parts\r\nX-Long: a\r\n b\r\n\r\n",
        "HEADER.FIELDS.NOT (Subject Content-Type MIME-Version)": "X-Long: a\r\n b\r\n\r\n",
    }
    for section, want in expected.items():
        line = client.ok(f"FETCH 1 BODY.PEEK[{section}]")[0]
        assert line == f"* 1 FETCH (BODY[{section}] {{{len(want)}}}\r\n{want})".encode()
        # The same in pieces.
        for start in (0, 3, len(want) - 1, len(want), len(want) + 5):
            line = client.ok(f"FETCH 1 BODY.PEEK[{section}]<{start}.4>")[0]
            piece = want[start:start + 4]
            assert line == f"* 1 FETCH (BODY[{section}]<{start}> {{{len(piece)}}}\r\n{piece})".encode()
    assert client.ok("FETCH 1 BODY.PEEK[7]")[0] == b"* 1 FETCH (BODY[7] NIL)"
    assert b"\\Seen" not in client.ok("FETCH 1 FLAGS")[0]
    assert b"FLAGS (\\Seen \\Recent)" in client.ok("FETCH 1 RFC822.TEXT")[0]
    structure = client.ok("FETCH 1 BODYSTRUCTURE")[0]
    assert b'"mixed"' in structure.lower() and b'"rfc822"' in structure.lower()


def test_store(inbox):
    assert b"FLAGS (\\Seen \\Flagged)" in inbox.ok("STORE 1 FLAGS (\\Seen \\Flagged)")[0]
    assert inbox.ok("STORE 1:3 +FLAGS.SILENT (\\Answered)") == []
    assert b"FLAGS (\\Answered)" in inbox.ok("FETCH 2 FLAGS")[0]
    lines = inbox.ok("STORE 2 +FLAGS ($Label1 Work)")
    assert any(line.startswith(b"* FLAGS (") and b"$Label1" in line for line in lines)
    assert b"\\Answered" not in inbox.ok("UID STORE 2 -FLAGS (\\Answered)")[0]
    assert fetched(inbox.ok("FETCH 2 FLAGS"), 2, b"FLAGS") == b"($Label1 Work)"
    inbox.ok("STORE 2 FLAGS ()")
    assert fetched(inbox.ok("FETCH 2 FLAGS"), 2, b"FLAGS") == b"()"
    inbox.bad("STORE 2 FLAGS (\\Nonsense)")


def test_copy_move_expunge(inbox):
    answer = inbox.cmd("COPY 1,3 Archive")
    assert re.match(r"\[COPYUID \d+ 1,3 1:2\]", answer.text)
    inbox.no("COPY 1 Nowhere", "TRYCREATE")
    answer = inbox.cmd("UID MOVE 2 Archive")
    assert answer.status == "OK"
    assert re.match(rb"\* OK \[COPYUID \d+ 2 3\]", answer.lines[0]) and answer.lines[1] == b"* 2 EXPUNGE"
    inbox.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert inbox.ok("UID EXPUNGE 1:2") == [b"* 1 EXPUNGE"]
    assert inbox.ok("EXPUNGE") == [b"* 1 EXPUNGE"]
    assert inbox.ok("FETCH 1:* FLAGS") == []
    assert b"MESSAGES 3" in inbox.ok("STATUS Archive (MESSAGES)")[0]


def test_search(inbox):
    inbox.ok("STORE 2 FLAGS (\\Seen $Work)")
    inbox.append("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: m@x.test\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\nDate: Fri, 2 Jan 2009 23:30:00 -0700\r\n\r\nf=FCr\r\n",
                 options='"05-Feb-2009 12:00:00 +0000"')
    cases = {
        "ALL": "1 2 3 4", "SEEN": "2", "UNSEEN": "1 3 4", "KEYWORD $work": "2", "UNKEYWORD $Work": "1 3 4",
        "SUBJECT two": "2", "FROM joe": "1 2 3", "TEXT three": "3", "BODY three": "3", "BODY Subject": "",
        "NOT SUBJECT two": "1 3 4", "OR SUBJECT one SUBJECT three": "1 3", "2:* UNSEEN": "3 4", "UID 1,3": "1 3",
        "SENTON 2-Jan-2009": "4", "SENTBEFORE 3-Jan-2009": "4", "SENTSINCE 1-Jan-2020": "1 2 3",
        "BEFORE 1-Jan-2010": "4", "ON 5-Feb-2009": "4", "HEADER Content-Type plain": "4", "HEADER Content-Type \"\"": "4",
        "LARGER 100 SMALLER 100000": "1 2 3 4", "NEW": "4", "RECENT": "4", "OLD": "1 2 3", "(SEEN KEYWORD $Work)": "2",
        "CHARSET UTF-8 SUBJECT {7+}\r\ngrüß": "4", "CHARSET US-ASCII SUBJECT two": "2",
        "CHARSET UTF-8 BODY {4+}\r\nFÜR": "4", "SUBJECT gr": "4", "YOUNGER 3600": "1 2 3", "OLDER 3600": "4",
    }
    for program, want in cases.items():
        if "{" in program:
            head, literal = program.split("\r\n")
            program = re.sub(r"\{\d+", f"{{{len(literal.encode())}", head) + "\r\n" + literal
        assert inbox.ok(f"SEARCH {program}") == [f"* SEARCH {want}".rstrip().encode()], program
    inbox.no("SEARCH CHARSET KOI8-R SUBJECT x", "BADCHARSET")
    inbox.bad("SEARCH NONSENSE")
    inbox.bad("SEARCH")
    answer = inbox.cmd("UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN")
    assert answer.lines[0].endswith(b" UID MIN 1 MAX 4 ALL 1,3:4 COUNT 3")
    assert inbox.ok("SEARCH RETURN () SUBJECT none")[0].endswith(b'")')


def test_condstore_switched_on_by_use(inbox):
    """RFC 7162 3.1: the first command that shows it, with a mailbox selected, tells where to count from; once."""
    lines = inbox.ok("FETCH 1 (MODSEQ)")
    assert sum(b"[HIGHESTMODSEQ " in line for line in lines) == 1
    assert not any(b"[HIGHESTMODSEQ " in line for line in inbox.ok("FETCH 1 (MODSEQ)"))


def test_condstore(inbox):
    line = inbox.ok("FETCH 1:3 (MODSEQ)")[-1]
    before = int(re.search(rb"MODSEQ \((\d+)\)", line).group(1))
    line = inbox.ok("STORE 2 +FLAGS (\\Flagged)")[0]
    after = int(re.search(rb"MODSEQ \((\d+)\)", line).group(1))
    assert after > before
    assert [b"* 2 FETCH" in x for x in inbox.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {before})")] == [True]
    answer = inbox.cmd(f"STORE 1:3 (UNCHANGEDSINCE {before}) +FLAGS.SILENT (\\Seen)")
    assert answer.status == "OK" and answer.text.startswith("[MODIFIED 2]")
    assert len(answer.lines) == 2 and all(b"MODSEQ" in x for x in answer.lines)
    answer = inbox.cmd("UID STORE 2 (UNCHANGEDSINCE 1) +FLAGS (\\Answered)")
    assert answer.text.startswith("[MODIFIED 2]")
    assert re.match(rb"\* SEARCH 2 \(MODSEQ %d\)" % after, inbox.ok(f"SEARCH MODSEQ {after} FLAGGED")[0])
    highest = int(re.search(rb"(\d+)\)$", inbox.ok("STATUS INBOX (HIGHESTMODSEQ)")[0]).group(1))
    assert highest >= after
    assert b"[HIGHESTMODSEQ %d]" % highest in b"".join(inbox.ok("SELECT INBOX (CONDSTORE)"))


def test_pipelining(inbox):
    inbox.send("a NOOP\r\nb FETCH 1 FLAGS\r\nc STORE 1 +FLAGS (\\Seen)\r\nd FETCH 1 FLAGS\r\ne NOOP\r\n")
    lines = [inbox.line() for _ in range(8)]
    assert [x.split()[0] for x in lines if not x.startswith(b"*")] == [b"a", b"b", b"c", b"d", b"e"]
    assert b"\\Seen" in lines[5]


def test_bad_commands(client):
    client.bad("NONSENSE")
    client.bad("NOOP x")
    client.bad("SELECT")
    client.bad("UID NOOP")
    client.send("\r\n")
    assert client.line().startswith(b"* BAD")
    client.ok("NOOP")
    client.send("x NONSENSE\r\n" * 20)
    assert b"* BYE " in client.closed()
