# SPDX-License-Identifier: Apache-2.0
"""THREATS S17-S20: messages that are bombs for whoever takes them apart. They are taken (or refused in order), in linear
time and bounded memory; what IMAP says of them stays small and well formed; the next message is served at once."""
import os
import resource
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "corpus"))

import digester  # noqa: E402
import imap_value  # noqa: E402

PASSWORD = "Bomb-secret-12"
HEAD = b"From: a@elsewhere.test\r\nTo: joe@bombs.test\r\nSubject: bomb\r\nMIME-Version: 1.0\r\n"
CPU_SECONDS = 10        # of the filter room for one message, with sanitizers and on a busy machine
FILTER_MIB = 400        # its resident memory, with sanitizers and the message itself
STRUCTURE_MAX = 1 << 20


def folded(name, piece, count):
    return name + b": " + b"\r\n ".join([piece] * count) + b"\r\n"


def parameter_bomb(count):
    order = [(i * 7919) % count for i in range(count)]
    return b"Content-Type: a/b" + b"".join(b";\r\n n*%d=x" % i for i in order) + b"\r\n"


def nested_multiparts(count):
    return b"".join(b"Content-Type: multipart/mixed; boundary=\"b%dx\"\r\n\r\n--b%dx\r\n" % (i, i) for i in range(count))


def same_boundaries(count):
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * count


def nested_messages(count):
    return b"Content-Type: message/rfc822\r\n\r\n" * count + b"Subject: innermost\r\n\r\nend\r\n"


def parts(count, header=b""):
    return (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n" + header + b"\r\n") * count +
            b"--b--\r\n")


BOMBS = {
    "S17 one header of 10 MB": lambda: HEAD + folded(b"X-Long", b"0123456789" * 7, 140_000) + b"\r\nbody\r\n",
    "S17 a Subject of 10 MB": lambda: folded(b"Subject", b"0123456789" * 7, 140_000) + b"\r\nbody\r\n",
    "S17 100,000 headers": lambda: HEAD + b"".join(b"X-%d: y\r\n" % i for i in range(100_000)) + b"\r\nbody\r\n",
    "S17 1,000,000 addresses": lambda: folded(b"To", b"a@b.test,", 1_000_000) + b"\r\nbody\r\n",
    "S17 100,000 To fields": lambda: b"To: \"n\" <a@b.test>\r\n" * 100_000 + b"\r\nbody\r\n",
    "S18 100,000 pieces of a parameter": lambda: HEAD + parameter_bomb(100_000) + b"\r\nbody\r\n",
    "S18 parameters in 1,000 parts": lambda: HEAD + parts(1000, b"Content-Type: a/b" + b"; p=\"q\\\"\"" * 100 + b"\r\n"),
    "S19 10,000 nested multiparts": lambda: HEAD + nested_multiparts(10_000) + b"\r\nend\r\n",
    "S19 10,000 multiparts of one boundary": lambda: HEAD + same_boundaries(10_000) + b"\r\nend\r\n",
    "S19 10,000 nested messages": lambda: HEAD + nested_messages(10_000),
    "S20 1,000,000 empty parts": lambda: HEAD + parts(1_000_000),
    "S20 100,000 messages as parts": lambda: HEAD + parts(100_000, b"Content-Type: message/rfc822\r\n\r\nTo: a@b\r\n"),
    "S20 lines that are nearly boundaries": lambda: HEAD + b"".join(
        b"Content-Type: multipart/mixed; boundary=\"-%d\"\r\n\r\n---%d\r\n" % (i, i) for i in range(99)) +
        b"---\r\n" * 1_000_000,
}


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("bombs.test")
    shared_postern.add_mailbox("joe@bombs.test", PASSWORD)
    return shared_postern


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(house, message):
    """Code and text of the reply to DATA's end."""
    with house.smtp(timeout=120) as smtp:
        smtp.ehlo()
        smtp.mail("<a@elsewhere.test>")
        smtp.rcpt("<joe@bombs.test>")
        assert smtp.docmd("DATA")[0] == 354
        smtp.sock.sendall(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return smtp.getreply()


def newest(house):
    """ENVELOPE, BODY, BODYSTRUCTURE and size of the newest message, parsed, and the bytes of the answer."""
    imap = house.imap("joe@bombs.test", PASSWORD, timeout=60)
    _, count = imap.select("INBOX", readonly=True)
    ok, data = imap.fetch(count[0].decode(), "(ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE)")
    assert ok == "OK"
    raw = b"".join(p[0] + b"\r\n" + p[1] if isinstance(p, tuple) else p for p in data)
    value = imap_value.parse(raw.split(b" ", 1)[1], atoms=True)
    imap.logout()
    return dict(zip(value[::2], value[1::2])), len(raw)


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(house, name):
    message = BOMBS[name]()
    before = house.room("filter")
    used = cpu_seconds(before["pid"])
    code, text = send(house, message)
    assert code == 250 or 500 <= code < 560, (code, text)
    after = house.room("filter")
    assert after["pid"] == before["pid"], "the bomb killed the filter"
    assert cpu_seconds(after["pid"]) - used < CPU_SECONDS
    assert after["rss_bytes"] < FILTER_MIB << 20
    if code == 250:
        answer, size = newest(house)
        assert len(message) < int(answer["RFC822.SIZE"]) < len(message) + 1000
        assert len(answer["ENVELOPE"]) == 10
        assert size < STRUCTURE_MAX
    # Whoever comes next does not notice.
    used = cpu_seconds(after["pid"])
    assert send(house, HEAD + b"\r\nhello\r\n")[0] == 250
    assert cpu_seconds(after["pid"]) - used < 5
    assert newest(house)[0]["ENVELOPE"][1] == b"bomb"


def test_most_bombs_are_taken(house):
    """A cap on what is indexed, not a refusal: these are all legal mail."""
    for name in ("S17 100,000 headers", "S18 100,000 pieces of a parameter", "S19 10,000 nested messages"):
        assert send(house, BOMBS[name]())[0] == 250, name


@pytest.mark.parametrize("name", BOMBS)
def test_a_stack_of_256_kib_is_enough(name):
    def small_stack():
        resource.setrlimit(resource.RLIMIT_STACK, (256 * 1024, 256 * 1024))
    message = BOMBS[name]()
    done = subprocess.run([digester.tool()], input=b"%d\n" % len(message) + message, stdout=subprocess.PIPE,
                          preexec_fn=small_stack, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b'{"size": %d,' % len(message))


def test_twice_the_bomb_is_at_most_thrice_the_time():
    """Linear: the digest alone, where the clock can be trusted a little."""
    def seconds(count):
        message = HEAD + parts(count) + b"--b\r\n" * count
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with digester.Digester() as d:
            d.dump(message)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    small, large = min(seconds(500_000) for _ in range(3)), min(seconds(1_000_000) for _ in range(3))
    assert large < 3 * small + 0.2
