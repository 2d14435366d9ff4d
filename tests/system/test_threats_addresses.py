# SPDX-License-Identifier: Apache-2.0
"""Rows S30 and S31 of docs/THREATS.md: an address is opaque data, and everybody finds the same domain in it."""
import csv
import io

import pytest

from harness import Instance

PASSWORD = "Correct-horse-1"
CODE = [";id;", "$(id)", "../../x", "|cmd", "-oX", "x'/**/UNION/**/SELECT/**/X'00'--", "%s%n%x", "`id`",
        "'; DROP TABLE address; --", "a\\\"b", "/etc/passwd", "{{7*7}}", "<script>"]


@pytest.fixture(scope="module")
def house():
    p = Instance()
    try:
        p.init().start()
        p.add_domain("code.test")
        p.add_domain("inner.test")
        p.add_mailbox("joe@inner.test", PASSWORD)
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


def rcpt(p, address):
    with p.smtp() as smtp:
        smtp.ehlo()
        smtp.command_encoding = "utf-8"
        smtp.docmd("MAIL", "FROM:<a@elsewhere.test>" + ("" if address.isascii() else " SMTPUTF8"))
        code, text = smtp.docmd("RCPT", f"TO:<{address}>")
        return code, text.decode()


def addresses(p, domain):
    return [m["address"] for m in p.json("mailbox", "list", "--domain", domain)["items"]]


@pytest.mark.parametrize("local", CODE)
def test_s30_a_local_part_is_opaque_data(house, local):
    """The same mailbox by API, SMTP and import, and nothing else."""
    written = f'"{local}"@code.test'
    before = addresses(house, "code.test")
    assert rcpt(house, written)[0] == 550
    house.add_mailbox(written, PASSWORD)
    mine = [a for a in addresses(house, "code.test") if a not in before]
    assert len(mine) == 1
    assert rcpt(house, written)[0] == 250
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        assert smtp.docmd("RCPT", f"TO:<{written}>")[0] == 250
        assert smtp.data("Subject: opaque\r\n\r\nx\r\n")[0] == 250
    assert house.json("mailbox", "show", written)["messages"] == 1
    row = '"' + written.replace('"', '""') + '"'
    path = house.write_file("code.csv", f"address,quota\n{row},0\n")
    assert house.json("import", "accounts", path, "--domain", "code.test")["unchanged"] == 1
    path = house.write_file("code.txt", f"x: {written}\n")
    house.cli("import", "aliases", path, "--domain", "code.test")
    assert rcpt(house, "x@code.test")[0] == 250
    house.cli("address", "remove", "x@code.test")
    exported = csv.DictReader(io.StringIO(house.cli("export", "accounts", "code.test")))
    assert mine[0] in [r["address"] for r in exported]
    assert rcpt(house, "joe@inner.test")[0] == 250 and rcpt(house, "id@code.test")[0] == 550


@pytest.mark.parametrize("address", [
    '"joe@inner.test x"@foreign.test',      # the last @ outside quotation marks divides
    '"joe@inner.test"@foreign.test',
    "=?x?q?joe=40inner.test?=@foreign.test",
    "joe%inner.test@foreign.test",
    "joe@inner.test@foreign.test",
    "@inner.test:joe@foreign.test",
    "joe@inner.test(comment)@foreign.test",
    "joe@foreign.test(inner.test)",
])
def test_s31_no_spelling_leads_a_stranger_outside(house, address):
    code, text = rcpt(house, address)
    assert code in (501, 550, 553, 555), text


@pytest.mark.parametrize("address", [
    '"x@gmail.test y"@inner.test', '"joe"@foreign.test"@inner.test', "=?x?q?joe?=@inner.test", "joe(x)@inner.test",
    "=?utf-8?q?joe=40inner.test?=@inner.test", "joe@inner.test ", "joe @inner.test", "joe@inner.test\u3002",
    "joe@xn--inner.test", "joe@xn--.test", "joe@inner\u2024test", "joe@[inner.test]",
])
def test_s31_what_looks_like_an_address_is_not_one(house, address):
    """An encoded word stays what is written; comments, blanks and what is no name are refused; no mail reaches joe."""
    assert rcpt(house, address)[0] in (501, 550, 553, 555)
    done = house.try_cli("mailbox", "show", address)
    assert done.returncode in (1, 2) and "joe@inner.test" not in done.stdout


def test_s31_smtp_api_and_login_find_the_same_domain(house):
    house.add_domain("b\u00fccher.test")
    house.add_mailbox("a@b\u00fccher.test", PASSWORD)
    for domain in ("xn--bcher-kva.test", "B\u00dcCHER.test", "bu\u0308cher.test", "b\u00fccher\u3002test",
                   "\uff42\u00fccher.test"):
        smtp = rcpt(house, f"a@{domain}")[0] == 250
        api = house.try_cli("mailbox", "show", f"a@{domain}").returncode == 0
        assert smtp == api, domain
    for domain in ("xn--bcher-kva.test", "B\u00dcCHER.test"):
        assert rcpt(house, f"a@{domain}")[0] == 250
    # A sender with an address of somebody else's inside quotation marks is not that somebody.
    with house.submission("joe@inner.test", PASSWORD) as smtp:
        for sender in ('"a@xn--bcher-kva.test "@inner.test', '"joe@inner.test"@xn--bcher-kva.test'):
            assert smtp.docmd("MAIL", f"FROM:<{sender}>")[0] in (501, 550, 553)
