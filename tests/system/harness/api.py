# SPDX-License-Identifier: Apache-2.0
"""The HTTP API from outside: requests with a token, answers as status, headers and JSON."""
import http.client
import json
import socket
import time

from .instance import tls_context


IDLE_SECONDS = 10       # the server hangs up 30 s behind an answer (WEB_HEAD_MS)


class Answers:
    """What both kinds of connection share."""

    answered = None

    def ask(self, method, path, body=None, headers=None):
        """Status, headers, JSON."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        if self.answered and time.monotonic() - self.answered > IDLE_SECONDS:
            self.close()        # the request opens it again
        self.request(method, "/api/v1" + path, body, headers)
        response = self.getresponse()
        data = response.read()
        self.answered = time.monotonic()
        return response.status, response.headers, json.loads(data) if data else None


class WebApi(Answers, http.client.HTTPSConnection):
    """HTTPS as from outside, to the configured name."""

    def __init__(self, instance, token=None, timeout=60):
        super().__init__(instance.host, instance.port("https"), timeout=timeout, context=tls_context())
        self.instance, self.token = instance, token

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._context.wrap_socket(raw, server_hostname=self.host)

    def login(self, login, password):
        """Begins a session; self."""
        status, _, body = self.ask("POST", "/session", {"login": login, "password": password})
        assert status == 201, body
        self.token = body["token"]
        return self


class SocketApi(Answers, http.client.HTTPConnection):
    """HTTP over the admin socket; with a token it is its holder who asks."""

    def __init__(self, instance, token=None, timeout=60):
        super().__init__("postern", timeout=timeout)
        self.path, self.token = instance.dir + "/run/admin.sock", token

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
