# SPDX-License-Identifier: Apache-2.0
"""Python's imaplib, poplib and smtplib: a day's work."""
import email
import email.message
import email.policy
import imaplib
import re

from letters import mail


def test_a_day_of_mail(account):
    note = email.message.EmailMessage()
    note["Subject"], note["From"], note["To"] = "Grüße", account.user, account.user
    note.set_content("Schöne Grüße\n")
    note.add_attachment(bytes(range(256)) * 100, maintype="application", subtype="octet-stream", filename="bild.bin")
    with account.server.submission(account.user, account.password) as smtp:
        smtp.send_message(note)
    account.server.wait_mail(account.user, account.password, 1)

    with account.imap() as imap:
        assert {b"IDLE", b"UIDPLUS", b"MOVE"} <= set(imap.capability()[1][0].split())
        assert imap.enable("UTF8=ACCEPT")[0] == "OK"
        imap.select()
        imap.literal = "Grüße".encode()
        assert imap.uid("SEARCH", "SUBJECT")[1] == [b"1"]
        raw = imap.uid("FETCH", "1", "(BODY.PEEK[])")[1][0][1]
        got = email.message_from_bytes(raw, policy=email.policy.default)
        assert got["Subject"] == "Grüße"
        assert next(got.iter_attachments()).get_content() == bytes(range(256)) * 100
        structure = imap.fetch("1", "(BODYSTRUCTURE)")[1][0]
        assert b'"bild.bin"' in structure
        assert imap.store("1", "+FLAGS", "\\Flagged")[0] == "OK"
        assert imap.create("Ablage")[0] == "OK"
        assert imap.uid("MOVE", "1", "Ablage")[0] == "OK"
        assert imap.search(None, "ALL")[1] == [b""]
        imap.select("Ablage")
        assert b"\\Flagged" in imap.fetch("1", "(FLAGS)")[1][0]
        # With UTF8=ACCEPT on, imaplib puts "UTF8 (" into the message itself: append on another connection.
        with account.imap() as other:
            assert other.append("INBOX", "\\Seen", imaplib.Time2Internaldate(1700000000), mail("appended"))[0] == "OK"
        assert imap.getquotaroot("INBOX")[0] == "OK" and imap.namespace()[0] == "OK"
        assert imap.rename("Ablage", "Archiv")[0] == "OK"
        assert re.search(rb"MESSAGES 1", imap.status("Archiv", "(MESSAGES)")[1][0])
        imap.unselect()
        assert imap.delete("Archiv")[0] == "OK"

    pop3 = account.server.pop3(account.user, account.password)
    assert pop3.stat()[0] == 1
    assert b"Subject: appended" in pop3.retr(1)[1]
    assert b"Subject: appended" in pop3.top(1, 0)[1]
    uidl = pop3.uidl(1)
    pop3.dele(1)
    pop3.quit()
    assert uidl and account.subjects() == []
