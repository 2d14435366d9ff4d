# SPDX-License-Identifier: Apache-2.0
"""BODY[...] of the odd messages, section by section, against a running Dovecot. Both get the same bytes by APPEND."""
import imaplib
import os
import socket
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "corpus"))

import compare  # noqa: E402
import imap_value  # noqa: E402
from digester import CORPUS, messages, with_crlf  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"NO CORPUS at {CORPUS}: sections are NOT compared with Dovecot"),
    pytest.mark.slow,
]

PASSWORD = "Sections-secret-1"
FOLDER = "Sections"
# A message/rfc822 with base64 on it: Dovecot takes the codes for the inner message's header, we look inside none.
ENCODED = {"james-mime4j-bad-newlines-multiple-parts-base64.eml", "james-mime4j-base64encoded-rfc822message-nested.eml",
           "008.txt"}
TOP = ["HEADER", "TEXT", "HEADER.FIELDS (SUBJECT FROM)", "HEADER.FIELDS.NOT (SUBJECT RECEIVED)", "9", "1.1.1.1.1"]


def quick(imap):
    """Without this each APPEND of imaplib waits for the kernel's delayed ACK."""
    imap.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    imap.create(FOLDER)
    return imap


def append(imap, message):
    imap.literal = message          # imaplib's own append changes line ends
    assert imap._simple_command("APPEND", FOLDER, "()", '" 1-Feb-2024 03:04:05 +0000"')[0] == "OK"


def section(imap, number, name):
    """Its bytes; None where there is none (NIL, or nothing: RFC 3501 lets a server choose)."""
    ok, data = imap.fetch(str(number), f"(BODY.PEEK[{name}])")
    assert ok == "OK"
    for piece in data:
        if isinstance(piece, tuple):
            return piece[1] or None
    return None


def structure(imap, number):
    ok, data = imap.fetch(str(number), "(BODYSTRUCTURE)")
    raw = b"".join(p[0] + b"\r\n" + p[1] if isinstance(p, tuple) else p for p in data)
    return imap_value.parse(raw.split(b" ", 1)[1], atoms=True)[1]


def names(body, path=(), root=True):
    if imap_value.is_part_list(body):
        if path:
            yield from section_names(path, False)
        for i, part in enumerate(imap_value.children(body), 1):
            yield from names(part, path + (i,), False)
        return
    own = path + (1,) if root else path
    message = [body[0].lower(), body[1].lower()] == [b"message", b"rfc822"]
    yield from section_names(own, message)
    if message:
        yield from names(body[8], own, True)


def section_names(path, message):
    name = ".".join(map(str, path))
    return [name, name + ".MIME"] + ([name + ".HEADER", name + ".TEXT"] if message else [])


def same(name, ours, theirs):
    if ours == theirs:
        return True
    ours, theirs = ours or b"", theirs or b""
    if name.endswith(("MIME", "HEADER")) or "FIELDS" in name:
        # The empty line behind a header whose body is empty or absent: we show it, Dovecot does not, or the other way.
        return ours.rstrip(b"\r\n") == theirs.rstrip(b"\r\n")
    # The line end behind an inner close-delimiter, see tests/corpus/dovecot-differences.tsv.
    return ours + b"\r\n" == theirs and ours.rstrip().endswith(b"--")


def test_every_section(postern, old_server):
    postern.add_domain("sections.test")
    postern.add_mailbox("joe@sections.test", PASSWORD)
    ours = quick(postern.imap("joe@sections.test", PASSWORD, timeout=60))
    theirs = imaplib.IMAP4("127.0.0.1", old_server.ports["imap"], timeout=60)
    theirs.login("joe@example.test", "Joe-old-secret-1")
    quick(theirs)
    differing = ENCODED | {file for file, _ in compare.accepted("dovecot-differences.tsv")}
    put = []
    for name, message in messages(("mime-odd", "imap-bodystructure")):
        message = with_crlf(message)
        if b"\0" not in message and os.path.basename(name) not in differing:
            append(ours, message)
            append(theirs, message)
            put.append(name)
    ours.select(FOLDER, readonly=True)
    theirs.select(FOLDER, readonly=True)
    bad, count = [], 0
    for number, file in enumerate(put, 1):
        for name in TOP + list(names(structure(ours, number))):
            count += 1
            a, b = section(ours, number, name), section(theirs, number, name)
            if not same(name, a, b):
                bad.append(f"{file} BODY[{name}]: ours {str(a)[:150]} theirs {str(b)[:150]}")
    assert count > 2500
    assert not bad, "\n".join(bad)
