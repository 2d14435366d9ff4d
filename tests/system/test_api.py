# SPDX-License-Identifier: Apache-2.0
"""The HTTP API on the admin socket: forms of requests, limits, errors, the OpenAPI document."""
import concurrent.futures
import http.client
import json
import os
import socket
import stat

import pytest

JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}


class Api(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, instance, timeout=60):
        super().__init__("postern", timeout=timeout)
        self.path = instance.dir + "/run/admin.sock"

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers, JSON."""
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), JSON | (headers or {})
        self.request(method, "/api/v1" + path, body, headers or {})
        response = self.getresponse()
        data = response.read()
        return response.status, response.headers, json.loads(data) if data else None


@pytest.fixture
def api(shared_postern):
    connection = Api(shared_postern)
    yield connection
    connection.close()


def problem(answer, status):
    got, headers, body = answer
    assert got == status, body
    assert headers["Content-Type"] == "application/problem+json"
    assert body["status"] == status and body["title"]
    return body


def test_the_socket_is_the_owners(shared_postern):
    assert stat.S_IMODE(os.stat(shared_postern.dir + "/run/admin.sock").st_mode) == 0o600


def test_status(api):
    status, headers, body = api.ask("GET", "/status")
    assert status == 200 and body["rooms"]
    assert headers["Content-Type"] == "application/json" and headers["Cache-Control"] == "no-store"


def test_openapi_describes_every_operation(api):
    status, _, document = api.ask("GET", "/openapi.json")
    assert status == 200 and document["openapi"] == "3.1.0"
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids)) and {"domain.switch", "mailbox.add", "queue.flush", "status"} <= set(ids)
    for path, item in document["paths"].items():
        for op in item.values():
            in_path = {p["name"] for p in op.get("parameters", ()) if p["in"] == "path"}
            assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}


@pytest.mark.parametrize("path", ["/", "/nothing", "/domains/", "/domains/a.test/b", "/../status", "//status"])
def test_unknown_paths_are_404(api, path):
    problem(api.ask("GET", path), 404)


def test_another_method_is_405_and_says_which_there_are(api):
    answer = api.ask("PATCH", "/domains", {})
    problem(answer, 405)
    assert answer[1]["Allow"] == "POST, GET"


@pytest.mark.parametrize("path", ["/domains/%", "/domains/%zz", "/domains/%ff", "/domains/a%00b"])
def test_bad_escapes_are_400(api, path):
    problem(api.ask("GET", path), 400)


def test_a_long_path_is_414(api):
    problem(api.ask("GET", "/domains/" + "a" * 3000), 414)


@pytest.mark.parametrize("body, status", [("{", 400), ("[]", 400), ('{"mode": 1, "mode": 2}', 400), ("\xff", 400),
                                          ('{"mode": {}}', 422), ('{"mode": 1.5}', 422)])
def test_bodies_that_are_no_flat_object(api, body, status):
    problem(api.ask("POST", "/domains/a.test/switch", body.encode("latin-1"), JSON), status)


@pytest.mark.parametrize("body, field, text", [
    ({}, "mode", "expected gateway or hosted"),
    ({"mode": "up"}, "mode", 'expected gateway or hosted, got "up"'),
    ({"mode": "hosted", "dry_run": "maybe"}, "dry_run", "true or false"),
    ({"mode": "hosted", "colour": "red"}, "colour", "expected one of the fields"),
    ({"mode": ["hosted", "gateway"]}, "mode", "once only"),
    ({"mode": "hosted", "domain": "b.test"}, "domain", "once only"),
])
def test_a_refusal_names_the_field(api, body, field, text):
    got = problem(api.ask("POST", "/domains/a.test/switch", body), 422)
    assert got["field"] == field and text in got["detail"]


def test_a_secret_in_a_query_is_refused_and_not_repeated(api):
    got = problem(api.ask("PUT", "/mailboxes/a@b.test/password?password=hunter2", {}), 422)
    assert got["field"] == "password" and "hunter2" not in json.dumps(got)


def test_a_bad_secret_is_not_repeated(api):
    got = problem(api.ask("PUT", "/mailboxes/a@b.test/password", {"password": "hunter2" * 200}), 422)
    assert got["field"] == "password" and "hunter2" not in json.dumps(got)


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Type": "text/html"}, {}])
def test_other_media_types_are_415(api, headers):
    problem(api.ask("POST", "/domains/a.test/switch", b"mode=hosted", headers), 415)


def test_a_body_with_get_is_refused(api):
    problem(api.ask("GET", "/domains", b"{}", JSON), 400)


def test_a_body_at_the_limit_and_one_byte_more(api):
    body = b'{"mode": "up"}'
    whole = body + b" " * ((1 << 20) - len(body))
    problem(api.ask("POST", "/domains/a.test/switch", whole, JSON), 422)
    head = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % (len(whole) + 1)
    assert b" 413 " in raw(api, "/domains/a.test/switch", head)


def raw(api, path, headers, body=b""):
    """The first line of the answer to a POST whose body may not be wanted."""
    other = socket.socket(socket.AF_UNIX)
    other.settimeout(20)
    other.connect(api.path)
    try:
        other.sendall(b"POST /api/v1%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path.encode(), headers))
        other.sendall(body)
    except (BrokenPipeError, ConnectionResetError):
        pass
    with other:
        return other.recv(4096).split(b"\r\n")[0]


def test_a_chunked_body_over_the_limit_is_413(api):
    chunk = b"4000\r\n" + b" " * 16384 + b"\r\n"
    head = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    assert b" 413 " in raw(api, "/domains/a.test/switch", head, chunk * 80 + b"0\r\n\r\n")


def test_a_file_over_the_limit_is_413(api):
    head = b"Content-Type: text/plain\r\nContent-Length: 99999999999\r\n"
    assert b" 413 " in raw(api, "/domains/a.test/import/accounts", head)


def test_large_headers_do_not_hurt(shared_postern, api):
    other = Api(shared_postern)
    other.connect()
    try:
        other.sock.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n")
        for _ in range(200):
            other.sock.sendall(b"X-Padding: " + b"x" * 1000 + b"\r\n")
        answer = other.sock.recv(4096)
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    other.close()
    assert api.ask("GET", "/openapi.json")[0] == 200


def test_requests_byte_by_byte_and_cut_short(shared_postern, api):
    request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    slow = Api(shared_postern)
    slow.connect()
    for at in range(len(request)):
        slow.sock.sendall(request[at:at + 1])
    assert b" 200 " in slow.sock.recv(64)
    slow.close()
    for cut in range(0, len(request), 7):
        cut_short = Api(shared_postern)
        cut_short.connect()
        cut_short.sock.sendall(request[:cut])
        cut_short.close()
    assert api.ask("GET", "/openapi.json")[0] == 200


def test_a_keep_alive_connection_serves_many(api):
    for _ in range(20):
        assert api.ask("GET", "/openapi.json")[0] == 200
        problem(api.ask("GET", "/nothing"), 404)


def test_clients_that_leave_while_an_operation_runs(shared_postern, api):
    for _ in range(20):
        gone = Api(shared_postern)
        gone.request("GET", "/api/v1/status")
        gone.close()
    assert api.ask("GET", "/status")[0] == 200


def test_many_at_once(shared_postern):
    def one(_):
        api = Api(shared_postern)
        status = api.ask("GET", "/status")[0]
        api.close()
        return status
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(64))) == {200}
