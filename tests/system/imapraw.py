# SPDX-License-Identifier: Apache-2.0
"""A client that speaks IMAP line by line, so that tests see exactly what the server says.

    c = Client(postern, "joe@example.test", "pw")
    c.ok("SELECT INBOX")              -> untagged lines, as bytes; AssertionError unless OK
    c.cmd("FETCH 1 FLAGS")            -> Answer(status "OK", text, lines)
A line that ends in a literal holds it: b'* 1 FETCH (BODY[] {3}\\r\\nabc)'.
"""
import collections
import re
import socket
import time

from harness.instance import tls_context

Answer = collections.namedtuple("Answer", "status text lines")
LITERAL = re.compile(rb"\{(\d+)\}$")


class Client:
    def __init__(self, postern, user=None, password=None, timeout=60):
        plain = socket.create_connection(("127.0.0.1", postern.port("imaps")), timeout=timeout)
        self.sock, self.timeout = tls_context().wrap_socket(plain), timeout
        self.data = b""
        self.count = 0
        self.greeting = self.line()
        if user:
            self.ok(f'LOGIN "{user}" "{password}"')

    def close(self):
        self.sock.close()

    # -- bytes -----------------------------------------------------------------

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def _fill(self):
        more = self.sock.recv(65536)
        if not more:
            raise EOFError(self.data)
        self.data += more

    def read(self, n):
        parts, have = [self.data], len(self.data)
        while have < n:
            more = self.sock.recv(min(1 << 18, n - have + 1024))
            if not more:
                raise EOFError
            parts.append(more)
            have += len(more)
        data = b"".join(parts)
        self.data = data[n:]
        return data[:n]

    def line(self):
        """One response, literals included, without the last CRLF."""
        whole = b""
        while True:
            while b"\r\n" not in self.data:
                self._fill()
            at = self.data.index(b"\r\n")
            part, self.data = self.data[:at], self.data[at + 2:]
            whole += part
            literal = LITERAL.search(part)
            if not literal:
                return whole
            whole += b"\r\n" + self.read(int(literal.group(1)))

    def closed(self, seconds=30):
        """Everything until the server closes."""
        self.sock.settimeout(seconds)
        data, self.data = self.data, b""
        try:
            while more := self.sock.recv(65536):
                data += more
        except ConnectionError:
            pass
        return data

    def quiet(self, seconds=0.3):
        """Nothing comes for so long."""
        assert not self.data, self.data
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(1)
        except TimeoutError:
            data = None
        finally:
            self.sock.settimeout(self.timeout)
        assert data is None, data + self.data

    # -- commands ----------------------------------------------------------------

    def tag(self):
        self.count += 1
        return f"t{self.count}"

    def begin(self, text):
        """Sends a command, without waiting; its tag."""
        tag = self.tag()
        data = text.encode() if isinstance(text, str) else text
        self.send(tag.encode() + b" " + data + b"\r\n")
        return tag

    def finish(self, tag):
        lines = []
        while True:
            line = self.line()
            if line.startswith(tag.encode() + b" "):
                status, _, text = line[len(tag) + 1:].partition(b" ")
                return Answer(status.decode(), text.decode(errors="replace"), lines)
            lines.append(line)

    def cmd(self, text):
        return self.finish(self.begin(text))

    def ok(self, text):
        answer = self.cmd(text)
        assert answer.status == "OK", (text, answer)
        return answer.lines

    def no(self, text, code=None):
        answer = self.cmd(text)
        assert answer.status == "NO", (text, answer)
        if code:
            assert answer.text.startswith(f"[{code}"), (text, answer)
        return answer

    def bad(self, text):
        answer = self.cmd(text)
        assert answer.status == "BAD", (text, answer)
        return answer

    def append(self, message, mailbox="INBOX", options=""):
        """APPEND with a synchronising literal; the uid it got."""
        message = message.encode() if isinstance(message, str) else message
        tag = self.begin(f"APPEND {mailbox} {options}{' ' if options else ''}{{{len(message)}}}")
        line = self.line()
        assert line.startswith(b"+ "), line
        self.send(message + b"\r\n")
        answer = self.finish(tag)
        assert answer.status == "OK", answer
        return int(re.match(r"\[APPENDUID \d+ (\d+)\]", answer.text).group(1))

    def idle(self):
        tag = self.begin("IDLE")
        assert self.line().startswith(b"+ ")
        return tag

    def done(self, tag):
        self.send("DONE\r\n")
        answer = self.finish(tag)
        assert answer.status == "OK", answer
        return answer.lines

    def wait_line(self, pattern, seconds=30):
        """Untagged lines until one that matches; that one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            line = self.line()
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no {pattern!r}")


def message(subject="Test", body="Hello\r\n", **headers):
    lines = [f"Subject: {subject}", "From: Joe <joe@example.test>", "To: mary@example.test",
             "Date: Sat, 21 Nov 2026 10:00:00 +0100"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
