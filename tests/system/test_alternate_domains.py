# SPDX-License-Identifier: Apache-2.0
"""Other names of a domain (M24): the alternate name inside the provider's domain, and alias domains. Mail arrives as if it
had been sent to the real address, logins and senders hold, and no name leads to two domains or in a circle."""
import imaplib
import smtplib

import pytest

from harness import Instance, wait_until

PASSWORD = "Correct-horse-1"
BASE = "provider.example"


@pytest.fixture(scope="module")
def house():
    p = Instance(conf={"domain.alternate_base": BASE})
    try:
        p.init().start()
        p.add_domain("mydomain.zz")
        p.add_mailbox("paul@mydomain.zz", PASSWORD)
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


def send(p, address, subject="x"):
    with p.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [address], f"Subject: {subject}\r\n\r\nbody\r\n")


def rcpt(p, address):
    with p.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        return smtp.docmd(f"RCPT TO:<{address}>")[0]


def subjects(p, user):
    found = []
    for message in p.mail(user, PASSWORD):
        found += [line[9:].decode() for line in message.split(b"\r\n") if line.startswith(b"Subject: ")]
    return found


def test_mail_to_the_alternate_name_arrives_as_to_the_real_one(house):
    shown = house.json("domain", "show", "mydomain.zz")
    assert shown["alternate"] == f"mydomainzz.{BASE}" and shown["aliases"] == []
    send(house, f"paul@mydomainzz.{BASE}", "by the other name")
    send(house, f"Paul+x@MyDomainZZ.{BASE.upper()}", "with a detail")
    assert subjects(house, "paul@mydomain.zz") == ["by the other name", "with a detail"]
    assert rcpt(house, f"nobody@mydomainzz.{BASE}") == 550
    assert rcpt(house, f"paul@other.{BASE}") == 550
    assert rcpt(house, f"paul@a.mydomainzz.{BASE}") == 550
    # Lists and panels show the real name, by whichever name one asks.
    assert house.json("domain", "show", f"mydomainzz.{BASE}")["domain"] == "mydomain.zz"
    assert house.json("mailbox", "show", f"paul@mydomainzz.{BASE}")["address"] == "paul@mydomain.zz"
    assert [d["domain"] for d in house.json("domain", "list")["items"] if "mydomain" in d["domain"]] == ["mydomain.zz"]


def test_login_and_sending_under_the_alternate_name(house):
    house.imap(f"paul@mydomainzz.{BASE}", PASSWORD).logout()
    text = f"From: paul@mydomainzz.{BASE}\r\nTo: paul@mydomain.zz\r\nSubject: mine\r\n\r\nx\r\n"
    with house.submission(f"paul@mydomainzz.{BASE}", PASSWORD) as smtp:
        smtp.sendmail(f"paul@mydomainzz.{BASE}", ["paul@mydomain.zz"], text)
        with pytest.raises((smtplib.SMTPSenderRefused, smtplib.SMTPResponseException)):
            smtp.sendmail(f"ringo@mydomainzz.{BASE}", ["paul@mydomain.zz"], text.replace("paul", "ringo", 1))
    assert "mine" in subjects(house, "paul@mydomain.zz")


def test_collisions_get_names_of_their_own(house):
    for name in ("my.domainzz.test", "mydomain.zztest", "mydomainzz.test"):
        house.add_domain(name)
    given = [house.json("domain", "show", name)["alternate"] for name in
             ("my.domainzz.test", "mydomain.zztest", "mydomainzz.test")]
    assert given == [f"mydomainzztest.{BASE}", f"mydomainzztest-2.{BASE}", f"mydomainzztest-3.{BASE}"]
    house.add_domain("münchen.test")
    assert house.json("domain", "show", "xn--mnchen-3ya.test")["alternate"] == f"xn-mnchen-3yatest.{BASE}"
    house.add_domain("x" * 60 + "." + "y" * 60 + ".test")
    long = house.json("domain", "show", "x" * 60 + "." + "y" * 60 + ".test")["alternate"]
    assert len(long.split(".")[0]) <= 63
    house.add_mailbox("joe@münchen.test", PASSWORD)
    assert rcpt(house, f"joe@xn-mnchen-3yatest.{BASE}") == 250


def test_nobody_takes_a_name_below_the_base(house):
    house.add_customer("greedy")
    error = house.refused("domain", "add", f"evil.{BASE}", "--customer", "greedy", "--mode", "hosted")
    assert f"names below {BASE}" in error
    error = house.refused("domain", "add", f"mydomainzz.{BASE}", "--customer", "greedy", "--mode", "hosted")
    assert "another name of mydomain.zz" in error
    assert "goes with it" in house.refused("domain", "remove", f"mydomainzz.{BASE}")
    assert rcpt(house, "paul@mydomain.zz") == 250


def test_the_base_may_change_and_go(make_postern):
    p = make_postern(conf={"domain.alternate_base": BASE}).init().start()
    p.add_domain("mydomain.zz")
    p.add_mailbox("paul@mydomain.zz", PASSWORD)
    p.set_option("domain.alternate_base", "other.example")
    p.cli("reload")
    assert p.json("domain", "show", "mydomain.zz")["alternate"] == "mydomainzz.other.example"
    assert rcpt(p, "paul@mydomainzz.other.example") == 250 and rcpt(p, f"paul@mydomainzz.{BASE}") == 550
    p.set_option("domain.alternate_base", "")
    p.cli("reload")
    assert p.json("domain", "show", "mydomain.zz")["alternate"] == ""
    assert rcpt(p, "paul@mydomainzz.other.example") == 550


def test_a_forwarded_domain_gets_it_under_the_real_name(make_postern, make_old_server):
    old = make_old_server({"joe@example.test": "Joe-old-secret-1"}).start()
    p = make_postern(conf={"domain.alternate_base": BASE}).init().start()
    p.add_domain("example.test", "gateway", f"127.0.0.1:{old.ports['smtp']}")
    send(p, f"joe@exampletest.{BASE}", "through the gate")
    assert rcpt(p, f"nobody@exampletest.{BASE}") == 550

    def arrived():
        imap = imaplib.IMAP4("127.0.0.1", old.ports["imap"])
        imap.login("joe@example.test", "Joe-old-secret-1")
        imap.select()
        numbers = imap.search(None, "SUBJECT", '"through the gate"')[1][0].split()
        return numbers and imap.fetch(numbers[0], "(BODY.PEEK[HEADER])")[1][0][1]
    header = wait_until(arrived, 20, "the mail at the old server")
    assert b"joe@example.test" in header


def test_an_alias_domain_is_another_name(house):
    house.cli("domain", "add", "mydomain.alias", "--alias-of", "mydomain.zz")
    assert house.json("domain", "show", "mydomain.zz")["aliases"] == ["mydomain.alias"]
    send(house, "paul@mydomain.alias", "by alias")
    assert "by alias" in subjects(house, "paul@mydomain.zz")
    house.imap("paul@mydomain.alias", PASSWORD).logout()
    text = "From: paul@mydomain.alias\r\nSubject: from the alias\r\n\r\nx\r\n"
    with house.submission("paul@mydomain.alias", PASSWORD) as smtp:
        smtp.sendmail("paul@mydomain.alias", ["paul@mydomain.alias"], text)
    assert "from the alias" in subjects(house, "paul@mydomain.zz")
    # One address, whichever name it is written with.
    house.cli("address", "add", "info@mydomain.alias", "--type", "alias", "--to", "paul@mydomain.alias")
    found = house.json("address", "list", "--domain", "mydomain.alias")["items"]
    assert [(a["address"], a["to"]) for a in found] == [("info@mydomain.zz", ["paul@mydomain.zz"])]
    assert "info@mydomain.zz" in house.refused("mailbox", "remove", "paul@mydomain.alias")


@pytest.mark.parametrize("name, of, text", [
    ("mydomain.zz", "mydomain.zz", "exists already"),
    ("second.alias", "first.alias", "first.alias is only another name itself"),
    ("first.alias", "loop.test", "another name of mydomain.zz already"),
    (f"x.{BASE}", "mydomain.zz", "names below"),
    ("loop.test", "mydomain.zz", "exists already"),
    ("new.alias", f"mydomainzz.{BASE}", "only another name itself"),
    ("new.alias", "nowhere.test", "there is no domain nowhere.test"),
])
def test_conflicts_and_circles_are_refused(house, name, of, text):
    if "loop.test" not in [d["domain"] for d in house.json("domain", "list")["items"]]:
        house.add_domain("loop.test")
        house.cli("domain", "add", "first.alias", "--alias-of", "mydomain.zz")
    assert text in house.refused("domain", "add", name, "--alias-of", of)
    assert "another name" in house.refused("domain", "add", "first.alias", "--customer", "acme", "--mode", "hosted")


def test_an_alias_domain_goes_alone(house):
    house.add_domain("real.test")
    house.cli("domain", "add", "second.test", "--alias-of", "real.test")
    assert "nothing of its own" in house.refused("domain", "add", "third.test", "--alias-of", "real.test", "--mode",
                                                 "hosted")
    assert "second.test is another name" in house.refused("domain", "remove", "real.test")
    house.cli("domain", "remove", "second.test")
    assert "there is no domain second.test" in house.refused("domain", "show", "second.test")
    house.cli("domain", "remove", "real.test")
