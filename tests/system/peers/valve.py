# SPDX-License-Identifier: Apache-2.0
"""A way to a server that lets so much of what it says through, and holds the rest: what is read from there cannot be over.

    with Valve(port, 100000) as valve:      # clients connect to valve.port
        ...
        valve.let(200000)                   # in all; valve.passed says how much has gone through
        valve.open()
"""
import socket
import threading


class Valve:
    def __init__(self, port, most):
        self.target, self.most, self.passed = port, most, 0
        self.turn = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open()
        self.listener.close()

    def let(self, most):
        with self.turn:
            self.most = most
            self.turn.notify_all()

    def open(self):
        self.let(float("inf"))

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for source, sink, held in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, held), daemon=True).start()

    def _wait(self):
        """How much may pass now."""
        with self.turn:
            self.turn.wait_for(lambda: self.passed < self.most)
            return int(min(65536, self.most - self.passed))

    def _pump(self, source, sink, held):
        try:
            while data := source.recv(self._wait() if held else 65536):
                sink.sendall(data)
                with self.turn:
                    self.passed += len(data) if held else 0
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
