# SPDX-License-Identifier: Apache-2.0
"""Clients that keep a copy of the mailbox: mbsync and offlineimap, in both directions."""
import os
import shutil

import pytest

from letters import mail

pytestmark = pytest.mark.skipif(not shutil.which("mbsync"), reason="isync is not installed")

MBSYNC = """\
IMAPAccount postern
Host localhost
Port {imaps}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {cert}

IMAPStore far
Account postern

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
CopyArrivalDate yes
"""


def tree(top):
    """Everything below a folder: name, size and time of change, but for folders."""
    found = {}
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            found[os.path.relpath(path, top)] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
    return found


def maildir(home, box):
    """Messages of a Maildir: {first word of the file's name: (flags, bytes)}."""
    found = []
    for sub in ("new", "cur"):
        top = home / "mail" / box / sub
        for path in top.iterdir() if top.exists() else ():
            found.append((path.name.partition(":2,")[2], path.read_bytes()))
    return found


def state(account):
    """What the server has: {mailbox: [(uid, flags)]}, HIGHESTMODSEQ and all."""
    with account.imap() as imap:
        result = {}
        for line in imap.list()[1]:
            name = line.decode().rpartition(' "/" ')[2]
            result[name] = [imap.status(name, "(MESSAGES UIDNEXT HIGHESTMODSEQ)")[1]]
            imap.select(name, readonly=True)
            result[name].append(imap.uid("FETCH", "1:*", "(FLAGS)")[1])
        return result


def test_mbsync_both_directions(account):
    account.maildir("mail", "INBOX")
    rc = account.write("mbsyncrc", MBSYNC.format(**vars(account)))
    for n in range(20):
        account.put(f"far{n}", flags="\\Seen" if n % 2 else "")
    account.put("entwurf", "Archive/Alt", "\\Flagged")
    account.run("mbsync", "-c", rc, "-a")
    assert len(maildir(account.home, "INBOX")) == 20
    assert sorted(f for f, _ in maildir(account.home, "INBOX")).count("S") == 10
    assert [(f, b"Subject: entwurf" in m) for f, m in maildir(account.home, "Archive/Alt")] == [("F", True)]

    # Changes on both sides at once: new mail, flags, a deletion, a new folder.
    near = account.home / "mail" / "INBOX"
    account.write_file(near / "cur" / "1700000000.1.host:2,RS", mail("near").replace(b"\r\n", b"\n"))
    next(p for sub in ("new", "cur") for p in (near / sub).iterdir() if b"Message-ID: <far3@" in p.read_bytes()).unlink()
    local = account.maildir("mail", "Local")
    account.write_file(local / "new" / "1700000001.1.host", mail("local").replace(b"\r\n", b"\n"))
    with account.imap() as imap:
        imap.select()
        uid = imap.uid("SEARCH", "SUBJECT", "far5")[1][0].split()[0]
        imap.uid("STORE", uid, "+FLAGS", "(\\Answered)")
        uid = imap.uid("SEARCH", "SUBJECT", '"far7"')[1][0].split()[0]
        imap.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
        imap.expunge()
    account.put("far20")
    account.run("mbsync", "-c", rc, "-a")
    subjects = account.subjects()
    assert sorted(subjects) == sorted(["near"] + [f"far{n}" for n in range(21) if n not in (3, 7)])
    assert account.subjects("Local") == ["local"]
    with account.imap() as imap:
        imap.select()
        number = imap.search(None, "SUBJECT", "near")[1][0].decode()
        assert set(imap.fetch(number, "(FLAGS)")[1][0].split(b"(")[-1].strip(b")").split()) == {b"\\Answered", b"\\Seen"}
    here = maildir(account.home, "INBOX")
    assert len(here) == 20
    assert [set(f) for f, m in here if b"Subject: far5" in m] == [{"R", "S"}]

    # A third run has nothing to do, on either side.
    before, there = tree(account.home / "mail"), state(account)
    account.run("mbsync", "-c", rc, "-a")
    after = tree(account.home / "mail")
    assert {k for k in before if not k.endswith(".mbsyncstate")} == {k for k in after if not k.endswith(".mbsyncstate")}
    assert all(before[k] == after[k] for k in before if "mbsyncstate" not in k)
    assert state(account) == there


@pytest.mark.skipif(not shutil.which("offlineimap"), reason="offlineimap3 is not installed")
def test_offlineimap(account):
    rc = account.write("offlineimaprc", f"""\
[general]
accounts = a
metadata = {account.home}/meta
ui = quiet
[Account a]
localrepository = l
remoterepository = r
[Repository l]
type = Maildir
localfolders = {account.home}/mail
[Repository r]
type = IMAP
remotehost = localhost
remoteport = {account.imaps}
remoteuser = {account.user}
remotepass = {account.password}
ssl = yes
sslcacertfile = {account.cert}
ssl_version = tls1_2
tls_level = tls_no_ssl
cert_fingerprint = {fingerprint(account.cert)}
""")
    for n in range(5):
        account.put(f"far{n}")
    account.run("offlineimap", "-c", rc, "-o", seconds=120)
    assert len(maildir(account.home, "INBOX")) == 5
    account.write_file(account.home / "mail" / "INBOX" / "cur" / "1700000000.1.host:2,S", mail("near"))
    account.run("offlineimap", "-c", rc, "-o", seconds=120)
    assert sorted(account.subjects()) == ["far0", "far1", "far2", "far3", "far4", "near"]
    there = state(account)
    account.run("offlineimap", "-c", rc, "-o", seconds=120)
    assert state(account) == there


def fingerprint(path):
    import hashlib
    import ssl
    with open(path, encoding="ascii") as f:
        return hashlib.sha1(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()
