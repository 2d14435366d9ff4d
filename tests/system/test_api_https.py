# SPDX-License-Identifier: Apache-2.0
"""The administration's API over HTTPS: logins, sessions, tokens (H14), where a request says it went (H13), slow and many
clients, the redirect from HTTP."""
import concurrent.futures
import json
import os
import re
import socket
import ssl
import subprocess
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
    shared_postern.cli("admin", "add", "carol", "--customer", "acme", "--recovery", "carol@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
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
    house.cli("admin", "add", "temp", "--customer", "acme", "--recovery", "temp@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
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
                try:
                    with open(os.path.join(top, name), "rb") as f:
                        data = f.read()
                except FileNotFoundError:   # a file that is gone is nowhere
                    continue
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
    said = ask_raw(house, host=["evil"], headers=["Accept-Language: de"])
    assert "Content-Language: de" in said and '"title":"Name eines anderen Servers"' in said and "wird hier nicht bedient" in said, said
    assert "\"title\":\"Another server's name\"" in ask_raw(house, host=["evil"])
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


# -- the address of the panel before -------------------------------------------------------

OLD = ["panel.old.test", "hosting.old.test"]


def fields(answer):
    return dict(line.split(": ", 1) for line in answer.split("\r\n\r\n")[0].split("\r\n")[1:])


def test_old_names_lead_to_the_configured_url(make_postern):
    postern = make_postern().init().start()
    url = f"https://{postern.host}:{postern.port('https')}/"
    assert status_of(ask_raw(postern, "/", host=OLD[:1])) == 421
    postern.set_option("web.old_names", " ".join(OLD))
    postern.cli("reload")
    ours = fields(ask_raw(postern))
    for host in (*OLD, OLD[0].upper(), OLD[0] + ":443"):
        for method in ("GET", "HEAD"):
            answer = ask_raw(postern, "/cgi/login?next=//evil/", host=[host], method=method)
            got = fields(answer)
            assert status_of(answer) == 308 and got["Location"] == url, answer
            assert "old.test" not in answer.lower() and "evil" not in answer and got["Cache-Control"] == "max-age=300"
            for name in ("Strict-Transport-Security", "Content-Security-Policy", "X-Frame-Options", "Referrer-Policy",
                         "X-Content-Type-Options"):
                assert got[name] == ours[name], name
    # Nothing that holds a password or a token is sent on.
    for target in ("/api", "/api/", "/api?x", "/api/v1/openapi.json", "/api/v1/session"):
        assert status_of(ask_raw(postern, target, host=OLD[:1])) == 421, target
    assert status_of(ask_raw(postern, "/", host=OLD[:1], method="POST", headers=["Content-Length: 0"])) == 421
    assert status_of(ask_raw(postern, "/", host=OLD[:1], headers=["Authorization: Bearer x"])) == 421
    # All else is what it is under any name.
    for host in (["evil"], ["x." + OLD[0]], [OLD[0] + ".evil"], [OLD[0] + "."]):
        assert status_of(ask_raw(postern, "/", host=host)) == 421, host
    for host in (OLD, [OLD[0], OLD[0]], [postern.host, OLD[0]], [OLD[0] + ":@evil"], ["evil@" + OLD[0]], [OLD[0] + ", evil"]):
        assert status_of(ask_raw(postern, "/", host=host)) == 400, host
    for header in ("X-Forwarded-Host: evil", "Forwarded: host=evil"):
        assert status_of(ask_raw(postern, "/", host=OLD[:1], headers=[header])) == 400
    for target in (f"https://{OLD[0]}/", "//evil/"):
        assert status_of(ask_raw(postern, target, host=OLD[:1])) == 400, target
    postern.set_option("web.old_names", "")
    postern.cli("reload")
    assert status_of(ask_raw(postern, "/", host=OLD[:1])) == 421


def test_old_names_in_clear(make_postern):
    postern = make_postern(conf={"web.old_names": OLD[0]}).init().start()
    url = f"https://{postern.host}:{postern.port('https')}/"

    def clear(target, host):
        with socket.create_connection(("127.0.0.1", postern.port("http")), 20) as s:
            s.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            got = b""
            while chunk := s.recv(65536):
                got += chunk
        return got.decode()
    answer = clear("/cgi/login", OLD[0])
    assert status_of(answer) == 308 and fields(answer)["Location"] == url and "old.test" not in answer
    assert status_of(clear("/api/v1/status", OLD[0])) == 421
    for host in (OLD[1], postern.host, OLD[0] + ":@evil"):
        assert fields(clear("/cgi/login", host))["Location"] == url + "cgi/login"


def test_one_certificate_for_several_names(make_postern):
    """What tls.certificate holds is given whole: browsers find each name in it, the old ones too."""
    postern = make_postern(conf={"web.old_names": " ".join(OLD)}).init()
    cert, key = (os.path.join(postern.dir, "tls", name) for name in ("cert.pem", "key.pem"))
    names = ",".join("DNS:" + name for name in [postern.host, *OLD])
    made = [path + ".new" for path in (cert, key)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=" + postern.host, "-addext", "subjectAltName=" + names, "-out", made[0], "-keyout", made[1]],
                   check=True, capture_output=True)
    for new, path in zip(made, (cert, key)):
        with open(new, "rb") as source, open(path, "r+b") as target:  # owner and mode stay
            target.truncate()
            target.write(source.read())
    postern.start()
    context = ssl.create_default_context(cafile=made[0])
    for name, status in ((postern.host, 404), (OLD[0], 308), (OLD[1], 308)):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), 20), server_hostname=name) as s:
            s.sendall(f"GET /x HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            assert s.recv(100).startswith(f"HTTP/1.1 {status} ".encode()), name
    with pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(socket.create_connection(("127.0.0.1", postern.port("https")), 20), server_hostname="other.old.test")


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
    wait_until(lambda: postern.room("httpd")["counters"]["connections.open"] == 0, 20, "none that is left")
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


# -- revisions, bulk, the description, the audit ----------------------------------------


def test_lost_updates(house):
    """Of two who read the same and write, the second is told."""
    one, two = WebApi(house).login("paula", PASSWORD), WebApi(house).login("carol", PASSWORD)
    house.add_mailbox("shared@example.test", PASSWORD)
    path = "/mailboxes/shared@example.test"
    seen = one.ask("GET", path)[1]["ETag"]
    assert two.ask("GET", path)[1]["ETag"] == seen
    status, headers, _ = one.ask("PATCH", path, {"name": "One"}, {"If-Match": seen})
    assert status == 200 and headers["ETag"] != seen
    for method, body in (("PATCH", {"name": "Two"}), ("DELETE", None)):
        status, _, problem = two.ask(method, path, body, {"If-Match": seen})
        assert status == 412 and problem["status"] == 412
    assert two.ask("GET", path)[2]["name"] == "One"
    assert two.ask("PATCH", path, {"name": "Two"}, {"If-Match": f'"x", {headers["ETag"]}'})[0] == 200
    assert two.ask("PATCH", path, {"name": "Three"}, {"If-Match": "*"})[0] == 200
    assert two.ask("PATCH", path, {"name": "Four"})[0] == 200
    # A change that came by another way counts as well.
    seen = one.ask("GET", path)[1]["ETag"]
    house.cli("mailbox", "password", "shared@example.test", "--password-stdin", stdin=OTHER + "\n")
    assert one.ask("PATCH", path, {"name": "Five"}, {"If-Match": seen})[0] == 412
    assert one.ask("POST", "/queue/flush", {}, {"If-Match": seen})[0] == 501
    for path in ("/customers/acme", "/domains/example.test", "/admins/carol"):
        assert re.fullmatch('"[0-9a-f]{32}"', one.ask("GET", path)[1]["ETag"]), path


def test_lost_updates_in_parallel(house):
    """Eight write what they read at once: one wins each round."""
    house.add_mailbox("race@example.test", PASSWORD)
    path = "/mailboxes/race@example.test"
    clients = [WebApi(house).login("paula", PASSWORD) for _ in range(8)]
    for _ in range(3):
        seen = clients[0].ask("GET", path)[1]["ETag"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda i: clients[i].ask("PATCH", path, {"quota": f"{i + 1}G", "name": f"{seen}{i}"},
                                                          {"If-Match": seen})[0], range(8)))
        assert done.count(200) == 1 and set(done) == {200, 412}


def test_bulk(house):
    api = WebApi(house).login("carol", PASSWORD)
    for name in ("b1", "b2", "b3"):
        house.add_mailbox(f"{name}@example.test", PASSWORD)
    items = [{"operation": "mailbox.set", "address": "b1@example.test", "name": "First"},
             {"operation": "mailbox.set", "address": "nobody@example.test", "name": "x"},
             {"operation": "mailbox.set", "address": "b2@example.test", "send_any": True},
             {"operation": "mailbox.set", "address": "b2@example.test", "quota": "lots"},
             {"operation": "mailbox.set", "address": "x@elsewhere.test", "name": "x"},
             {"operation": "mailbox.show", "address": "b1@example.test"},
             {"operation": "reload"},
             {"operation": "mailbox.set", "address": "b1@example.test", "name": "x", "if_match": '"old"'},
             {"operation": "address.add", "address": "alias-b@example.test", "type": "alias", "to": ["b3@example.test"]},
             {"operation": "mailbox.set", "address": "b3@example.test", "name": "Last"}]
    status, _, body = api.ask("POST", "/bulk", {"items": items})
    assert status == 200, body
    assert [i["status"] for i in body["items"]] == [200, 404, 403, 422, 404, 422, 422, 412, 201, 200]
    assert (body["done"], body["failed"]) == (3, 7)
    assert body["items"][0]["result"]["name"] == "First"
    assert [i["problem"].get("field") for i in body["items"][1:6]] == ["address", "send_any", "quota", "address", "operation"]
    assert api.ask("GET", "/mailboxes/b3@example.test")[2]["name"] == "Last"
    assert api.ask("GET", "/mailboxes/b1@example.test")[2]["name"] == "First"
    for bad in ({"items": []}, {"items": 1}, {}, {"items": [{}], "x": 1}, {"items": [{}] * 1001}):
        assert api.ask("POST", "/bulk", bad)[0] in (400, 413, 422), bad
    answers = api.ask("POST", "/bulk", {"items": [items[3], items[6]]}, {"Accept-Language": "de"})[2]["items"]
    assert [(i["problem"]["field"], i["problem"]["value"]) for i in answers] == [("quota", "lots"), ("operation", "reload")]
    assert answers[1]["problem"]["rule"] == "der Name einer Operation, die etwas ändert und keine Datei nimmt"
    assert "ein JSON-Objekt mit items" in api.ask("POST", "/bulk", {"items": 1}, {"Accept-Language": "de"})[2]["detail"]
    said = api.ask("POST", "/domains", "{bad", {"Accept-Language": "de", "Content-Type": "application/json"})[2]
    assert said["detail"].startswith("erwartet wird ein JSON-Objekt; ")
    status, _, body = WebApi(house).ask("POST", "/bulk", {"items": items[:2]})
    assert [i["status"] for i in body["items"]] == [401, 401]


def test_bulk_from_the_command_line(house):
    house.add_mailbox("c1@example.test", PASSWORD)
    lines = ['{"operation": "mailbox.set", "address": "c1@example.test", "name": "%d"}' % i for i in range(1200)]
    lines.insert(1100, '{"operation": "mailbox.set", "address": "c0@example.test", "name": "x"}')
    done = house.try_cli("bulk", house.write_file("bulk.jsonl", "# a comment\n" + "\n".join(lines) + "\n"))
    assert done.returncode == 1 and "1200 done, 1 refused" in done.stdout
    assert "line 1102: " in done.stderr and "c0@example.test" in done.stderr
    assert house.json("mailbox", "show", "c1@example.test")["name"] == "1199"
    assert "line 1: " in house.refused("bulk", house.write_file("bad.jsonl", "nonsense\n"))
    # A line that is no operation is found before the first one is done, wherever it stands; all of them are told.
    said = house.refused("bulk", house.write_file("bad.jsonl", "\n".join([*lines, "[]", lines[5], "{"]) + "\n"))
    assert "line 1202: " in said and "line 1204: " in said and "nothing was changed" in said
    house.cli("mailbox", "set", "c1@example.test", "--name", "kept")
    house.refused("bulk", house.write_file("bad.jsonl", "\n".join([*lines, "nonsense"]) + "\n"))
    assert house.json("mailbox", "show", "c1@example.test")["name"] == "kept"
    said = house.try_cli("--lang", "de", "bulk", house.write_file("one.jsonl", lines[1100] + "\n")).stderr
    assert said.startswith("  Zeile 1: ") and "c0@example.test" in said


def test_the_description(house):
    """OpenAPI 3.1 from the table: every reference leads somewhere, every operation has its refusals."""
    document = WebApi(house).ask("GET", "/openapi.json")[2]
    assert document["openapi"].startswith("3.1.") and document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        at = document
        for part in reference.split("/"):
            at = at[part]
    for path, item in document["paths"].items():
        for method, op in item.items():
            assert "default" in op["responses"] and any(k.startswith("2") for k in op["responses"]), op
            names = set(re.findall(r"{(\w+)}", path))
            assert names == {p["name"] for p in op.get("parameters", []) if p["in"] == "path"}
    assert document["paths"]["/api/v1/session"]["post"]["security"] == []
    assert "412" in document["paths"]["/api/v1/mailboxes/{address}"]["patch"]["responses"]
    assert "/api/v1/bulk" in document["paths"]


def test_audit(house):
    """Who did what to whom, when, from where; each sees what his ranks cover."""
    paula, carol = WebApi(house).login("paula", PASSWORD), WebApi(house).login("carol", PASSWORD)
    house.add_domain("other.test", customer="other")
    house.cli("admin", "add", "dora", "--domain", "example.test", "--recovery", "dora@outside.test", "--password-stdin", stdin=PASSWORD + "\n")
    dora = WebApi(house).login("dora", PASSWORD)
    assert carol.ask("POST", "/mailboxes", {"address": "audited@example.test", "password": PASSWORD})[0] == 201
    row = carol.ask("GET", "/audit?object=audited@example.test")[2]["items"][0]
    assert (row["actor"], row["operation"], row["remote"]) == ("carol", "mailbox.add", "127.0.0.1")
    assert abs(row["at_ms"] / 1000 - house.now()) < 3600 and PASSWORD not in row["detail"]
    house.cli("mailbox", "add", "eve@other.test")
    assert paula.ask("GET", "/audit?object=eve@other.test")[2]["items"][0]["actor"] == "provider"
    assert carol.ask("GET", "/audit?object=eve@other.test")[2]["items"] == []
    assert carol.ask("GET", "/audit?domain=other.test")[0] == 404
    assert {r["operation"].split(".")[0] for r in dora.ask("GET", "/audit?operation=mailbox")[2]["items"]} == {"mailbox"}
    assert dora.ask("GET", "/audit?object=audited@example.test")[2]["items"]
    # Page by page, the latest first, none twice.
    rows, after = [], ""
    while after is not None:
        page = carol.ask("GET", "/audit?limit=3" + (f"&after={after}" if after else ""))[2]
        rows, after = rows + page["items"], page["next"]
    assert len(rows) > 3 and [r["at_ms"] for r in rows] == sorted((r["at_ms"] for r in rows), reverse=True)
    assert WebApi(house).login("joe@example.test", PASSWORD).ask("GET", "/audit")[0] == 403
    assert "audited@example.test" in house.cli("audit", "list", "--actor", "carol", "--days", "1")
    # A login is one, too.
    assert paula.ask("GET", "/audit?operation=session.add&actor=dora")[2]["items"][0]["object"] == "dora"


def test_a_look_at_candidates_is_in_the_audit(house):
    house.cli("domain", "set", "example.test", "--candidates", "on")
    carol = WebApi(house).login("carol", PASSWORD)
    assert carol.ask("GET", "/audit?operation=candidate")[2]["items"] == []
    path = next(p for p, item in carol.ask("GET", "/openapi.json")[2]["paths"].items()
                if item.get("get", {}).get("operationId") == "candidate.list").removeprefix("/api/v1")
    path = path.replace("{domain}", "example.test")
    assert carol.ask("GET", path if "example" in path else path + "?domain=example.test")[0] == 200
    row = carol.ask("GET", "/audit?operation=candidate")[2]["items"][0]
    assert (row["actor"], row["operation"]) == ("carol", "candidate.list")


# -- what was stored comes back as data: H20 ------------------------------------------------

CODE = ["' OR '1'='1", "x'; DROP TABLE account; --", "{{7*7}}", "${7*7}", "$(id)", "`id`", "%s%n%x", "=cmd()", "<script>x</script>",
        '"; --', "\\", "{customer}", "\u202eevil", "a" * 256]


def test_stored_text_is_only_text(house):
    """H20: names that are code in some language are stored, listed, exported, sorted, and used by every job as they are."""
    api = WebApi(house).login("paula", PASSWORD)
    for i, code in enumerate(CODE):
        address = f"code{i}@example.test"
        assert api.ask("POST", "/mailboxes", {"address": address, "name": code})[0] == 201, code
        assert api.ask("POST", "/tokens", {"name": code[:100], "login": "carol"})[0] == 201
        status, _, body = api.ask("POST", "/admins", {"login": f"code{i}", "customer": "acme", "name": code,
                                                       "recovery": "code@outside.test"})
        assert status == 201 and body["name"] == code
        assert api.ask("GET", f"/audit?object={address}")[2]["items"][0]["detail"].count(code) == 1
        for path in ("/mailboxes", "/admins", "/audit", "/domains", "/customers"):
            status, _, body = api.ask("GET", path + "?after=" + "".join(f"%{b:02x}" for b in code.encode()))
            assert status in (200, 422), (path, code, body)
    house.cli("timer", "run")
    found = {m["name"] for m in api.ask("GET", "/mailboxes?domain=example.test&limit=1000")[2]["items"]}
    assert found >= set(CODE) and "49" not in found
    assert {t["name"] for t in api.ask("GET", "/tokens?login=carol")[2]["items"]} >= {c[:100] for c in CODE}
    for bad in ("a\nb", "a\rb", "a\x00b", "a\x1b[31m"):
        status, _, body = api.ask("POST", "/mailboxes", {"address": "bad@example.test", "name": bad})
        assert status in (400, 422) and body.get("field") in ("name", None), body
    assert house.cli("mailbox", "list", "--domain", "example.test")
    assert house.try_cli("doctor").returncode in (0, 1)
    assert api.ask("GET", "/overview")[0] == 200
