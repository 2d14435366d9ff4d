# SPDX-License-Identifier: Apache-2.0
"""Texts with lines on the command line: shown as texts, and whoever wrote them cannot make the terminal of whoever reads them do
anything: mail that nobody asked for, a user's script and reply, in words and in JSON."""
import json
import os
import pty
import re
import subprocess
import termios

import pytest

PASSWORD = "Correct-horse-battery-1"
# Colours, a title, a new line over the old one, CSI as one C1 character, DEL, a turn of direction, a line separator.
HOSTILE = "\x1b[2J\x1b]0;gone\x07 \x9b31m \x7f \u202egnp.exe \u2028 \x08\x08\x08"
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.add_domain("example.test")
    p.add_mailbox("joe@example.test", PASSWORD)
    p.cli("domain", "set", "example.test", "--candidates", "on")
    return p


def terminal(p, *args):
    """What a terminal is sent."""
    ours, theirs = pty.openpty()
    attr = termios.tcgetattr(theirs)
    attr[1] &= ~termios.OPOST       # line ends as they are written
    termios.tcsetattr(theirs, termios.TCSANOW, attr)
    child = p._spawn(["-d", p.dir, *args], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    got = b""
    try:
        while chunk := os.read(ours, 65536):
            got += chunk
    except OSError:     # the other end is closed
        pass
    os.close(ours)
    assert child.wait(60) == 0, got
    return got.decode()


def harmless(text):
    found = BAD.findall(text)
    assert not found, (found, text)
    return text


def test_a_reply_has_its_lines(house):
    text = "Ich bin weg.\n\n\tBis Montag,\n  Jürgen\n"
    shown = house.cli("autoreply", "set", "joe@example.test", "--text", text)
    assert shown == house.cli("autoreply", "show", "joe@example.test")
    assert "\n\ntext:\n\n" + text + "\n" in shown and "\n\tvacation :days 7" in shown      # and the script that does it
    assert "\\x09" not in shown and "\\x0a" not in shown
    assert terminal(house, "autoreply", "show", "joe@example.test") == shown


def test_mail_of_strangers(house):
    body = f"From: Ann <a@elsewhere.test>\r\nTo: x@example.test\r\nSubject: sub\r\n\tject {HOSTILE}\r\n\r\n  indented\r\n{HOSTILE}\r\nend\r\n"
    with house.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["paul@example.test"], body.replace("\x08", "").encode())
    uid = str(house.json("candidate", "messages", "paul@example.test")["items"][0]["uid"])
    for args in (("candidate", "message", "paul@example.test", uid), ("candidate", "messages", "paul@example.test")):
        harmless(terminal(house, *args))
        harmless(house.cli(*args))
        harmless(house.cli(*args, "--json"))
        harmless(terminal(house, *args, "--json"))
    text = house.cli("candidate", "message", "paul@example.test", uid)
    assert "\n\tject" in text and "\n  indented\n" in text and text.endswith("\nend\n"), text
    assert "\\x1b[2J" in text and "\\xc2\\x9b31m" in text and "\\xe2\\x80\\xaegnp" in text
    whole = json.loads(house.cli("candidate", "message", "paul@example.test", uid, "--json"))["source"]
    assert "\x1b[2J" in whole and "\x9b31m" in whole and "\u202egnp" in whole


def test_a_script_of_a_user(house):
    """As it is for a file, which comes back the same; harmless for a terminal."""
    script = f"# {HOSTILE}\r\nkeep;\r\n\t# Grüße\r\n"
    path = house.write_file("hostile.sieve", script)
    house.cli("sieve", "put", "joe@example.test", "main", path)
    assert house._run(["-d", house.dir, "sieve", "get", "joe@example.test", "main"]).stdout == script
    shown = harmless(terminal(house, "sieve", "get", "joe@example.test", "main"))
    assert "\\x1b[2J" in shown and "\nkeep;\n\t# Grüße\n" in shown
    harmless(terminal(house, "sieve", "get", "joe@example.test", "main", "--json"))


def test_names_and_exports(house):
    """What cannot be said over the API may have been imported long ago, or come from a file."""
    path = house.write_file("names.csv", "address,name\nann@example.test,Ann\u202e\x9b31m\n".encode())
    done = house.try_cli("import", "accounts", path, "--domain", "example.test")
    harmless(done.stdout + done.stderr)
    for args in (("mailbox", "list"), ("export", "accounts", "example.test"), ("mailbox", "list", "--json")):
        harmless(terminal(house, *args))


def test_texts_of_notices(house):
    shown = harmless(house.cli("template", "show", "invitation", "--language", "de"))
    assert "\ntext:\n\n" in shown and "\n{" in shown
    preview = house.cli("template", "preview", "invitation", "--language", "en")
    assert "\ntext:\n\n" in preview and len(preview.splitlines()) > 8 and "\\x" not in preview
