# SPDX-License-Identifier: Apache-2.0
"""Mail comes in over SMTP and lands in mailboxes; users hand theirs in over submission."""
import re
import smtplib

import pytest

from rawsmtp import RawSmtp

JOE, MARY, PASSWORD = "joe@example.test", "mary@example.test", "Correct-horse-1"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_domain("example.test")
    shared_postern.add_mailbox(JOE, PASSWORD)
    shared_postern.add_mailbox(MARY, PASSWORD)
    return shared_postern


def mail_with(house, user, marker, count=1):
    """Messages of the INBOX that hold marker, as stored."""
    found = [m for m in house.mail(user, PASSWORD) if marker in m]
    assert len(found) == count, f"{len(found)} of {count}"
    return found


def test_delivers_octet_for_octet(house):
    body = b"Subject: octets\r\n\r\n.dot\r\n..\r\n\xe4\xff 8-bit\r\ntrailing blank \r\n\r\nplain-1\r\n"
    with house.smtp() as smtp:
        smtp.ehlo()
        smtp.sendmail("a@elsewhere.test", [JOE], body, ["BODY=8BITMIME"])
    message = mail_with(house, JOE, b"plain-1")[0]
    assert message.endswith(body)
    front = message[:-len(body)]
    assert re.fullmatch(rb"Return-Path: <a@elsewhere\.test>\r\nReceived: from client\.test \(\[127\.0\.0\.1\]\)\r\n"
                        rb"\tby mail\.example\.test with ESMTP id [0-9a-f]{16}\r\n\tfor <joe@example\.test>;\r\n"
                        rb"\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n", front), front


def test_several_recipients_once_each(house):
    with house.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [JOE, MARY, JOE, "JOE@EXAMPLE.TEST"], b"Subject: x\r\n\r\ntwice-1\r\n")
    assert b"for <" not in mail_with(house, JOE, b"twice-1")[0]
    mail_with(house, MARY, b"twice-1")


def test_one_bad_recipient_does_not_harm_the_others(house):
    with house.smtp() as smtp:
        refused = smtp.sendmail("a@elsewhere.test", [JOE, "nobody@example.test"], b"Subject: x\r\n\r\nmixed-1\r\n")
    assert list(refused) == ["nobody@example.test"] and refused["nobody@example.test"][0] == 550
    mail_with(house, JOE, b"mixed-1")


def test_null_sender_and_postmaster(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.codes("MAIL FROM:<>", f"RCPT TO:<{JOE}>") == [250, 250]
        assert raw.data(b"Subject: bounce\r\n\r\nnull-1\r\n.\r\n") == 250
        assert raw.codes("MAIL FROM:<>", "RCPT TO:<Postmaster>")[0] == 250
    assert mail_with(house, JOE, b"null-1")[0].startswith(b"Return-Path: <>\r\n")


def test_helo_client_and_empty_message(house):
    with RawSmtp(house) as raw:
        assert raw.codes("HELO c", "MAIL FROM:<e@elsewhere.test>", f"RCPT TO:<{JOE}>") == [250, 250, 250]
        assert raw.data(b".\r\n") == 250


def test_bdat_and_pipelining(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.send(b"MAIL FROM:<b@elsewhere.test>\r\nRCPT TO:<joe@example.test>\r\nBDAT 14\r\nSubject: b\r\n\r\n"
                 b"BDAT 14\r\n.\r\n.dotchunk\r\n"
                 b"BDAT 0 LAST\r\nNOOP\r\n")
        assert [raw.code() for _ in range(6)] == [250] * 6
    assert mail_with(house, JOE, b"dotchunk")[0].endswith(b"Subject: b\r\n\r\n.\r\n.dotchunk\r\n")


def test_starttls_and_trace(house):
    with house.smtp() as smtp:
        smtp.starttls(context=__import__("harness.instance").instance.tls_context())
        smtp.ehlo()
        assert not smtp.has_extn("starttls") and not smtp.has_extn("auth")
        smtp.sendmail("a@elsewhere.test", [JOE], b"Subject: x\r\n\r\ntls-1\r\n")
    assert b" with ESMTPS id " in mail_with(house, JOE, b"tls-1")[0]


def test_large_message(house):
    line = b"0123456789" * 7 + b"\r\n"
    body = b"Subject: large\r\n\r\nlarge-1\r\n" + line * 140000
    with house.smtp(timeout=60) as smtp:
        smtp.sendmail("a@elsewhere.test", [MARY], body)
    assert mail_with(house, MARY, b"large-1")[0].endswith(body)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_submission(house, mechanism):
    smtp = house.submission()
    smtp.ehlo()
    assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
    smtp.user, smtp.password = JOE, PASSWORD
    assert smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"))[0] == 235
    smtp.sendmail(JOE, [MARY], b"From: joe@example.test\r\nSubject: x\r\n\r\nsub-" + mechanism.encode() + b"\r\n")
    smtp.quit()
    assert b" with ESMTPSA id " in mail_with(house, MARY, b"sub-" + mechanism.encode())[0]


def test_submission_wants_login_and_ones_own_sender(house):
    smtp = house.submission()
    smtp.ehlo()
    assert smtp.mail(JOE)[0] == 530
    with pytest.raises(smtplib.SMTPAuthenticationError) as error:
        smtp.login(JOE, "wrong")
    assert error.value.smtp_code == 535
    unknown = pytest.raises(smtplib.SMTPAuthenticationError, smtp.login, "nobody@example.test", "wrong").value
    assert (unknown.smtp_code, unknown.smtp_error) == (error.value.smtp_code, error.value.smtp_error)
    smtp.login(JOE, PASSWORD)
    code, text = smtp.mail(MARY)
    assert code == 550 and text.startswith(b"5.7.1"), text
    assert smtp.mail("joe@other.test")[0] == 550
    assert smtp.mail(JOE)[0] == 250
    smtp.quit()


def test_exchanger_takes_no_password(house):
    with RawSmtp(house) as raw:
        assert not any("AUTH" in offer for offer in raw.ehlo())
        assert raw.auth(JOE, PASSWORD) == 502
        raw.starttls()
        assert not any("AUTH" in offer for offer in raw.ehlo())
        assert raw.auth(JOE, PASSWORD) == 502


def test_new_mailbox_is_there_at_once(house):
    with RawSmtp(house) as raw:
        raw.ehlo()
        assert raw.codes("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<fresh@example.test>") == [250, 550]
        house.add_mailbox("fresh@example.test", PASSWORD)
        assert raw.cmd("RCPT TO:<fresh@example.test>")[0] == 250


def test_quota_is_told_in_the_dialogue(house):
    house.add_mailbox("small@example.test", PASSWORD, "--quota", "100K")
    codes = []
    with RawSmtp(house) as raw:
        raw.ehlo()
        for _ in range(4):
            codes += raw.codes("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<small@example.test>")[1:]
            if codes[-1] == 250:
                codes.append(raw.data(b"Subject: q\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 600 + b".\r\n"))
            raw.cmd("RSET")
    assert codes[:4] == [250, 250, 250, 250] and codes[-1] in (452, 552), codes
    kept = [m for m in house.mail("small@example.test", PASSWORD) if b"\r\nSubject: q\r\n" in m]   # the notice may be there, too
    assert len(kept) == 2


def test_quota_of_one_holds_the_message_for_all(house):
    house.add_mailbox("tiny@example.test", PASSWORD, "--quota", "10K")
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.envelope(JOE, "tiny@example.test")
        assert raw.data(b"Subject: q\r\n\r\nholds-1\r\n" + (b"y" * 70 + b"\r\n") * 600 + b".\r\n") in (452, 552)
    mail_with(house, JOE, b"holds-1", 0)
