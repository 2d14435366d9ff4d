# SPDX-License-Identifier: Apache-2.0
"""What a mail program shows to its user: refusals in the language of whoever is logged in; codes stay. In ASCII, but for
ManageSieve, whose strings are UTF-8."""
import imaplib
import poplib

import pytest
from peers.managesieve import ManageSieve

PASSWORD = "Correct-Horse-7-Battery"
ANNA, JOE, FULL = "anna@zunge.test", "joe@zunge.test", "voll@zunge.test"


@pytest.fixture(scope="module")
def house(shared_postern):
    p = shared_postern
    p.cli("customer", "add", "zunge", "--language", "de")
    p.customers.add("zunge")
    p.add_domain("zunge.test", customer="zunge")
    p.add_mailbox(ANNA, PASSWORD)
    p.add_mailbox(JOE, PASSWORD, "--language", "en")
    p.add_mailbox(FULL, PASSWORD, "--quota", "1")
    p.cli("domain", "set", "zunge.test", "--over-quota", "refuse")
    p.cli("address", "add", "weg@zunge.test", "--type", "banished")
    return p


def refusals(smtp, who):
    """To whom and as whom mail may not be sent: command -> (code, text)."""
    smtp.ehlo()
    said = {"size": smtp.docmd("MAIL", f"FROM:<{who}> SIZE=999999999"), "sender": smtp.mail("boss@elsewhere.test")}
    assert smtp.mail(who)[0] == 250
    for name, to in (("nobody", "nobody@zunge.test"), ("banished", "weg@zunge.test")):
        said[name] = smtp.rcpt(to)
    assert smtp.rcpt(JOE)[0] == 250
    said["author"] = smtp.data("From: boss@elsewhere.test\r\nTo: joe@zunge.test\r\nSubject: x\r\n\r\nx\r\n")
    smtp.rset()
    assert smtp.mail(who)[0] == 250
    said["full"] = smtp.rcpt(FULL)
    if said["full"][0] == 250:
        said["full"] = smtp.data(f"From: {who}\r\nSubject: x\r\n\r\nx\r\n")
    smtp.rset()
    return {name: (code, text.decode("ascii")) for name, (code, text) in said.items()}


GERMAN = {"size": "5.3.4 Die Nachricht ist groesser, als dieser Server annimmt",
          "sender": "5.7.1 Als <boss@elsewhere.test> duerfen Sie nicht senden",
          "nobody": "5.1.1 Diesen Empfaenger gibt es hier nicht", "banished": "5.7.1 Diese Adresse nimmt keine Post an",
          "full": "5.2.2 Das Postfach eines Empfaengers ist voll",
          "author": "5.7.1 Als <boss@elsewhere.test> duerfen Sie nicht senden"}
ENGLISH = {"size": "5.3.4 The message is larger than this server takes", "sender": "5.7.1 You may not send as <boss@elsewhere.test>",
           "nobody": "5.1.1 No such user here", "banished": "5.7.1 This address takes no mail",
           "full": "5.2.2 The mailbox of a recipient is full", "author": "5.7.1 You may not send as <boss@elsewhere.test>"}


def test_submission(house):
    with house.submission(ANNA, PASSWORD) as smtp:
        german = refusals(smtp, ANNA)
    with house.submission(JOE, PASSWORD) as smtp:
        english = refusals(smtp, JOE)
    assert {k: text for k, (_, text) in german.items()} == GERMAN
    assert {k: text for k, (_, text) in english.items()} == ENGLISH
    assert [code for code, _ in german.values()] == [code for code, _ in english.values()]


def test_other_servers_are_told_in_english(house):
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        assert smtp.rcpt("nobody@zunge.test") == (550, b"5.1.1 No such user here")


def test_a_language_counts_from_the_next_login(house):
    house.cli("mailbox", "set", JOE, "--language", "de")
    try:
        with house.submission(JOE, PASSWORD) as smtp:
            assert refusals(smtp, JOE)["nobody"][1] == GERMAN["nobody"]
    finally:
        house.cli("mailbox", "set", JOE, "--language", "en")


def imap_refusals(imap):
    said = {}
    for name, act in (("none", lambda: imap.select("Nirgends")), ("inbox", lambda: imap.delete("INBOX")),
                      ("limits", lambda: imap.setquota("x", "(STORAGE 1)")),
                      ("there", lambda: imap.create("Da") and imap.create("Da")),
                      ("reading", lambda: imap.select("INBOX", readonly=True) and imap.expunge())):
        try:
            typ, data = act()
        except imaplib.IMAP4.error as e:
            typ, data = "NO", [str(e).encode()]
        assert typ == "NO", (name, data)
        said[name] = data[0].decode("ascii")
    return said


def test_imap(house):
    with house.imap(ANNA, PASSWORD) as imap:
        german = imap_refusals(imap)
    with house.imap(JOE, PASSWORD) as imap:
        english = imap_refusals(imap)
    for name, de, en in (("none", "Der Ordner existiert nicht.", "Mailbox does not exist."),
                         ("inbox", "Der Posteingang (INBOX) kann nicht geloescht werden.", "INBOX cannot be deleted."),
                         ("there", "[ALREADYEXISTS] Der Ordner existiert schon.", "[ALREADYEXISTS] Mailbox already exists."),
                         ("reading", "Der Ordner ist nur zum Lesen geoeffnet.", "The mailbox is open for reading only.")):
        assert de in german[name] and en in english[name], (german[name], english[name])
        assert german[name].split("]")[0] == english[name].split("]")[0]    # programs go by the code
    with pytest.raises(imaplib.IMAP4.error, match="Authentication failed"):
        house.imap(ANNA, "wrong")


def test_pop3(house):
    for who, said in ((ANNA, r"\[IN-USE\] Das Postfach wird gerade von einer anderen Sitzung benutzt"),
                      (JOE, r"\[IN-USE\] The mailbox is in use by another session")):
        first = house.pop3(who, PASSWORD)
        with pytest.raises(poplib.error_proto, match=said):
            house.pop3(who, PASSWORD)
        first.quit()


def sieve_refusals(house, who):
    client = ManageSieve(house.port("sieve")).start_tls()
    assert client.login(who, PASSWORD).ok
    assert client.do("PUTSCRIPT", "a", "keep;").ok and client.do("SETACTIVE", "a").ok
    said = [client.do(*command) for command in (
        ("CHECKSCRIPT", 'keep;\r\nfileinto "x"'), ("GETSCRIPT", "nichts"), ("DELETESCRIPT", "a"), ("DELETESCRIPT", ""),
        ("PUTSCRIPT", "a/b", "keep;"), ('HAVESPACE "a" 65537',))]
    assert all(answer.status == "NO" for answer in said)
    assert client.do("SETACTIVE", "").ok and client.do("DELETESCRIPT", "a").ok
    return [(answer.code, answer.text) for answer in said]


def test_managesieve(house):
    german, english = sieve_refusals(house, ANNA), sieve_refusals(house, JOE)
    assert [code for code, _ in german] == [code for code, _ in english]
    for (_, de), (_, en), want_de, want_en in zip(german, english, (
            "Zeile 2, Spalte 13: hinter dem Befehl", "gibt es nicht", "ist aktiv", "Ein Skript braucht einen Namen",
            "1 bis 128", "Ein Skript hat höchstens 64 KiB"), (
            "line 2, column 13: behind the command", "there is no script", "is active", "A script has a name", "1 to 128",
            "A script has 64 KiB at most")):
        assert want_de.lower() in de.lower() and want_en in en, (de, en)
    # The same words as elsewhere.
    file = house.write_file("wrong.sieve", 'keep;\r\nfileinto "x"')
    assert german[0][1] in house.refused("sieve", "put", ANNA, "b", file, "--lang", "de")
