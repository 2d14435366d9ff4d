# SPDX-License-Identifier: Apache-2.0
"""Multidrop (M30): one mailbox collects the mail of a domain, a copy for each recipient that says whose it is."""
import email

import pytest

from harness import Instance, wait_until

PASSWORD = "Correct-horse-1"
BOX = "box@drop.test"
TEXT = (b"From: Ann <a@elsewhere.test>\r\nTo: one@drop.test\r\nCc: two@drop.test\r\nSubject: %s\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: inner\r\n\r\nsecond\r\n--b--\r\n")


@pytest.fixture(scope="module")
def house():
    p = Instance(conf={"rooms.store": 2, "queue.retry_first": "1s"})
    try:
        p.init().start()
        p.add_domain("drop.test")
        p.add_mailbox(BOX, PASSWORD)
        p.add_mailbox("own@drop.test", PASSWORD)
        p.cli("address", "add", "alias@drop.test", "--type", "alias", "--to", BOX)
        p.cli("domain", "set", "drop.test", "--catch-all", BOX, "--multidrop", "on")
        yield p
    except BaseException:
        p.close(check=False)
        raise
    p.close()


def send(p, *addresses, subject=b"x"):
    with p.smtp() as smtp:
        assert smtp.sendmail("a@elsewhere.test", list(addresses), TEXT % subject) == {}


def taken(p, user=BOX):
    """All messages of a mailbox, which is empty then."""
    pop = p.pop3(user, PASSWORD)
    found = []
    for n in range(1, len(pop.list()[1]) + 1):
        found.append(b"\r\n".join(pop.retr(n)[1]) + b"\r\n")
        pop.dele(n)
    pop.quit()
    return found


def whose(message):
    m = email.message_from_bytes(message)
    assert m.get_all("Delivered-To") == m.get_all("X-Original-To")
    return m.get_all("Delivered-To")


def test_each_recipient_has_a_copy_with_its_name(house):
    send(house, "one@drop.test", "two@drop.test", "hidden@drop.test", "alias@drop.test", BOX, "Own@drop.test")
    got = taken(house)
    assert sorted(name for m in got for name in whose(m)) == sorted(
        ["one@drop.test", "two@drop.test", "hidden@drop.test", "alias@drop.test", BOX])
    for m in got:
        name = whose(m)[0].encode()
        assert m.startswith(b"Return-Path: <a@elsewhere.test>\r\nDelivered-To: " + name + b"\r\nX-Original-To: " + name +
                            b"\r\nReceived: ")
        assert m.endswith(TEXT % b"x") and m.count(b"Return-Path:") == 1
    (own,) = taken(house, "own@drop.test")
    assert whose(own) is None


def test_imap_sees_the_copy_as_it_is(house):
    send(house, "parts@drop.test", "other.long.name@drop.test", subject=b"parts")
    imap = house.imap(BOX, PASSWORD)
    imap.select("INBOX")
    for n in (b"1", b"2"):
        def fetch(what):
            return imap.fetch(n, what)[1][0]
        whole = fetch("(BODY.PEEK[])")[1]
        assert b"Delivered-To: " in whole
        assert f"RFC822.SIZE {len(whole)}".encode() in fetch("(RFC822.SIZE)")
        assert fetch("(BODY.PEEK[1])")[1] == b"first"
        assert fetch("(BODY.PEEK[2])")[1] == b"Subject: inner\r\n\r\nsecond"
        assert fetch("(BODY.PEEK[2.TEXT])")[1] == b"second"
        assert fetch("(BODY.PEEK[HEADER.FIELDS (Delivered-To)])")[1].startswith(b"Delivered-To: ")
        header = fetch("(BODY.PEEK[HEADER])")[1]
        assert whole == header + fetch("(BODY.PEEK[TEXT])")[1] and header.endswith(b"\r\n\r\n")
        assert fetch("(BODY.PEEK[]<20.40>)")[1] == whole[20:60]
        assert b'"parts"' in fetch("(ENVELOPE)") and b'"inner"' in fetch("(BODYSTRUCTURE)")
    imap.logout()
    taken(house)


def test_the_same_recipient_twice_is_one_copy(house):
    send(house, "twice@drop.test", "Twice@DROP.test", '"a b"@drop.test')
    assert sorted(whose(m)[0] for m in taken(house)) == ['"a b"@drop.test', "twice@drop.test"]


def test_a_redirect_elsewhere_reaches_each_of_the_domain(house):
    house.add_domain("lists.test")
    house.cli("address", "add", "all@lists.test", "--type", "redirect", "--to", "alias@drop.test", "--to", BOX)
    send(house, "all@lists.test")
    assert sorted(whose(m)[0] for m in taken(house)) == ["alias@drop.test", BOX]


def test_the_mailbox_must_be_there(house):
    house.add_domain("none.test")
    assert "catch-all" in house.refused("domain", "set", "none.test", "--multidrop", "on")
    assert "catch-all" in house.refused("domain", "set", "drop.test", "--catch-all", "none")
    assert house.json("domain", "show", "drop.test")["multidrop"] == "on"


def test_without_it_there_is_one_copy_and_no_line(house):
    house.cli("domain", "set", "drop.test", "--multidrop", "off")
    send(house, "one@drop.test", "hidden@drop.test")
    (m,) = taken(house)
    assert whose(m) is None
    house.cli("domain", "set", "drop.test", "--multidrop", "on")


def test_a_full_mailbox_refuses(house):
    house.add_domain("full.test")
    house.add_mailbox("m@full.test", PASSWORD, "--quota", "1K")
    house.cli("domain", "set", "full.test", "--catch-all", "m@full.test", "--multidrop", "on")
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        assert smtp.rcpt("x@full.test")[0] == 250
        assert smtp.data(TEXT % b"x" + b"y" * 2000)[0] == 452
    assert taken(house, "m@full.test") == []


def test_mail_that_waited_for_the_old_server_is_split_too(house):
    house.add_domain("moved.test", "gateway", "127.0.0.1:1")
    house.add_mailbox("m@moved.test", PASSWORD)
    house.cli("address", "add", "alias@moved.test", "--type", "alias", "--to", "m@moved.test")
    house.cli("domain", "set", "moved.test", "--recipients", "any", "--when-down", "queue", "--catch-all", "m@moved.test",
              "--multidrop", "on")
    send(house, "alias@moved.test", "m@moved.test", subject=b"late")
    house.cli("domain", "switch", "moved.test", "hosted")
    got = []
    wait_until(lambda: got.extend(taken(house, "m@moved.test")) or len(got) >= 2, 60, "queued mail in the mailbox")
    assert sorted(whose(m)[0] for m in got) == ["alias@moved.test", "m@moved.test"]
    for m in got:
        assert m.startswith(b"Return-Path: <a@elsewhere.test>\r\nDelivered-To: ") and m.count(b"Return-Path:") == 1
        assert m.endswith(TEXT % b"late")
