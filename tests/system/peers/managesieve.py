# SPDX-License-Identifier: Apache-2.0
"""A ManageSieve client that shows the bytes as they are (RFC 5804)."""
import base64
import re
import socket
import ssl


class ManageSieve:
    """Connected and greeted; the greeting's capabilities in capabilities."""

    def __init__(self, port, host="127.0.0.1", timeout=20):
        self.sock = socket.create_connection((host, port), timeout)
        self.rest = b""
        self.greeting, self.capabilities = self._capabilities()

    def _capabilities(self):
        answer = self.answer()
        return answer, {line[0]: (line[1] if len(line) > 1 else None) for line in answer.lines}

    # -- bytes ----------------------------------------------------------------

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def _fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.rest += data

    def _line(self):
        while b"\r\n" not in self.rest:
            self._fill()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def _tokens(self):
        """A line's words and strings; literals are read where they stand."""
        tokens, line = [], self._line()
        while True:
            literal = re.search(rb"\{(\d+)\}$", line)
            text = line[:literal.start()] if literal else line
            for quoted, word in re.findall(rb'"((?:[^"\\]|\\.)*)"|(\([^"()]*\)?|[^\s"()]+|\))', text):
                tokens.append(word.decode() if word else re.sub(rb"\\(.)", rb"\1", quoted).decode())
            if not literal:
                return tokens
            size = int(literal.group(1))
            while len(self.rest) < size:
                self._fill()
            tokens.append(self.rest[:size].decode())
            self.rest = self.rest[size:]
            line = self._line()

    # -- answers --------------------------------------------------------------

    def answer(self):
        """Lines up to OK, NO or BYE."""
        lines = []
        while True:
            tokens = self._tokens()
            if tokens and tokens[0] in ("OK", "NO", "BYE"):
                return Answer(tokens, lines)
            lines.append(tokens)

    def do(self, command, *strings):
        """A command with strings as literals."""
        data = command.encode()
        for s in strings:
            s = s.encode() if isinstance(s, str) else s
            data += b" {%d+}\r\n" % len(s) + s
        self.send(data + b"\r\n")
        return self.answer()

    def start_tls(self):
        answer = self.do("STARTTLS")
        assert answer.ok, answer
        self.wrap()
        return self

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)
        self.rest = b""
        self.greeting, self.capabilities = self._capabilities()

    def login(self, user, password, authzid=""):
        token = base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()
        self.send(f'AUTHENTICATE "PLAIN" "{token}"\r\n')
        return self.answer()

    def scripts(self):
        answer = self.do("LISTSCRIPTS")
        assert answer.ok, answer
        return {line[0]: len(line) > 1 for line in answer.lines}

    def close(self):
        self.sock.close()


class Answer:
    def __init__(self, tokens, lines):
        self.status, self.ok, self.lines = tokens[0], tokens[0] == "OK", lines
        self.code = tokens[1].strip("()") if len(tokens) > 1 and tokens[1].startswith("(") else ""
        self.text = tokens[-1] if len(tokens) > 1 and not tokens[-1].startswith("(") else ""

    def __repr__(self):
        return f"{self.status} ({self.code}) {self.text!r} {self.lines}"
