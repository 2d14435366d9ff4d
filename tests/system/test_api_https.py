# SPDX-License-Identifier: Apache-2.0
"""The administration's API over HTTPS: logins, sessions, tokens (H14), where a request says it went (H13), slow and many
clients, the redirect from HTTP."""
import concurrent.futures
import json
import os
import re
import socket
import ssl
import time

import pytest

from harness.api import SocketApi, WebApi
from harness.instance import tls_context
from harness.wait import wait_until

PASSWORD, OTHER = "Correct-horse-battery-1", "Another-horse-battery-2"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    shared_postern.add_mailbox("joe@example.test", PASSWORD)
    shared_postern.cli("admin", "add", "paula", "--provider", "--password-stdin", stdin=PASSWORD + "\n")
    shared_postern.cli("admin", "add", "carol", "--customer", "acme", "--password-stdin", stdin=PASSWORD + "\n")
    return shared_postern


def raw(postern, data, timeout=20):
    """What comes back for bytes over TLS, until the other side closes."""
    with tls_context().wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), timeout)) as s:
        s.sendall(data.encode() if isinstance(data, str) else data)
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except (ConnectionResetError, ssl.SSLError):
            pass
    return got.decode(errors="replace")


def status_of(answer):
    return int(answer.split()[1]) if answer.startswith("HTTP/1.1 ") else None


# -- logins ------------------------------------------------------------------------


def test_first_login(make_postern):
    """What `postern init` prints opens the web."""
    postern = make_postern()
    done = postern._run(["init", postern.dir, "--port-base", str(postern.port_base), "--host", postern.host, "--json"])
    login = json.loads(done.stdout)["provider"]
    postern.start()
    api = WebApi(postern).login(login["login"], login["password"])
    status, _, body = api.ask("GET", "/session")
    assert status == 200 and body["ranks"][0]["rank"] == "provider"
    assert api.ask("POST", "/customers", {"customer": "first"})[0] == 201
    assert api.ask("GET", "/status")[0] == 200
    assert api.ask("GET", "/queue")[0] == 200
    assert api.ask("POST", "/reload", {})[0] == 200


def test_login_and_logout(house):
    api = WebApi(house).login("CAROL", PASSWORD)
    status, headers, body = api.ask("GET", "/session")
    assert status == 200 and body["login"] == "carol"
    assert body["ranks"][0] == {"rank": "customer", "customer": "acme"}
    assert body["expires_ms"] > house.now() * 1000
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"] and "default-src 'none'" in headers["Content-Security-Policy"]
    assert api.ask("DELETE", "/session")[0] == 200
    status, headers, body = api.ask("GET", "/session")
    assert status == 401 and headers["WWW-Authenticate"] == "Bearer" and body["title"]


def test_a_mailbox_user_logs_in(house):
    api = WebApi(house).login("joe@example.test", PASSWORD)
    assert api.ask("GET", "/mailboxes/joe@example.test")[0] == 200
    assert api.ask("GET", "/mailboxes")[0] == 403


def test_wrong_passwords_look_like_unknown_names(house):
    answers = []
    for login, password in (("carol", OTHER), ("nobody-such", OTHER), ("x@unknown.test", PASSWORD), ("joe@example.test", OTHER)):
        status, _, body = WebApi(house).ask("POST", "/session", {"login": login, "password": password})
        answers.append((status, body))
    assert {status for status, _ in answers} == {401}
    assert len({json.dumps(body, sort_keys=True) for _, body in answers}) == 1


def test_logins_are_limited_like_those_of_any_protocol(make_postern):
    """The same counters: guesses over HTTPS shut the name out for IMAP, too."""
    postern = make_postern(conf={"limits.exempt_networks": ""}).init().start()
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    api = WebApi(postern)

    def shut():
        for _ in range(5):
            api.ask("POST", "/session", {"login": "joe@example.test", "password": OTHER})
        return "auth.login.limited" in postern.log()
    wait_until(shut, 60, "the limit")
    with pytest.raises(Exception):
        postern.imap("joe@example.test", PASSWORD)


def test_nobody_without_a_login(house):
    for path in ("/status", "/customers", "/mailboxes/joe@example.test", "/queue", "/session"):
        assert WebApi(house).ask("GET", path)[0] == 401, path
    assert WebApi(house).ask("POST", "/reload", {})[0] == 401
    assert WebApi(house, "pst-" + "0" * 64).ask("GET", "/status")[0] == 401
    for value in ("Basic cGF1bGE6eA==", "Bearer", "Bearer " + "x" * 600, "Bearer a b"):
        assert WebApi(house).ask("GET", "/status", headers={"Authorization": value})[0] == 401, value
    # The description of the API is for everybody.
    assert WebApi(house).ask("GET", "/openapi.json")[0] == 200


# -- tokens: H14 ---------------------------------------------------------------------


def test_sessions_slide_and_end(make_postern):
    postern = make_postern().init().start()
    postern.cli("admin", "add", "paula", "--provider", "--password-stdin", stdin=PASSWORD + "\n")
    api, idle = WebApi(postern).login("paula", PASSWORD), WebApi(postern).login("paula", PASSWORD)
    for _ in range(3):
        postern.travel(minutes=25)
        assert api.ask("GET", "/session")[0] == 200
    assert idle.ask("GET", "/session")[0] == 401
    for _ in range(28):  # used all the time, and over after twelve hours all the same
        postern.travel(minutes=25)
        api.ask("GET", "/session")
    assert api.ask("GET", "/session")[0] == 401


def test_a_new_password_ends_sessions(house):
    house.cli("admin", "add", "temp", "--customer", "acme", "--password-stdin", stdin=PASSWORD + "\n")
    house.add_mailbox("temp@example.test", PASSWORD)
    staff, user = WebApi(house).login("temp", PASSWORD), WebApi(house).login("temp@example.test", PASSWORD)
    house.cli("admin", "password", "temp", "--password-stdin", stdin=OTHER + "\n")
    house.cli("mailbox", "password", "temp@example.test", "--password-stdin", stdin=OTHER + "\n")
    assert staff.ask("GET", "/session")[0] == 401 and user.ask("GET", "/session")[0] == 401
    assert WebApi(house).ask("POST", "/session", {"login": "temp", "password": PASSWORD})[0] == 401
    WebApi(house).login("temp", OTHER)
    user = WebApi(house).login("temp@example.test", OTHER)
    house.cli("mailbox", "remove", "temp@example.test")
    assert user.ask("GET", "/session")[0] == 401


def test_tokens_are_nowhere_at_rest_or_in_logs(house):
    api = WebApi(house).login("paula", PASSWORD)
    key = api.ask("POST", "/tokens", {"name": "script", "days": 5})[2]
    assert WebApi(house, key["token"]).ask("GET", "/customers")[0] == 200
    assert [t["name"] for t in api.ask("GET", "/tokens")[2]["items"]] == ["script"]
    assert "token" not in api.ask("GET", "/tokens")[2]["items"][0]
    folder = os.path.join(house.dir, "data")
    for secret in (api.token, key["token"]):
        assert re.fullmatch("pst-[0-9a-f]{64}", secret)
        assert secret[4:] not in house.log()
        for top, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(top, name), "rb") as f:
                    data = f.read()
                assert secret[4:].encode() not in data and bytes.fromhex(secret[4:]) not in data, name
    assert api.ask("DELETE", f"/tokens/{key['id']}")[0] == 200
    assert WebApi(house, key["token"]).ask("GET", "/customers")[0] == 401


def test_a_token_in_the_query_is_none(house):
    api = WebApi(house).login("paula", PASSWORD)
    status, _, body = WebApi(house).ask("GET", "/customers?token=" + api.token)
    assert status in (401, 422) and api.token not in json.dumps(body)


def test_a_token_is_spent_once(house):
    """Many log out with one session at once: one does, the others have none."""
    api = WebApi(house).login("paula", PASSWORD)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: WebApi(house, api.token).ask("DELETE", "/session")[0], range(8)))
    assert sorted(set(done)) == [200, 401] and done.count(200) == 1


def test_tokens_differ_after_a_crash(house):
    """A room that was started again from the same program makes other tokens."""
    seen = set()
    for _ in range(2):
        api = WebApi(house)
        wait_until(lambda: WebApi(house).ask("GET", "/openapi.json")[0] == 200, 20, "httpd")
        for _ in range(3):
            seen.add(api.login("paula", PASSWORD).token)
        house.kill("directory")
    assert len(seen) == 6


# -- where a request says it went: H13 --------------------------------------------------


def ask_raw(house, target="/api/v1/openapi.json", headers=(), host=None, method="GET"):
    hosts = [f"Host: {h}" for h in ([house.host] if host is None else host)]
    return raw(house, "\r\n".join([f"{method} {target} HTTP/1.1", *hosts, *headers, "Connection: close", "", ""]))


def test_hosts(house):
    assert status_of(ask_raw(house)) == 200
    assert status_of(ask_raw(house, host=[house.host.upper()])) == 200
    assert status_of(ask_raw(house, host=[f"{house.host}:{house.port('https')}"])) == 200
    for host in ("evil", "127.0.0.1", "evil." + house.host, house.host + ".evil", "[::1]"):
        assert status_of(ask_raw(house, host=[host])) == 421, host
    for host in ([], [""], [house.host, house.host], [house.host, "evil"], [house.host + ":@evil"], [house.host + ":443@evil"],
                 ["evil@" + house.host], [house.host + ", evil"], [house.host + " evil"], [house.host + "/evil"]):
        answer = ask_raw(house, host=host)
        assert status_of(answer) == 400, (host, answer)


@pytest.mark.parametrize("header", ["X-Forwarded-Host: evil", "x-forwarded-for: 192.0.2.1", "X-Forwarded-Proto: http",
                                    "Forwarded: host=evil", "X-Original-URL: /api/v1/status", "X-Rewrite-URL: /x",
                                    "X-HTTP-Method-Override: DELETE", "X-Host: evil"])
def test_forwarding_headers(house, header):
    answer = ask_raw(house, headers=[header])
    assert status_of(answer) == 400 and "evil" not in answer


def test_targets(house):
    for target in (f"https://{house.host}/api/v1/openapi.json", "https://evil/api/v1/openapi.json", "//evil/api/v1/openapi.json",
                   "@evil/", "*", "evil"):
        answer = ask_raw(house, target)
        assert status_of(answer) in (400, None) and "evil" not in answer, (target, answer)
    assert status_of(ask_raw(house, headers=["Authorization: Bearer a", "Authorization: Bearer b"])) == 400


def test_only_the_redirect_speaks_in_clear(house):
    def clear(data):
        with socket.create_connection(("127.0.0.1", house.port("http")), 20) as s:
            s.sendall(data)
            got = b""
            while chunk := s.recv(65536):
                got += chunk
        return got.decode()
    for host in ("evil", house.host, "evil:80\r\nX-Forwarded-Host: evil"):
        answer = clear(f"GET /api/v1/status?x=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert status_of(answer) == 308 and "evil" not in answer
        assert f"Location: https://{house.host}:{house.port('https')}/api/v1/status?x=1\r\n" in answer
    for bad in (b"POST /api/v1/session HTTP/1.1\r\n\r\n", b"GET //evil/ HTTP/1.1\r\n\r\n", b"GET http://evil/ HTTP/1.1\r\n\r\n",
                b"\x16\x03\x01\r\n\r\n"):
        assert status_of(clear(bad)) == 400
    assert clear(b"GET /" + b"a" * 9000) == ""


# -- slow, many, large ---------------------------------------------------------------


def test_other_forms(house):
    api = WebApi(house).login("paula", PASSWORD)
    assert api.ask("TRACE", "/status")[0] == 405
    assert api.ask("GET", "/no/such/path")[0] == 404
    assert api.ask("POST", "/customers", "x" * (1 << 20 | 1), {"Content-Type": "application/json"})[0] == 413
    # In parts, at every kind of boundary.
    body = json.dumps({"login": "paula", "password": PASSWORD})
    data = (f"POST /api/v1/session HTTP/1.1\r\nHost: {house.host}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    for at in range(1, len(data), 13):
        with tls_context().wrap_socket(socket.create_connection(("127.0.0.1", house.port("https")), 20)) as s:
            s.sendall(data[:at])
            s.sendall(data[at:])
            assert s.recv(100).startswith(b"HTTP/1.1 201 ")


def test_large_uploads_and_answers(house):
    """More than any buffer holds, both ways, through the one connection."""
    api = WebApi(house).login("paula", PASSWORD)
    lines = "".join(f"u{i:05d}\n" for i in range(20000))
    status, _, body = api.ask("POST", "/domains/example.test/import/accounts?dry_run=true", lines,
                              {"Content-Type": "text/plain"})
    assert status == 200 and body["lines"] == 20000, body
    status, _, body = api.ask("GET", "/openapi.json")
    assert status == 200 and len(json.dumps(body)) > 50000


def test_many_connections_and_one_address(make_postern):
    postern = make_postern(conf={"https.max_connections": 5}).init().start()
    kept = []
    for _ in range(5):
        kept.append(tls_context().wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), 20)))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_context().wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), 20))
    kept.pop().close()

    def free():
        try:
            return WebApi(postern).ask("GET", "/openapi.json")[0] == 200
        except (ssl.SSLError, ConnectionError):
            return False
    wait_until(free, 10, "a place")
    for s in kept:
        s.close()
    postern.set_option("limits.exempt_networks", "")
    postern.set_option("limits.per_address", "2")
    postern.cli("reload")
    two = [tls_context().wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), 20)) for _ in range(2)]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_context().wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), 20))
    for s in two:
        s.close()


@pytest.mark.slow
def test_a_slow_client_is_sent_away(house):
    """A byte now and then does not keep a connection: the head as a whole has its time."""
    with tls_context().wrap_socket(socket.create_connection(("127.0.0.1", house.port("https")), 60)) as s:
        begun = time.monotonic()
        s.settimeout(1)
        gone = False
        s.sendall(b"GET /api/v1/status HTTP/1.1\r\n")
        while not gone and time.monotonic() - begun < 90:
            try:
                s.sendall(b"X")
                gone = s.recv(1) == b""
            except TimeoutError:
                pass
            except OSError:
                gone = True
        assert gone


def test_the_room_comes_back(house):
    house.kill("httpd")
    wait_until(lambda: WebApi(house).ask("GET", "/openapi.json")[0] == 200, 20, "httpd")
    # What hears the internet is not the provider: the admin socket is another room's.
    assert SocketApi(house).ask("GET", "/status")[0] == 200


def test_certificate_and_name_follow_a_reload(make_postern):
    postern = make_postern().init().start()
    assert status_of(ask_raw(postern)) == 200
    postern.set_option("web.url", "https://panel.example.test")
    postern.cli("reload")
    assert status_of(ask_raw(postern)) == 421
    assert status_of(ask_raw(postern, host=["panel.example.test"])) == 200
