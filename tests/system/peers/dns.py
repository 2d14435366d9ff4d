# SPDX-License-Identifier: Apache-2.0
"""A DNS server on loopback with a table of records.

    dns = FakeDns({("b.test", "MX"): [(10, "mx.b.test")], ("mx.b.test", "A"): ["127.0.0.1"]})

A name that is in the table with any type has NOERROR for the others; unknown names get NXDOMAIN. A record list
may be "SERVFAIL" or "DROP".
"""
import socket
import struct
import threading

TYPES = {"A": 1, "MX": 15, "AAAA": 28, "TXT": 16}


def _name(text):
    out = b""
    for label in text.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def _data(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        return struct.pack(">H", value[0]) + _name(value[1])
    return bytes([len(value)]) + value.encode()


class FakeDns:
    def __init__(self, records=None):
        self.records = dict(records or {})
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _serve(self):
        while True:
            try:
                question, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            try:
                answer = self._answer(question)
            except (IndexError, struct.error, UnicodeDecodeError):
                continue
            try:
                if answer:
                    self._socket.sendto(answer, peer)
            except OSError:             # closed meanwhile
                return

    def _question(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += packet[at] + 1
        return ".".join(labels).lower(), struct.unpack(">H", packet[at + 1:at + 3])[0], packet[12:at + 5]

    def _answer(self, packet):
        name, number, echo = self._question(packet)
        kind = next((k for k, v in TYPES.items() if v == number), None)
        self.asked.append((name, kind))
        found = self.records.get((name, kind), [])
        if found == "DROP":
            return None
        code = 0
        if found == "SERVFAIL":
            code, found = 2, []
        elif not found and not any(key[0] == name for key in self.records):
            code = 3
        body = b""
        for value in found:
            data = _data(kind, value)
            body += b"\xc0\x0c" + struct.pack(">HHIH", number, 1, 60, len(data)) + data
        return packet[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + echo + body

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
