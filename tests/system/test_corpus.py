# SPDX-License-Identifier: Apache-2.0
"""Every message of the corpus goes in by SMTP and by APPEND and comes out byte for byte by IMAP and POP3; what IMAP says
of it parses, and is what its bytes are."""
import os
import poplib
import re
import socket
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "corpus"))

import imap_value  # noqa: E402
from digester import CORPUS, Digester, messages, with_crlf  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(),
                       reason=f"NO CORPUS at {CORPUS}: real messages do NOT go through the instance"),
    pytest.mark.slow,
]

PASSWORD = "Corpus-secret-1"
BATCH = 40
SECTIONS = 50           # in one FETCH
TRACE = re.compile(rb"Return-Path: <[^\r\n]*>\r\nReceived: [^\r\n]*\r\n(?:[\t ][^\r\n]*\r\n)*\Z")


def smtp_takes(message):
    """RFC 5321 2.3.8: CR and LF only together; RFC 6152: no NUL."""
    return not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", message)


def fetch(imap, uids, items):
    """{uid: {item: value}} of a UID FETCH; values as imap_value gives them."""
    ok, data = imap.uid("FETCH", uids, items)
    assert ok == "OK", data
    answers, current = {}, b""
    for piece in data:
        if isinstance(piece, tuple):
            current += piece[0] + b"\r\n" + piece[1]
            continue
        if piece is None:
            continue
        value = imap_value.parse((current + piece).split(b" ", 1)[1], atoms=True)
        pairs = dict(zip(value[::2], value[1::2]))
        answers[int(pairs["UID"])] = pairs
        current = b""
    return answers


def fetch_all(imap, count, items):
    for first in range(1, count + 1, BATCH):
        answers = fetch(imap, f"{first}:{min(first + BATCH - 1, count)}", items)
        yield from sorted(answers.items())


def login(house, user):
    """imaplib sends a literal in two pieces: without this each APPEND waits for the kernel's delayed ACK."""
    imap = house.imap(user, PASSWORD, timeout=60)
    imap.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return imap


def append(imap, mailbox, message):
    """APPEND of exactly these bytes (imaplib's append changes line ends)."""
    imap.literal = message
    ok, data = imap._simple_command("APPEND", mailbox, "()", '" 1-Feb-2024 03:04:05 +0000"')
    return ok == "OK", data


def judge(digester, name, pairs, message):
    """What IMAP says of a message is what its bytes give."""
    assert pairs["BODY[]"] == message, name
    assert int(pairs["RFC822.SIZE"]) == len(message), name
    dump = digester.dump(message)
    assert pairs["ENVELOPE"] == imap_value.parse(dump.envelope), name
    assert pairs["BODYSTRUCTURE"] == imap_value.parse(dump.bodystructure), name


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("corpus.test")
    for name in ("smtp", "append", "parts"):
        shared_postern.add_mailbox(f"{name}@corpus.test", PASSWORD)
    return shared_postern


def test_smtp_in_imap_and_pop3_out(house):
    sent, unclear = [], []
    with house.smtp(timeout=60) as smtp:
        smtp.ehlo()
        for name, message in messages():
            message = with_crlf(message)
            message += b"" if message.endswith(b"\r\n") else b"\r\n"
            smtp.mail("<sender@elsewhere.test>", ["BODY=8BITMIME"])
            smtp.rcpt("<smtp@corpus.test>")
            code, text = smtp.docmd("DATA")
            assert code == 354, (name, text)
            smtp.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
            code, text = smtp.getreply()
            if code == 550 and text.startswith(b"5.6.0 "):      # S34
                unclear.append(name)
            elif smtp_takes(message):
                assert code == 250, (name, code, text)
                sent.append((name, message))
            elif code == 250:
                sent.append((name, message))
            else:
                assert code in (550, 554), (name, code, text)
            if smtp.sock is None:
                smtp.connect("127.0.0.1", house.port("smtp"))
                smtp.ehlo()
    assert len(sent) > 1800
    assert len(unclear) < 20 and not any("ham" in name for name in unclear), unclear
    imap = login(house, "smtp@corpus.test")
    imap.select("INBOX", readonly=True)
    stored = []
    with Digester() as digester:
        answers = fetch_all(imap, len(sent), "(UID RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
        for (name, message), (_uid, pairs) in zip(sent, answers):
            whole = pairs["BODY[]"]
            assert whole.endswith(message), name
            assert TRACE.match(whole[:len(whole) - len(message)]), (name, whole[:300])
            judge(digester, name, pairs, whole)
            stored.append((name, whole))
    imap.logout()
    assert len(stored) == len(sent)
    pop3_gives(house, stored)


def pop3_gives(house, stored):
    poplib._MAXLINE = 1 << 24
    pop = house.pop3("smtp@corpus.test", PASSWORD, timeout=60)
    assert pop.stat() == (len(stored), sum(len(m) for _, m in stored))
    for number, (name, whole) in enumerate(stored, 1):
        lines = pop.retr(number)[1]
        assert b"\r\n".join(lines) + b"\r\n" == whole, name
    pop.quit()


def test_append_in_imap_out(house):
    """As the files are: LF, CRLF, mixed; a NUL is the one thing that APPEND may refuse (RFC 3501 4.3)."""
    imap = login(house, "append@corpus.test")
    put = []
    for name, message in messages():
        ok, data = append(imap, "INBOX", message)
        assert ok or b"\0" in message, (name, data)
        if ok:
            put.append((name, message))
    assert len(put) > 1800
    imap.select("INBOX", readonly=True)
    with Digester() as digester:
        count = 0
        answers = fetch_all(imap, len(put), "(UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
        for (name, message), (_uid, pairs) in zip(put, answers):
            judge(digester, name, pairs, message)
            assert pairs["INTERNALDATE"] == b"01-Feb-2024 03:04:05 +0000"
            count += 1
    assert count == len(put)
    imap.logout()


def leaves(structure, path=(), root=True):
    """(path, size, lines or None) of every part that has a body of its own."""
    if imap_value.is_part_list(structure):
        for i, part in enumerate(imap_value.children(structure), 1):
            yield from leaves(part, path + (i,), False)
        return
    own = path + (1,) if root else path
    kind = structure[0].lower(), structure[1].lower()
    lines = int(structure[7]) if kind[0] == b"text" else None
    yield own, int(structure[6]), lines
    if kind in ((b"message", b"rfc822"), (b"message", b"global")):
        yield from leaves(structure[8], own, True)


def is_invented(message_part, structure):
    """An empty part that stands for what the grammar wants and the message has not."""
    return message_part is None and structure[1] == 0


def test_sections_are_what_bodystructure_says(house):
    imap = login(house, "parts@corpus.test")
    put = []
    for name, message in messages(("mime-odd", "imap-bodystructure", "mime-torture")):
        message = with_crlf(message)
        if append(imap, "INBOX", message)[0]:
            put.append((name, message))
    imap.select("INBOX", readonly=True)
    for (name, message), (uid, pairs) in zip(put, fetch_all(imap, len(put), "(UID BODYSTRUCTURE)")):
        parts = list(leaves(pairs["BODYSTRUCTURE"]))
        names = [".".join(map(str, path)) for path, _, _ in parts]
        wanted = ["HEADER", "TEXT"] + names + [f"{n}.MIME" for n in names]
        got = {}
        for at in range(0, len(wanted), SECTIONS):
            items = " ".join(f"BODY.PEEK[{w}]" for w in wanted[at:at + SECTIONS])
            got |= fetch(imap, str(uid), f"(UID {items})")[uid]
        assert got["BODY[HEADER]"] + got["BODY[TEXT]"] == message, name
        for (path, size, lines), n in zip(parts, names):
            body = got[f"BODY[{n}]"]
            if is_invented(body, (path, size)):
                continue
            assert len(body or b"") == size, (name, n)
            assert lines is None or (body or b"").count(b"\n") == lines, (name, n)
            assert (got[f"BODY[{n}.MIME]"] or b"") + (body or b"") in message, (name, n)
    imap.logout()
