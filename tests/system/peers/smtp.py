# SPDX-License-Identifier: Apache-2.0
"""An SMTP server on loopback that keeps what it gets and answers as a test wants.

    sink = FakeSmtp(answers={"RCPT": lambda line: b"550 5.1.1 no\\r\\n" if b"nobody" in line else None})

answers maps a verb ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END" for the final dot, "RSET", "STARTTLS") to bytes,
or to a function of the command's line that gives bytes or None (the usual answer). An answer b"" hangs up.
"""
import socket
import ssl
import threading

USUAL = {
    "CONNECT": b"220 sink.test ESMTP\r\n", "HELO": b"250 sink.test\r\n", "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go\r\n", "END": b"250 2.0.0 kept\r\n", "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n", "NOOP": b"250 ok\r\n", "STARTTLS": b"220 go\r\n",
}


class Message:
    def __init__(self, sender, recipients, data, tls, session):
        self.sender, self.recipients, self.data = sender, recipients, data
        self.tls, self.session = tls, session

    def __repr__(self):
        return f"<{self.sender} -> {self.recipients}, {len(self.data)} bytes>"


class HangUp(Exception):
    pass


class _Session:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.buffer, self.tls = b"", False

    def line(self):
        while b"\n" not in self.buffer:
            more = self.sock.recv(65536)
            if not more:
                raise HangUp
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def say(self, verb, line=b""):
        answer = self.server.answer(verb, line)
        if not answer:
            raise HangUp
        self.sock.sendall(answer)
        return answer[:1]

    def data(self):
        whole, self.buffer = bytearray(b"\r\n" + self.buffer), b""
        at = whole.find(b"\r\n.\r\n")
        while at < 0:
            more = self.sock.recv(262144)
            if not more:
                raise HangUp
            begin = max(0, len(whole) - 4)
            whole += more
            at = whole.find(b"\r\n.\r\n", begin)
        self.buffer = bytes(whole[at + 5:])
        return bytes(whole[:at + 2]).replace(b"\r\n.", b"\r\n")[2:]

    def start_tls(self):
        if not self.server.context:     # it only says so: what comes next is read as commands
            return
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.buffer, self.tls = b"", True

    def run(self):
        self.say("CONNECT")
        sender, recipients = None, []
        while True:
            line = self.line()
            self.server.commands.append(line)
            verb = line.split(b" ")[0].strip().upper().decode("ascii", "replace")
            argument = line.partition(b":")[2].strip()
            if verb == "DATA":
                if self.say("DATA", line) != b"3":
                    continue
                message = Message(sender, recipients, self.data(), self.tls, self.number)
                # Kept before the answer: what a test cuts off after this is delivered all the same.
                self.server.offer(message, self.say)
                sender, recipients = None, []
                continue
            good = self.say(verb, line) in b"23"
            if verb == "QUIT":
                return
            if verb == "STARTTLS" and good:
                self.start_tls()
            elif verb == "MAIL" and good:
                sender, recipients = argument.split(b" ")[0].decode("utf-8", "replace")[1:-1], []
            elif verb == "RCPT" and good:
                recipients = recipients + [argument.split(b" ")[0].decode("utf-8", "replace")[1:-1]]
            elif verb in ("RSET", "EHLO", "HELO"):
                sender, recipients = None, []


class FakeSmtp:
    def __init__(self, answers=None, capabilities=("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES"),
                 certificate=None, port=0, name="sink.test", host="127.0.0.1"):
        self.answers, self.capabilities, self.name = dict(answers or {}), list(capabilities), name
        self.messages, self.commands, self.sessions = [], [], 0
        self.lock = threading.Lock()
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.capabilities.append("STARTTLS")
        self.port, self.host = port, host
        self._open = set()
        self.start()

    def start(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((self.host, self.port))
        self._socket.listen(200)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def answer(self, verb, line):
        wanted = self.answers.get(verb)
        if callable(wanted):
            wanted = wanted(line)
        if wanted is not None:
            return wanted
        if verb == "EHLO":
            lines = [self.name] + self.capabilities
            return b"".join(b"250%c%s\r\n" % (b" -"[i + 1 < len(lines)], word.encode()) for i, word in enumerate(lines))
        return USUAL.get(verb, b"502 5.5.1 what?\r\n")

    def offer(self, message, say):
        try:
            kept = self.answer("END", message.data)
            keep = kept[:1] == b"2" or kept == b""
            if keep:
                with self.lock:
                    self.messages.append(message)
        finally:
            say("END", message.data)

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(sock, self.sessions), daemon=True).start()

    def _serve(self, sock, number):
        sock.settimeout(120)
        self._open.add(sock)
        session = _Session(self, sock, number)
        try:
            session.run()
        except (HangUp, OSError, ssl.SSLError):
            pass
        finally:
            self._open.discard(sock)
            session.sock.close()

    def stop(self):
        """Refuses connections; start() opens the same port again. Sessions that are open are cut."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        for sock in list(self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    close = stop

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def to(self, recipient):
        """The messages that this recipient got."""
        with self.lock:
            return [m for m in self.messages if recipient in m.recipients]
