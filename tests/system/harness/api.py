# SPDX-License-Identifier: Apache-2.0
"""The HTTP API from outside: requests with a token, answers as status, headers and JSON."""
import http.client
import json
import socket


class SocketApi(http.client.HTTPConnection):
    """HTTP over the admin socket; with a token it is its holder who asks."""

    def __init__(self, instance, token=None, timeout=60):
        super().__init__("postern", timeout=timeout)
        self.path, self.token = instance.dir + "/run/admin.sock", token

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers, JSON."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        self.request(method, "/api/v1" + path, body, headers)
        response = self.getresponse()
        data = response.read()
        return response.status, response.headers, json.loads(data) if data else None
