# SPDX-License-Identifier: Apache-2.0
"""A POP3 server for the mover to read: as poor or as strange as a test wants it, and it keeps what was said to it."""
import socket
import threading


class Pop3Server:
    """messages: [(uidl, bytes)]. capa: lines, None for a server that knows no CAPA. uidl: whether it has UIDL.
    refused: numbers that RETR refuses; cut_at: the connection breaks in the middle of this number, once."""

    def __init__(self, messages, password="secret", capa=("USER", "UIDL"), uidl=True, refused=(), cut_at=None):
        self.messages, self.password, self.capa, self.uidl = messages, password, capa, uidl
        self.refused, self.cut_at = set(refused), cut_at
        self.commands, self.sessions = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def verbs(self):
        return {line.split()[0].upper() for line in self.commands if line.strip()}

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn, conn.makefile("rwb") as f:
            try:
                self._session(f)
            except (OSError, ConnectionError):
                pass

    def _session(self, f):
        def say(line):
            f.write(line.encode() + b"\r\n")
            f.flush()
        say("+OK ready")
        for raw in f:
            line = raw.decode(errors="replace").strip()
            self.commands.append(line)
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb == "CAPA" and self.capa is not None:
                say("\r\n".join(["+OK", *self.capa, "."]))
            elif verb == "USER":
                say("+OK")
            elif verb == "PASS":
                say("+OK" if rest == self.password else "-ERR [AUTH] wrong")
            elif verb == "UIDL" and self.uidl:
                say("\r\n".join(["+OK", *(f"{i} {uidl}" for i, (uidl, _) in enumerate(self.messages, 1)), "."]))
            elif verb == "LIST":
                say("\r\n".join(["+OK", *(f"{i} {len(m)}" for i, (_, m) in enumerate(self.messages, 1)), "."]))
            elif verb == "RETR" and int(rest) not in self.refused:
                if self._retrieve(f, int(rest)):
                    return
            else:
                say("-ERR no")

    def _retrieve(self, f, number):
        body = self.messages[number - 1][1]
        stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in body.split(b"\r\n"))
        if number == self.cut_at:
            self.cut_at = None
            f.write(b"+OK\r\n" + stuffed[:len(stuffed) // 2])
            f.flush()
            return True
        f.write(b"+OK\r\n" + stuffed + b".\r\n")
        f.flush()
        return False
