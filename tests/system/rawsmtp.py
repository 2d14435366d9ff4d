# SPDX-License-Identifier: Apache-2.0
"""An SMTP client that sends exactly the octets it is told to: what smtplib would never say."""
import base64
import socket
import time

from harness.instance import tls_context


class Closed(Exception):
    """The server closed the connection."""


class RawSmtp:
    def __init__(self, instance, service="smtp", greet=True, timeout=60):
        self.sock = socket.create_connection(("127.0.0.1", instance.port(service)), timeout)
        self.buffer = b""
        if service == "submission":
            self.sock = tls_context().wrap_socket(self.sock)
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def _line(self):
        while b"\r\n" not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise Closed(self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("ascii")

    def reply(self):
        """(code, [text of each line])."""
        texts = []
        while True:
            line = self._line()
            texts.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), texts

    def code(self):
        return self.reply()[0]

    def cmd(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def codes(self, *lines):
        """One after the other; the codes."""
        return [self.cmd(line)[0] for line in lines]

    def ehlo(self):
        code, texts = self.cmd("EHLO client.test")
        assert code == 250, texts
        return texts[1:]

    def starttls(self):
        assert self.cmd("STARTTLS")[0] == 220
        self.start_tls_now()

    def start_tls_now(self):
        assert not self.buffer, self.buffer
        self.sock = tls_context().wrap_socket(self.sock)

    def auth(self, user, password):
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.cmd(f"AUTH PLAIN {token}")[0]

    def envelope(self, *rcpts, sender="sender@elsewhere.test", params=""):
        codes = self.codes(f"MAIL FROM:<{sender}>{params}", *[f"RCPT TO:<{r}>" for r in rcpts])
        assert all(c == 250 for c in codes), codes

    def data(self, body):
        """body: all octets behind 354, its end too; the code."""
        assert self.cmd("DATA")[0] == 354
        self.send(body)
        return self.code()

    def is_closed(self, seconds=10):
        """Everything that still comes, then the end; what came."""
        end, came = time.monotonic() + seconds, self.buffer
        self.sock.settimeout(seconds)
        while time.monotonic() < end:
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                return came or b" "
            if not data:
                return came or b" "
            came += data
        raise AssertionError("it is still open")
