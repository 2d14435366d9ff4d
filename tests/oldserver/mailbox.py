# SPDX-License-Identifier: Apache-2.0
"""Fills a mailbox of the old server: Maildir files directly, other formats by IMAP APPEND."""
import base64
import imaplib
import os
import time
from dataclasses import dataclass

from .messages import generate


@dataclass
class Folder:
    name: str                   # "/" between levels, Unicode
    share: float = 1.0          # of the messages
    subscribed: bool = True


DEFAULT_FOLDERS = (
    Folder("INBOX", 8), Folder("Sent", 4), Folder("Drafts", 0.2), Folder("Trash", 0.5), Folder("Junk", 0.5),
    Folder("Archive/2024", 3), Folder("Archive/2025", 3), Folder("Projekte/Küche & Garten", 1),
    Folder("Projekte/Old", 0.3, subscribed=False),
)
IMAP_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}


def mutf7(name):
    """RFC 9051 Appendix A / RFC 3501 5.1.3."""
    out, run = [], ""

    def flush():
        nonlocal run
        if run:
            out.append("&" + base64.b64encode(run.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-")
            run = ""
    for c in name:
        if " " <= c <= "~":
            flush()
            out.append("&-" if c == "&" else c)
        else:
            run += c
    flush()
    return "".join(out)


def counts(total, folders):
    """How many messages each folder gets; together exactly total."""
    weight = sum(f.share for f in folders)
    each = [int(total * f.share / weight) for f in folders]
    each[0] += total - sum(each)
    return each


def _own(path, uid):
    os.chown(path, uid, uid)


def _makedirs(path, uid, above):
    """Makes path and what is missing between it and above, owned by uid."""
    missing = []
    while path != above and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for path in reversed(missing):
        os.mkdir(path, 0o700)
        _own(path, uid)


def _maildir_keywords(path, uid, used):
    names = {}
    try:
        with open(path, encoding="ascii") as f:
            for line in f:
                number, name = line.split()
                names[name] = int(number)
    except FileNotFoundError:
        pass
    for name in used:
        names.setdefault(name, len(names))
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"{number} {name}\n" for name, number in sorted(names.items(), key=lambda x: x[1]))
    _own(path, uid)
    return {name: chr(ord("a") + number) for name, number in names.items()}


def _maildir_folder(server, user, folder, messages):
    root = server.maildir(user)
    path = root if folder == "INBOX" else os.path.join(root, "." + mutf7(folder).replace("/", "."))
    uid = server.mail_uid
    for sub in ("cur", "new", "tmp"):
        _makedirs(os.path.join(path, sub), uid, server.path("mail"))
    if folder != "INBOX":
        mark = os.path.join(path, "maildirfolder")
        open(mark, "a").close()
        _own(mark, uid)
    used = {k for m in messages for k in m.keywords}
    letters = _maildir_keywords(os.path.join(path, "dovecot-keywords"), uid, sorted(used)) if used else {}
    stamp, serial = int(time.time()), server.next_serial(len(messages))
    for number, m in enumerate(messages):
        stored = m.data.replace(b"\r\n", b"\n")
        flags = m.flags + "".join(sorted(letters[k] for k in m.keywords))
        name = f"{stamp}.M{serial + number:09d}P{os.getpid()}.old,S={len(stored)},W={len(m.data)}:2,{flags}"
        file = os.path.join(path, "cur", name)
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, stored)
            os.fchown(fd, uid, uid)
            os.utime(fd, (m.date, m.date))
        finally:
            os.close(fd)


def _subscribe(server, user, names):
    path = os.path.join(server.maildir(user), "subscriptions")
    have = []
    if os.path.exists(path):
        with open(path, encoding="ascii") as f:
            have = f.read().split("\n")[2:]     # "V\t2", empty line, then a name a line with tabs between levels
    wanted = {"\t".join(mutf7(n).split("/")) for n in names if n != "INBOX"} | {h for h in have if h}
    with open(path, "w", encoding="ascii") as f:
        f.write("V\t2\n\n" + "".join(w + "\n" for w in sorted(wanted)))
    _own(path, server.mail_uid)


def _append_folder(server, imap, folder, messages):
    name = mutf7(folder).replace("/", server.separator)
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if folder != "INBOX":
        imap.create(quoted)
        imap.subscribe(quoted)
    for m in messages:
        flags = " ".join([IMAP_FLAGS[c] for c in m.flags] + list(m.keywords))
        ok, text = imap.append(quoted, f"({flags})", imaplib.Time2Internaldate(m.date), m.data)
        if ok != "OK":
            raise RuntimeError(f"APPEND to {folder}: {text}")


def fill(server, user, total, folders=DEFAULT_FOLDERS, seed=1, size=None):
    """Puts total generated messages into the user's folders; returns {folder: count}."""
    made, result = generate(total, user, seed=seed, size=size), {}
    imap = None
    if server.format != "maildir":
        imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=30)
        imap.login(user, server.users[user])
    for folder, count in zip(folders, counts(total, folders)):
        messages = [next(made) for _ in range(count)]
        if folder.name == "Drafts":
            for m in messages:
                m.flags = "D" + m.flags
        if imap:
            _append_folder(server, imap, folder.name, messages)
        else:
            _maildir_folder(server, user, folder.name, messages)
        result[folder.name] = count
    if imap:
        imap.logout()
    else:
        _subscribe(server, user, [f.name for f in folders if f.subscribed])
    return result
