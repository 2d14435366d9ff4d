# SPDX-License-Identifier: Apache-2.0
"""The web under the alternate name of a domain (M24): the API and the password pages open there as under the configured name,
as long as directory knows the name; links never name it (H13), and every other name gets 421."""
import concurrent.futures
import email
import email.policy
import os
import re
import socket
import ssl
import subprocess
import urllib.parse

import pytest

from harness import Instance, wait_until
from harness.api import WebApi
from harness.instance import tls_context

PASSWORD, BASE, OLD = "Correct-horse-1", "provider.example", "panel.old.test"
NAME = f"mydomainzz.{BASE}"
API = "/api/v1/openapi.json"


@pytest.fixture(scope="module")
def house():
    p = Instance(conf={"domain.alternate_base": BASE, "web.old_names": OLD})
    try:
        p.init().start()
        p.add_domain("mydomain.zz")
        p.add_mailbox("paul@mydomain.zz", PASSWORD)
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


class NamedApi(WebApi):
    """As a browser that was told another name: for SNI and Host."""

    def __init__(self, instance, name, token=None, context=None):
        super().__init__(instance, token)
        self.host = name
        self._context = context or self._context


def raw(p, target=API, hosts=(NAME,), headers=(), method="GET"):
    lines = [f"{method} {target} HTTP/1.1", *(f"Host: {h}" for h in hosts), *headers, "Connection: close", "", ""]
    with tls_context().wrap_socket(socket.create_connection(("127.0.0.1", p.port("https")), 60)) as s:
        s.sendall("\r\n".join(lines).encode())
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    return got.decode()


def code(answer):
    return int(answer.split()[1])


def test_the_panel_opens_under_the_alternate_name(house):
    for host in (NAME, NAME.upper(), NAME + ":443", f"{NAME}:{house.port('https')}"):
        assert code(raw(house, hosts=[host])) == 200, host
    assert code(raw(house, "/password")) == 200
    api = NamedApi(house, NAME).login(f"paul@{NAME}", PASSWORD)
    status, _, body = api.ask("GET", f"/mailboxes/paul@{NAME}")
    assert status == 200 and body["address"] == "paul@mydomain.zz"
    assert api.ask("GET", "/session")[0] == 200             # the same connection again
    # What is refused there is refused here.
    assert NamedApi(house, NAME).ask("GET", "/mailboxes/paul@mydomain.zz")[0] == 401
    assert api.ask("GET", "/nothing")[0] == 404
    assert api.ask("POST", "/customers", {"customer": "mine"})[0] == 403
    big = raw(house, "/api/v1/session", headers=["Content-Type: application/json", "Content-Length: 99999999"], method="POST")
    assert code(big) == 413


def test_all_other_names_are_refused(house):
    house.cli("domain", "add", "mydomain.alias", "--alias-of", "mydomain.zz")
    for host in ("evil", BASE, f"other.{BASE}", f"a.{NAME}", NAME + ".evil", NAME + ".", "mydomain.zz", "mydomain.alias",
                 "mydomainzz", f"x{NAME}", "[::1]", "127.0.0.1", "a" * 250):
        assert code(raw(house, hosts=[host])) == 421, host
        assert code(raw(house, "/password", hosts=[host])) == 421, host
    for hosts in ([NAME, NAME], [house.host, NAME], [NAME, "evil"], [NAME + ":@evil"], ["evil@" + NAME], [NAME + ", evil"],
                  ["-" * 300]):
        assert code(raw(house, hosts=hosts)) == 400, hosts
    for header in ("X-Forwarded-Host: evil", "Forwarded: host=evil"):
        assert code(raw(house, headers=[header])) == 400
    assert code(raw(house, f"https://{NAME}{API}")) == 400
    body = b'{"login": "paul@mydomain.zz", "password": "' + PASSWORD.encode() + b'"}'
    with tls_context().wrap_socket(socket.create_connection(("127.0.0.1", house.port("https")), 60)) as s:
        s.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: evil\r\nContent-Type: application/json\r\nContent-Length: "
                  + str(len(body)).encode() + b"\r\n\r\n" + body)
        assert s.recv(65536).startswith(b"HTTP/1.1 421 ")
    answer = raw(house, "/x", hosts=[OLD])
    assert code(answer) == 308 and f"Location: https://{house.host}:{house.port('https')}/\r\n" in answer


def test_names_come_and_go_with_their_domain(house):
    other = f"cometest.{BASE}"
    assert code(raw(house, hosts=[other])) == 421
    house.add_domain("come.test")
    assert code(raw(house, hosts=[other])) == 200
    house.cli("domain", "remove", "come.test")
    assert code(raw(house, hosts=[other])) == 421
    try:
        house.set_option("domain.alternate_base", "new.example")
        house.cli("reload")
        assert code(raw(house)) == 421 and code(raw(house, hosts=["mydomainzz.new.example"])) == 200
        house.set_option("domain.alternate_base", "")
        house.cli("reload")
        assert code(raw(house)) == 421
    finally:
        house.set_option("domain.alternate_base", BASE)
        house.cli("reload")
    assert code(raw(house)) == 200


def test_links_name_the_configured_host(house):
    """H13: asked for under the alternate name, a link leads to web.url."""
    house.cli("mailbox", "set", "paul@mydomain.zz", "--recovery", "outside@mydomain.zz")
    house.add_mailbox("outside@mydomain.zz", PASSWORD)
    form = urllib.parse.urlencode({"do": "forgot", "forgot_user": "paul@mydomain.zz"})
    api = NamedApi(house, NAME)
    api.request("POST", "/password", form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert api.getresponse().status == 200
    (letter,) = wait_until(lambda: house.mail("outside@mydomain.zz", PASSWORD), 20, "the link")
    text = email.message_from_bytes(letter, policy=email.policy.default).get_body(("plain",)).get_content()
    (url,) = re.findall(r"https://\S+", text)
    assert url.startswith(f"https://{house.host}:{house.port('https')}/password/") and NAME not in text
    assert NAME not in raw(house, urllib.parse.urlparse(url).path)      # the page has no absolute address either


def test_many_at_once_and_a_directory_that_dies(house):
    """Requests that wait for directory's word are answered rightly, each with its own."""
    hosts = [NAME, "evil", f"other.{BASE}", house.host] * 10
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda h: code(raw(house, hosts=[h])), hosts))
        assert codes == [200, 421, 421, 200] * 10
        asked = [pool.submit(lambda h: code(raw(house, hosts=[h])), h) for h in hosts]
        house.kill("directory", wait=False)
        codes = [x.result() for x in asked]
    assert all(got in ((200, 503) if host in (NAME, house.host) else (421, 503)) for got, host in zip(codes, hosts)), codes
    wait_until(lambda: code(raw(house)) == 200, 20, "directory again")


def test_a_wildcard_certificate_covers_them(make_postern):
    p = make_postern(conf={"domain.alternate_base": BASE}).init()
    cert, key = (os.path.join(p.dir, "tls", name) for name in ("cert.pem", "key.pem"))
    assert f"does not name *.{BASE}" in p.try_cli("doctor").stdout
    made = [path + ".new" for path in (cert, key)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=" + p.host, "-addext", f"subjectAltName=DNS:{p.host},DNS:*.{BASE}", "-out", made[0],
                    "-keyout", made[1]], check=True, capture_output=True)
    for new, path in zip(made, (cert, key)):
        with open(new, "rb") as source, open(path, "r+b") as target:  # owner and mode stay
            target.truncate()
            target.write(source.read())
    p.start()
    p.add_domain("mydomain.zz")
    assert "does not name" not in p.try_cli("doctor").stdout
    context = ssl.create_default_context(cafile=made[0])
    for name in (p.host, NAME):
        assert NamedApi(p, name, context=context).ask("GET", "/openapi.json")[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        NamedApi(p, f"a.{NAME}", context=context).ask("GET", "/openapi.json")
