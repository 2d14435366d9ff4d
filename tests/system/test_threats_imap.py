# SPDX-License-Identifier: Apache-2.0
"""Rows of THREATS.md at the IMAP server: I01-I06, I11-I15, I22, I30, I31."""
import itertools
import os
import re
import socket
import threading
import time

import pytest

from harness import Instance, wait_until
from imapraw import Client, message

PASSWORD = "Correct-horse-1"
MIB = 1 << 20
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    """An instance whose allocator gives memory back at once, so that resident size means something under ASan."""
    before = os.environ.get("ASAN_OPTIONS")
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0:quarantine_size_mb=0:thread_local_quarantine_size_kb=0:" \
                                 "malloc_context_size=0:allocator_release_to_os_interval_ms=50"
    instance = Instance()
    try:
        instance.init().start()
        instance.add_domain("threats.test")
        yield instance
    except BaseException:
        instance.close(check=False)
        raise
    finally:
        if before is None:
            del os.environ["ASAN_OPTIONS"]
        else:
            os.environ["ASAN_OPTIONS"] = before
    instance.close()


@pytest.fixture
def user(server):
    address = f"t{next(numbers)}@threats.test"
    server.add_mailbox(address, PASSWORD)
    return address


@pytest.fixture
def client(server, user):
    c = Client(server, user, PASSWORD)
    yield c
    c.close()


def rss(server, role="imapd"):
    with open(f"/proc/{server.pids(role)[0]}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024


def cpu_seconds(server, *roles):
    """What rooms have computed so far: other than a clock it knows nothing of what else the machine does."""
    total = 0
    for role in roles:
        with open(f"/proc/{server.pids(role)[0]}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Peak:
    """The largest resident size of a room while the block runs."""

    def __init__(self, server, role="imapd"):
        self.path = f"/proc/{server.pids(role)[0]}/status"

    def _read(self):
        with open(self.path, encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024

    def _watch(self):
        while not self.over.wait(0.005):
            self.peak = max(self.peak, self._read())

    def __enter__(self):
        self.start = self.peak = self._read()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.growth = self.peak - self.start


# -- I01: literals before login -------------------------------------------------------


@pytest.mark.parametrize("size", ["4294967295", "4294967296", "1000000000", "2049", "99999999999999999999"])
def test_i01_no_invitation_before_login(server, size):
    before = rss(server)
    c = Client(server)
    answer = c.cmd(f"LOGIN {{{size}}}")
    assert answer.status == "BAD" and answer.lines == []    # no "+"
    c.ok("NOOP")
    assert rss(server) - before < 2 * MIB
    c.close()


@pytest.mark.parametrize("size", ["2147483648+", "1000000000+", "99999999999999999999+"])
def test_i01_literals_that_do_not_wait(server, size):
    c = Client(server)
    c.send(f"a LOGIN {{{size}}}\r\nb NOOP\r\n")
    data = c.closed()
    assert b"* BYE " in data and b"b OK" not in data and b"+ " not in data


def test_i01_small_literals_still_log_in(server, user):
    c = Client(server)
    c.ok(f"LOGIN {{{len(user)}+}}\r\n{user} {{{len(PASSWORD)}+}}\r\n{PASSWORD}")


# -- I02: many literals -----------------------------------------------------------------


def test_i02_literals_of_one_command(server, client):
    client.ok("SELECT INBOX")
    with Peak(server) as peak:
        tag = client.tag()
        client.send(f"{tag} SEARCH")
        for _ in range(100):
            client.send(b" TEXT {100000+}\r\n" + b"x" * 100000)
        client.send("\r\n")
        answer = client.finish(tag)
    assert answer.status == "NO" and answer.text.startswith("[TOOBIG]")
    assert peak.growth < 16 * MIB
    client.ok("NOOP")
    # 1000 literals are taken, 1001 are not.
    for count, text in ((1001, "[TOOBIG]"), (1000, "[LIMIT]")):
        answer = client.cmd(b"SEARCH" + b" SUBJECT {1+}\r\nx" * count)
        assert answer.status == ("NO" if count == 1001 else "OK"), (count, answer, text)


# -- I03, I04: refused literals are never read as commands --------------------------------


@pytest.mark.parametrize("size", [4096, 4097, 65536])
def test_i03_literal_plus_around_the_edge(client, size):
    data = message("edge", "x" * size)[:size]
    tag = client.begin(f"APPEND INBOX {{{size}+}}")
    client.send(data + b"\r\n")
    assert client.finish(tag).status == "OK"
    client.ok("NOOP")


@pytest.mark.parametrize("postern", [{"conf": {"smtp.max_size": "64K"}}], indirect=True)
def test_i04_refused_literal_is_consumed_exactly(postern):
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    c = Client(postern, "joe@example.test", PASSWORD)
    c.ok("CREATE Precious")
    evil = b"b DELETE Precious\r\n"
    for size in (65537, 200000, 2000000):
        body = (evil * (size // len(evil) + 1))[:size - len(evil)] + evil
        tag = c.begin(f"APPEND INBOX {{{size}+}}")
        c.send(body + b"\r\n")
        answer = c.finish(tag)
        assert answer.status == "NO" and answer.text.startswith("[TOOBIG]") and answer.lines == []
    assert b"Precious" in b"".join(c.ok('LIST "" Precious'))
    # Synchronising: no invitation, and the next line is the next command.
    answer = c.cmd("APPEND INBOX {65537}")
    assert answer.status == "NO" and answer.text.startswith("[TOOBIG]") and answer.lines == []
    c.ok("NOOP")
    # 64 KiB is the limit, and is taken.
    c.append(b"S: x\r\n\r\n" + b"x" * (65536 - 8))
    # A literal behind a refused one is skipped as well.
    c.send(b"x APPEND INBOX {70000+}\r\n" + b"y" * 70000 + b" {19+}\r\n" + evil + b"\r\nz NOOP\r\n")
    assert c.line().startswith(b"x NO [TOOBIG]") and c.line().startswith(b"z OK")
    # Too large to be read over: the connection ends.
    c.send(b"a APPEND INBOX {4000000000+}\r\n" + evil)
    data = c.closed()
    assert b"* BYE" in data and b"b " not in data.replace(b"able ", b"")
    c = Client(postern, "joe@example.test", PASSWORD)
    assert b"Precious" in b"".join(c.ok('LIST "" Precious'))


def test_i04_append_that_is_refused_for_its_arguments(client):
    client.ok("CREATE Precious")
    evil = b"b DELETE Precious\r\n"
    for head in ("APPEND", "APPEND INBOX (\\Nonsense)", 'APPEND INBOX "no date"', "NONSENSE", "SELECT INBOX"):
        tag = client.begin(f"{head} {{{len(evil)}+}}")
        client.send(evil + b"\r\n")
        assert client.finish(tag).status in ("BAD", "NO")
        client.ok("NOOP")
    assert b"Precious" in b"".join(client.ok('LIST "" Precious'))


# -- I05, I06: parentheses, endless lines ---------------------------------------------------


@pytest.mark.parametrize("text", ["(" * 1000000, ")" * 1000000, "()" * 500000, "(" * 500000 + ")" * 500000],
                         ids=["opening", "closing", "pairs", "nested"])
def test_i05_parentheses_before_login(server, text):
    with Peak(server) as peak:
        c = Client(server)
        try:
            c.send("a " + text + "\r\n")
            data = c.closed(10)
        except (ConnectionError, OSError):
            data = b"* BYE"
    assert b"* BYE" in data and peak.growth < 2 * MIB
    c = Client(server)
    assert c.cmd("ID " + "(" * 9).status == "BAD"
    c.ok("NOOP")


def test_i05_parentheses_after_login(client):
    client.ok("SELECT INBOX")
    assert client.cmd("SEARCH " + "(" * 10000 + "ALL" + ")" * 10000).status in ("BAD", "NO")
    client.ok("NOOP")


@pytest.mark.parametrize("logged_in", [False, True])
def test_i06_endless_line(server, user, logged_in):
    c = Client(server, user, PASSWORD) if logged_in else Client(server)
    chunk = b"x" * MIB
    with Peak(server) as peak:
        sent = 0
        try:
            while sent < 64 * MIB:
                c.send(chunk)
                sent += len(chunk)
        except OSError:
            pass
    assert sent < 64 * MIB and peak.growth < 2 * MIB


def test_i06_bad_commands_before_login(server):
    c = Client(server)
    c.send("a X\r\nb X\r\nc X\r\nd NOOP\r\n")
    data = c.closed()
    assert b"c BAD" in data and b"* BYE" in data and b"d OK" not in data


# -- I11: names that try to leave ------------------------------------------------------------


def test_i11_names(client):
    for name in ("../x", "a/../b", "..", ".", "~root", "#user/x", '"a*"', '"%"', "a//b", "/etc", '"a\tb"', "x" * 1001,
                 "/".join("a" * 41)):
        for verb in ("CREATE", "SELECT", "DELETE", "STATUS", "RENAME INBOX"):
            answer = client.cmd(f"{verb} {name}" + (" (MESSAGES)" if verb == "STATUS" else ""))
            assert answer.status in ("NO", "BAD"), (verb, name, answer)
    assert client.ok('LIST "" "../*"') == [] and client.ok('LIST "#x/" *') == []


# -- I13, I14: LIST and SEARCH that cost --------------------------------------------------------


def test_i13_list_patterns(server, client):
    client.send(b"".join(b"c%d CREATE deep/%s\r\n" % (i, b"a" * 100 + b"%d" % i) for i in range(300)))
    for _ in range(300):
        assert b" OK " in client.line()
    before = cpu_seconds(server, "imapd", "store")
    assert client.ok('LIST "" "' + "*%" * 400 + 'xyz"') == []
    assert cpu_seconds(server, "imapd", "store") - before < 5


def test_i14_search_programs(client):
    client.append(message())
    client.ok("SELECT INBOX")
    client.no("SEARCH " + "NOT " * 5000 + "ALL", "LIMIT")
    client.no("SEARCH " + "OR ALL " * 5000 + "ALL", "LIMIT")
    client.no("SEARCH " + "TEXT x " * 100 + "ALL", "LIMIT")
    client.ok("SEARCH " + "NOT " * 40 + "ALL")


def test_i14_many_keys_over_a_large_message(server, user, client):
    """Several look through it slice by slice; one leaves in the middle, and the others' answers are right."""
    client.append(message("big", ("x" * 76 + "\r\n") * 20000 + "at the end\r\n"))
    keys = " ".join(f"NOT BODY nowhere{i}" for i in range(9)) + " BODY {}"
    others = [Client(server, user, PASSWORD, timeout=120) for _ in range(3)]
    tags = []
    for c, word in zip(others, ["end", "nothing", "end"]):
        c.ok("SELECT INBOX")
        tags.append(c.begin("SEARCH " + keys.format(word)))
    client.ok("NOOP")
    others[2].close()
    # A slow machine says that it is still at it.
    assert [c.finish(tag).lines[-1:] for c, tag in zip(others[:2], tags)] == [[b"* SEARCH 1"], [b"* SEARCH"]]
    for c in others[:2]:
        c.close()


# -- I15: a reader that stops -------------------------------------------------------------------


def test_i15_stalled_reader(server, user):
    c = Client(server, user, PASSWORD, timeout=60)
    big = message("big", ("x" * 76 + "\r\n") * 13000)      # about 1 MB
    for _ in range(10):
        c.append(big)
    c.ok("SELECT INBOX")
    with Peak(server) as peak:
        for _ in range(100):
            c.send("f FETCH 1:* BODY.PEEK[]\r\n")
        time.sleep(3)
    assert peak.growth < 8 * MIB
    other = Client(server, user, PASSWORD)
    other.ok("SELECT INBOX")
    other.close()
    lines = [c.line() for _ in range(11)]                  # it goes on where it was
    assert all(line.endswith(big + b")") for line in lines[:10]) and lines[10].startswith(b"f OK")
    c.close()


# -- I22: HTTP at the port ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["POST / HTTP/1.1\r\nHost: x\r\n\r\n<script>x</script> NOOP\r\n", "GET / HTTP/1.0\r\n\r\n",
                                  "<script>x</script> NOOP\r\n<script>\r\n<b> x\r\n<i> y\r\n"], ids=["post", "get", "script"])
def test_i22_http(server, text):
    c = Client(server)
    c.send(text)
    data = c.closed()
    assert b"* BYE" in data and b"<" not in data and b"HTTP" not in data and b" OK" not in data


# -- I30: content cannot make responses --------------------------------------------------------------


def test_i30_content_in_responses(client):
    client.append(b'Subject: =?utf-8?q?a=22=0D=0A* BYE=0D=0A?=\r\nFrom: "a\\"b\\\\ \x80\xff" <x@y.test>\r\nX: \0y\r\n'
                  b'Content-Type: text/plain; name="a\\"b\\\\)\r\n\r\nx\0y\r\n')
    client.ok("SELECT INBOX")
    for item in ("ENVELOPE", "BODYSTRUCTURE", "BODY[]", "BODY[HEADER.FIELDS (X)]"):
        lines = client.ok(f"FETCH 1 {item}")
        assert len(lines) == 1 and lines[0].startswith(b"* 1 FETCH (") and lines[0].endswith(b")")
        assert b"* BYE" not in lines[0] or b"=0D=0A* BYE" in lines[0]


# -- limits of connections ---------------------------------------------------------------------------


@pytest.mark.parametrize("option, ends", [("imap.login_timeout", 0), ("imap.timeout", 1)])
def test_timeouts(postern, option, ends):
    """Who has logged in, and who has not, each has an own one."""
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    clients = Client(postern), Client(postern, "joe@example.test", PASSWORD)
    postern.set_option(option, "2s")
    postern.cli("reload")                               # for the time from the next command on
    begun = time.monotonic()
    for c in clients:
        c.ok("NOOP")
    assert clients[ends].closed(60) == b""
    assert time.monotonic() - begun >= 2
    clients[1 - ends].ok("NOOP")


def gets_in(postern):
    """A client, once what was closed before is seen to be."""
    def connect():
        try:
            return Client(postern)
        except (OSError, EOFError):
            return None
    return wait_until(connect, 30, "a connection's place")


@pytest.mark.parametrize("postern", [{"conf": {"limits.per_address": "5", "limits.exempt_networks": "10.0.0.0/8"}}],
                         indirect=True)
def test_connections_per_address(postern):
    clients = [Client(postern) for _ in range(5)]
    with pytest.raises((OSError, EOFError)):
        Client(postern)
    clients.pop().close()
    clients.append(gets_in(postern))
    with pytest.raises((OSError, EOFError)):
        Client(postern)
    postern.set_option("limits.per_address", 6)     # in force with a reload, for who comes next
    postern.cli("reload")
    clients.append(Client(postern))
    with pytest.raises((OSError, EOFError)):
        Client(postern)


@pytest.mark.parametrize("postern", [{"conf": {"imap.max_sessions": "4", "limits.exempt_networks": "10.0.0.0/8"}}],
                         indirect=True)
def test_i31_sessions_of_one_account(postern):
    postern.add_domain("example.test")
    for name in ("joe", "mary"):
        postern.add_mailbox(f"{name}@example.test", PASSWORD)
    many = [Client(postern, "joe@example.test", PASSWORD) for _ in range(4)]
    c = Client(postern)
    c.no(f"LOGIN joe@example.test {PASSWORD}", "LIMIT")
    Client(postern, "mary@example.test", PASSWORD).ok("SELECT INBOX")
    many.pop().close()

    def logs_in():
        answer = c.cmd(f"LOGIN joe@example.test {PASSWORD}")
        assert answer.status == "OK" or answer.text.startswith("[LIMIT"), answer
        return answer.status == "OK"
    wait_until(logs_in, 30, "the place of the session that is over")
    Client(postern).no(f"LOGIN joe@example.test {PASSWORD}", "LIMIT")


# -- large literals in constant memory -----------------------------------------------------------------


def test_fifty_megabytes_both_ways(server, user):
    c = Client(server, user, PASSWORD, timeout=120)
    line = b"0123456789" * 7 + b"\r\n"
    big = message("fifty") + line * (50 * MIB // len(line))
    with Peak(server) as peak:
        uid = c.append(big)
    assert peak.growth < 8 * MIB, f"APPEND: {peak.growth >> 20} MiB"
    c.ok("SELECT INBOX")
    with Peak(server) as peak:
        lines = c.ok(f"UID FETCH {uid} BODY.PEEK[]")
    assert peak.growth < 8 * MIB, f"FETCH: {peak.growth >> 20} MiB"
    assert lines[0].endswith(big + b")")
    assert c.ok(f"UID FETCH {uid} BODY.PEEK[]<{40 * MIB}.10>")[0].endswith(b"{10}\r\n" + big[40 * MIB:40 * MIB + 10] + b")")


@pytest.mark.slow
def test_idle_sessions_are_small(server, user):
    """Private memory of imapd for each of 200 TLS sessions that idle in a mailbox (no sanitizer: see tests/bench)."""
    first = Client(server, user, PASSWORD)
    first.ok("SELECT INBOX")
    before = rss(server)
    many = []
    for _ in range(200):
        c = Client(server, user, PASSWORD)
        c.ok("SELECT INBOX")
        c.idle()
        many.append(c)
    each = (rss(server) - before) / len(many)
    print(f"{each / 1024:.1f} KiB a session")
    assert each < 256 * 1024                              # with ASan's redzones and quarantine; 50 KiB without
    for c in many:
        c.close()


def test_plain_text_at_the_port(server):
    s = socket.create_connection(("127.0.0.1", server.port("imaps")), timeout=60)
    s.sendall(b"a LOGIN joe@threats.test x\r\n")
    data = b""
    try:
        while more := s.recv(4096):
            data += more
    except ConnectionError:
        pass
    assert b"OK" not in data and b"LOGIN" not in data


# -- what is not offered, and what is another's ----------------------------------------


def test_i17_no_compression(server, client):
    """A thousand to one cannot happen: bytes are limited as they come."""
    assert b"COMPRESS" not in client.ok("CAPABILITY")[0]
    for _ in range(2):
        client.bad("COMPRESS DEFLATE")
    # What is pipelined behind it is read as it stands.
    tags = [client.begin("COMPRESS DEFLATE"), client.begin("NOOP")]
    assert [client.finish(t).status for t in tags] == ["BAD", "OK"]
    assert client.ok("SELECT INBOX")


NAMES = ["{other}/INBOX", "{other}", "user/{other}", "user.{other}", "Other Users/{other}", "#user/{other}/INBOX",
         "~{other}/INBOX", "../{other}/INBOX", "Shared/{other}", "INBOX/{other}"]


def test_i21_what_is_anothers_does_not_exist(server, user, client):
    other = f"t{next(numbers)}@threats.test"
    server.add_mailbox(other, PASSWORD)
    c = Client(server, other, PASSWORD)
    c.append(message("secret"))
    c.ok("CREATE Secret")
    c.append(message("secret"), "Secret")
    client.append(message("mine"))
    for form in NAMES + ["{name}"]:
        for command in ("SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "GETQUOTAROOT {}", "DELETE {}", "UNSUBSCRIBE {}",
                        'LIST "" {}', "RENAME {} mine"):
            there, nowhere = (client.cmd(command.format('"' + form.format(other=who, name=name) + '"'))
                              for who, name in ((other, "Secret"), ("nobody@nowhere.test", "Nothing")))
            assert (there.status, there.lines) == (nowhere.status, nowhere.lines), (command, form)
            assert there.text == nowhere.text, (command, form)
        client.ok("SELECT INBOX")
        for command in ("COPY 1 {}", "MOVE 1 {}"):
            there, nowhere = (client.cmd(command.format('"' + form.format(other=who, name=name) + '"'))
                              for who, name in ((other, "Secret"), ("nobody@nowhere.test", "Nothing")))
            assert (there.status, there.text) == (nowhere.status, nowhere.text), (command, form)
        client.ok("UNSELECT")
    for command in ("GETACL INBOX", "LISTRIGHTS INBOX {}", "MYRIGHTS INBOX", "NOTIFY NONE", "GETMETADATA INBOX /private/comment"):
        client.bad(command.format(other))           # there is no such thing as another's mailbox to ask about
    for root in (other, f"user/{other}", "nobody@nowhere.test"):
        assert client.no(f'GETQUOTA "{root}"').text == "[NONEXISTENT] There is no such quota root."
    assert b"MESSAGES 1" in c.ok("STATUS Secret (MESSAGES)")[0]
    c.close()
