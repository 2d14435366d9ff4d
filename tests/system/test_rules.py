# SPDX-License-Identifier: Apache-2.0
"""What rules of a mailbox do to mail on its way in: folders, flags, redirects, refusals, replies; by SMTP and from the queue."""
import contextlib
import email
import email.policy
import os
import re
import signal
import sqlite3

import pytest

from harness import wait_until
from peers import FakeSmtp
from peers.elsewhere import instance_with_elsewhere
from rawsmtp import RawSmtp

PASSWORD = "Correct-horse-1"
BODY = b"From: Ann <ann@a.test>\r\nTo: %s\r\nSubject: %s\r\n\r\nbody\r\n"


@pytest.fixture(scope="module")
def sink():
    with FakeSmtp() as server:
        yield server


@pytest.fixture(scope="module")
def house(sink):
    with instance_with_elsewhere(sink) as it:
        for name in ("joe", "mary", "olaf"):
            it.add_mailbox(f"{name}@example.test", PASSWORD)
        yield it


@pytest.fixture(autouse=True)
def empty(sink):
    sink.messages.clear()
    yield
    sink.answers.clear()


def box(house, name, script=None):
    """A new mailbox with this script."""
    address = f"{name}@example.test"
    house.add_mailbox(address, PASSWORD)
    if script:
        rules(house, address, script)
    return address


WORDS = {"fileinto": r"\bfileinto\b", "copy": ":copy", "imap4flags": ":flags", "mailbox": ":create", "reject": r"\breject\b",
         "ereject": r"\bereject\b",
         "vacation": r"\bvacation\b"}


def rules(house, address, script):
    needs = ", ".join(f'"{word}"' for word, pattern in WORDS.items() if re.search(pattern, script))
    script = (f"require [{needs}];\n" if needs else "") + script
    house.cli("sieve", "put", address, "rules", house.write_file("rules.sieve", script), "--active")


def send(house, *rcpts, subject="x", sender="ann@a.test", user=None):
    with RawSmtp(house, "submission" if user else "smtp") as raw:
        raw.ehlo()
        if user:
            assert raw.auth(user, PASSWORD) == 235
        raw.envelope(*rcpts, sender=sender)
        assert raw.cmd("DATA")[0] == 354
        body = BODY % (rcpts[0].encode(), subject.encode())
        raw.send((body.replace(b"ann@a.test", user.encode()) if user else body) + b".\r\n")
        code, text = raw.reply()
        return code, "\n".join(text)


def passed_on(sink, count=1):
    wait_until(lambda: len(sink.messages) >= count, 15, f"{count} messages at the sink")
    assert len(sink.messages) == count
    return list(sink.messages)


def flags(house, user, mailbox):
    imap = house.imap(user, PASSWORD)
    imap.select(f'"{mailbox}"', readonly=True)
    data = imap.uid("FETCH", "1:*", "(FLAGS)")[1]
    imap.logout()
    return [set(re.search(rb"FLAGS \(([^)]*)\)", d)[1].decode().split()) - {"\\Recent"} for d in data if d]


def test_folders_and_flags(house):
    to = box(house, "f1", 'if header :contains "subject" "shop" { fileinto :create :flags ["\\\\Seen", "Shop"] "Bills/2026"; }\n'
                          'elsif header :contains "subject" "both" { fileinto :copy :create "Copies"; }\n'
                          'elsif header :contains "subject" "lost" { fileinto "Not there"; }\n'
                          'elsif header :contains "subject" "never" { discard; }')
    for subject in ("shop", "both", "lost", "never", "plain"):
        assert send(house, to, subject=subject)[0] == 250
    subjects = [re.search(rb"Subject: (\w+)", m)[1] for m in house.mail(to, PASSWORD)]
    assert subjects == [b"both", b"lost", b"plain"]
    assert len(house.mail(to, PASSWORD, "Bills/2026")) == len(house.mail(to, PASSWORD, "Copies")) == 1
    assert flags(house, to, "Bills/2026") == [{"\\Seen", "Shop"}]
    assert flags(house, to, "INBOX")[0] == set()


def test_a_script_that_fails_keeps(house):
    to = box(house, "f2", 'redirect "a@far.test"; redirect "b@far.test"; redirect "c@far.test"; redirect "d@far.test"; redirect "e@far.test";')
    assert send(house, to, subject="kept")[0] == 250
    assert sum(b"Subject: kept" in m for m in house.mail(to, PASSWORD)) == 1


def state(house, to, *words):
    return {s["name"]: (s["failed_ms"], s["failure"]) for s in house.json("sieve", "list", to, *words)["items"]}


def notices(house, to, count=1):
    wait_until(lambda: sum(b"Subject: A rule of your mailbox" in m for m in house.mail(to, PASSWORD)) >= count, 20, "the notice")
    return [m for m in house.mail(to, PASSWORD) if b"Subject: A rule of your mailbox" in m]


FIVE = "".join(f'redirect "{name}@far.test";\n' for name in "abcde")


def test_the_owner_is_told_of_a_script_that_fails(house):
    """Once a version, in a notice; the last error and its time stand in the list (RFC 5228 2.10.6)."""
    to = box(house, "f3", FIVE)
    assert state(house, to) == {"rules": (None, None)}
    for _ in range(3):
        assert send(house, to)[0] == 250
    text = notices(house, to)[0].decode()
    error = 'line 5, column 1: there are too many redirects: "e@far.test" is one more'
    assert error in text and '"rules"' in text and "Auto-Submitted: auto-generated" in text
    failed, said = state(house, to)["rules"]
    assert said == error and abs(failed / 1000 - house.now()) < 600
    assert house.cli("sieve", "get", to, "rules").startswith("redirect")
    # The notice went through the same script; nothing came of that, nor of more mail.
    assert send(house, to)[0] == 250
    wait_until(lambda: not house.json("queue", "list")["items"], 15, "an empty queue")
    assert len(notices(house, to)) == 1 and len(house.mail(to, PASSWORD)) == 5
    # Mended, it has not failed; broken anew, its owner is told anew.
    rules(house, to, "keep;")
    assert state(house, to) == {"rules": (None, None)}
    rules(house, to, "\n" + FIVE)
    assert send(house, to)[0] == 250
    assert b"line 6, column 1" in notices(house, to, 2)[-1]


def test_a_script_that_no_longer_compiles_is_told(postern):
    """What was taken once may be no script for a later version."""
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    rules(postern, "joe@example.test", "discard;")
    postern.stop()
    with contextlib.closing(sqlite3.connect(os.path.join(postern.dir, "data", "directory", "directory.db"))) as db:
        db.execute("UPDATE script SET text = ?", (b'require "of-the-past";',))
        db.commit()
    postern.start()
    assert send(postern, "joe@example.test", subject="kept")[0] == 250
    text = notices(postern, "joe@example.test")[0]
    assert b"of-the-past" in text
    assert "of-the-past" in state(postern, "joe@example.test")["rules"][1]
    assert any(b"Subject: kept" in m for m in postern.mail("joe@example.test", PASSWORD))


def test_in_the_owners_language(house):
    house.cli("customer", "add", "deutsch", "--language", "de")
    house.cli("domain", "add", "deutsch.test", "--customer", "deutsch", "--mode", "hosted")
    house.add_mailbox("jo@deutsch.test", PASSWORD)
    path = house.write_file("sub.sieve", 'require ["variables", "fileinto"];\nset "x" "a//b";\nfileinto "${x}";')
    house.cli("sieve", "put", "jo@deutsch.test", "sub", path)
    path = house.write_file("main.sieve", 'require "include";\ninclude "sub";')
    house.cli("sieve", "put", "jo@deutsch.test", "main", path, "--active")
    assert send(house, "jo@deutsch.test")[0] == 250
    wait_until(lambda: len(house.mail("jo@deutsch.test", PASSWORD)) == 2, 20, "the notice")
    both = [email.message_from_bytes(m, policy=email.policy.default) for m in house.mail("jo@deutsch.test", PASSWORD)]
    text = next(m for m in both if m["Auto-Submitted"])     # the notice may be there before the message
    assert text["Subject"] == "Eine Regel Ihres Postfachs ist gescheitert: main"
    assert 'im eingeschlossenen Skript "sub": Zeile 3, Spalte 1: "a//b"' in " ".join(text.get_body(("plain",)).get_content().split())
    failures = state(house, "jo@deutsch.test")
    assert failures["sub"] == (None, None) and 'in the included script "sub": line 3' in failures["main"][1]


def test_scripts_of_the_domain(house):
    """include :global (RFC 6609)."""
    def put(name, text, *more, domain="example.test"):
        return house.cli("globalscript", "put", domain, name, house.write_file("global.sieve", text), *more)

    put("bills", 'require ["fileinto", "mailbox"];\nif header :contains "subject" "bill" { fileinto :create "Bills"; }')
    put("both", 'require "include"; include :personal "mine"; include :global "bills"; include :once :global "bills";')
    assert house.cli("globalscript", "get", "example.test", "bills").startswith("require")
    assert [s["name"] for s in house.json("globalscript", "list", "example.test")["items"]] == ["bills", "both"]
    to = box(house, "g1")
    house.cli("sieve", "put", to, "mine", house.write_file("m.sieve", 'require "imap4flags"; addflag "Mine";'))
    house.cli("sieve", "put", to, "rules", house.write_file("r.sieve", 'require "include"; include :global :optional "gone"; include :global "both";'),
              "--active")
    assert send(house, to, subject="bill-1")[0] == 250
    assert send(house, to, subject="other")[0] == 250
    assert len(house.mail(to, PASSWORD, "Bills")) == 1 and len(house.mail(to, PASSWORD)) == 1
    assert flags(house, to, "Bills") == [{"Mine"}] and flags(house, to, "INBOX") == [{"Mine"}]
    # In force at once, for everybody who includes it; a mailbox of another domain does not see it.
    put("bills", "discard;")
    assert send(house, to, subject="bill-2")[0] == 250
    assert len(house.mail(to, PASSWORD)) == 1 and len(house.mail(to, PASSWORD, "Bills")) == 1
    house.add_domain("apart.test")
    house.add_mailbox("joe@apart.test", PASSWORD)
    house.cli("sieve", "put", "joe@apart.test", "rules", house.write_file("r.sieve", 'require "include"; include :global "bills";'), "--active")
    assert send(house, "joe@apart.test")[0] == 250
    assert b'there is no script "bills" to include' in notices(house, "joe@apart.test")[0]
    # Refusals
    assert "line 1, column 1: there is no command" in house.refused("globalscript", "put", "example.test", "x", house.write_file("b.sieve", "kep;"))
    assert 'there is no script "gone"' in house.refused("globalscript", "get", "example.test", "gone")
    house.cli("globalscript", "remove", "example.test", "both")
    assert send(house, to, subject="bill-3")[0] == 250
    assert b"Subject: bill-3" in b"".join(house.mail(to, PASSWORD))
    # A domain that goes takes its scripts along.
    put("left", "keep;", domain="apart.test")
    house.cli("mailbox", "remove", "joe@apart.test", "--discard-mail")
    house.cli("domain", "remove", "apart.test")


def test_redirect(house, sink):
    to = box(house, "r1", 'redirect "dan@far.test";')
    assert send(house, to, subject="away")[0] == 250
    message = passed_on(sink)[0]
    assert re.fullmatch(r"SRS0=.*=a\.test=ann@example\.test", message.sender)
    assert message.recipients == ["dan@far.test"]
    assert message.data.startswith(b"Delivered-To: r1@example.test\r\nReceived:")
    assert message.data.endswith(BODY % (to.encode(), b"away"))
    assert not house.mail(to, PASSWORD)
    back = message.data[:message.data.index(b"Received")] + BODY % (to.encode(), b"round")
    with house.smtp() as smtp:          # comes round: stays here
        smtp.sendmail("ann@a.test", [to], back)
    assert b"Subject: round" in house.mail(to, PASSWORD)[0]
    assert len(sink.messages) == 1


def test_redirect_with_a_copy_kept_and_one_that_cannot_be(house, sink):
    to = box(house, "r2", 'redirect :copy "dan@far.test"; redirect :copy "nobody@example.test";')
    assert send(house, to)[0] == 250
    passed_on(sink)
    assert len(house.mail(to, PASSWORD)) == 1
    only = box(house, "r3", 'redirect "nobody@example.test";')
    assert send(house, only)[0] == 250
    assert len(house.mail(only, PASSWORD)) == 1


def test_redirect_to_a_neighbour_and_in_a_circle(house):
    a, b = box(house, "c1", 'redirect "c2@example.test";'), box(house, "c2", 'redirect "c1@example.test";')
    me = box(house, "c3", 'redirect "c3@example.test";')
    neighbour = box(house, "c4", 'redirect "olaf@example.test";')
    for to in (a, me, neighbour):
        assert send(house, to, subject="circle")[0] == 250
    assert len(house.wait_mail(a, PASSWORD, 1)) == 1
    assert not house.mail(b, PASSWORD)
    assert len(house.mail(me, PASSWORD)) == 1
    assert house.wait_mail("olaf@example.test", PASSWORD, 1)[-1].startswith(b"Return-Path: <ann@a.test>\r\nDelivered-To: c4@")


def test_reject(house, sink):
    to = box(house, "j1", 'reject "Not\r\nwanted \u00fc";')
    code, text = send(house, to)
    assert code == 550 and text == "5.7.1 Not\n5.7.1 wanted ?", text        # RFC 5429 2.5: a reply of several lines
    before = house.room("queue")["counters"]["notifications"]
    assert send(house, to, "mary@example.test", subject="strange-1")[0] == 250      # kept: nobody is told
    assert any(b"strange-1" in m for m in house.mail(to, PASSWORD))
    assert any(b"strange-1" in m for m in house.mail("mary@example.test", PASSWORD))
    assert house.room("queue")["counters"]["notifications"] == before
    assert send(house, to, "mary@example.test", subject="known-1", user="joe@example.test", sender="joe@example.test")[0] == 250
    report = wait_until(lambda: next((m for m in house.mail("joe@example.test", PASSWORD) if b"rfc822; j1@example.test" in m), None),
                        15, "the report")
    # 2.2: an MDN (RFC 8098) in the recipient's name, with the reason as it was written.
    assert report.startswith(b"Return-Path: <>\r\n")
    mdn = email.message_from_bytes(report, policy=email.policy.default)
    assert (mdn.get_content_type(), mdn["Content-Type"].params["report-type"]) == ("multipart/report", "disposition-notification")
    assert mdn["From"] == to and mdn["To"] == "joe@example.test" and mdn["Auto-Submitted"] == "auto-replied"
    people, machines, header = mdn.get_payload()
    said = people.get_content().replace("\r\n", "\n")
    assert "    Not\n    wanted \u00fc\n" in said and "Regel" in said, said
    assert machines.get_content_type() == "message/disposition-notification" and b"\r\nDisposition: " \
        b"automatic-action/MDN-sent-automatically; deleted\r\n" in report
    assert header.get_content_type() == "text/rfc822-headers" and "known-1" in header.get_payload()
    assert not any(b"known-1" in m for m in house.mail(to, PASSWORD))
    assert any(b"known-1" in m for m in house.mail("mary@example.test", PASSWORD))
    # Alone, a sender who logged in is told in the session, too; so is a bounce, which gets no report (RFC 5429 2.1.2).
    assert send(house, to, user="joe@example.test", sender="joe@example.test")[0] == 550
    assert send(house, to, sender="")[0] == 550
    assert send(house, to, "mary@example.test", subject="bounce-1", sender="")[0] == 250
    assert any(b"bounce-1" in m for m in house.mail(to, PASSWORD))
    # Not to what a program or a list wrote, nor to the null sender (RFC 3834 2, RFC 8098 3): kept.
    for number, (field, sender) in enumerate((("Auto-Submitted: auto-generated", "joe@example.test"), ("List-Id: <l.test>", "joe@example.test"),
                                              ("X-Plain: 1", ""))):
        with RawSmtp(house, "submission") as raw:
            raw.ehlo()
            assert raw.auth("joe@example.test", PASSWORD) == 235
            raw.envelope(to, "mary@example.test", sender=sender)
            assert raw.data(f"From: joe@example.test\r\nSubject: quiet-{number}\r\n{field}\r\n\r\nx\r\n.\r\n") == 250
        assert any(b"quiet-%d" % number in m for m in house.mail(to, PASSWORD))
    house.wait_log("smtp.reject.kept.*automatic")
    house.wait_log("smtp.reject.kept.*null-sender")
    # Behind a list it is none of the recipients that were named: kept, whoever writes.
    house.cli("address", "add", "j-crew@example.test", "--type", "list", "--to", to, "--to", "mary@example.test")
    for subject, who in (("list-1", {}), ("list-2", {"user": "joe@example.test", "sender": "joe@example.test"})):
        assert send(house, "j-crew@example.test", subject=subject, **who)[0] == 250
        assert any(subject.encode() in m for m in house.mail(to, PASSWORD))
    assert house.room("queue")["counters"]["notifications"] == before + 1
    house.wait_log("smtp.reject.kept.*unproved-sender")


def test_ereject_is_said_in_the_session(house, sink):
    """RFC 5429 2.1: whoever refuses so gets mail from strangers by itself, so that no report is needed (S36)."""
    to = box(house, "e1", 'if header :contains "subject" "no" { ereject "Not this"; }')
    before = house.room("queue")["counters"]["notifications"]
    for rcpts, codes in (((to, "mary@example.test"), (250, 452)), (("mary@example.test", to, "olaf@example.test"), (250, 452, 250))):
        with RawSmtp(house) as raw:
            raw.ehlo()
            raw.cmd("MAIL FROM:<ann@a.test>")
            answers = [raw.cmd(f"RCPT TO:<{rcpt}>") for rcpt in rcpts]
            assert tuple(code for code, _ in answers) == codes
            assert all("4.5.3" in text[0] for code, text in answers if code == 452)
    code, text = send(house, to, subject="no-1")
    assert code == 550 and "5.7.1 Not this" in text
    assert send(house, to, subject="yes-1")[0] == 250
    assert send(house, to, subject="no-2", sender="")[0] == 550             # a bounce, too
    # Who logged in writes to all at once, and gets a report.
    assert send(house, to, "mary@example.test", subject="no-3", user="joe@example.test", sender="joe@example.test")[0] == 250
    wait_until(lambda: any(b"report-type=delivery-status" in m and b"5.7.1" in m and b"Not this" in m and b"rfc822; e1@example.test" in m
                           for m in house.mail("joe@example.test", PASSWORD)), 15, "the report")
    assert [re.search(rb"Subject: (\S+)", m)[1] for m in house.mail(to, PASSWORD)] == [b"yes-1"]
    assert house.room("queue")["counters"]["notifications"] == before + 1
    # Behind a list it cannot be said to one alone: kept, and nobody is told.
    house.cli("address", "add", "crew@example.test", "--type", "list", "--to", to, "--to", "olaf@example.test")
    assert send(house, "crew@example.test", subject="no-4")[0] == 250
    assert b"Subject: no-4" in house.mail(to, PASSWORD)[-1]
    assert house.room("queue")["counters"]["notifications"] == before + 1
    # The word stands in a script that is not active, or nowhere: several at once.
    house.cli("sieve", "deactivate", to)
    assert send(house, to, "mary@example.test", subject="no-5")[0] == 250
    # ... and in the domain's, where a script of the mailbox includes some.
    house.cli("globalscript", "put", "example.test", "refuses", house.write_file("g.sieve", 'require "ereject"; ereject "No";'))
    house.cli("sieve", "put", to, "rules", house.write_file("r.sieve", 'require "include"; include :global "refuses";'), "--active")
    with RawSmtp(house) as raw:
        raw.ehlo()
        raw.cmd("MAIL FROM:<ann@a.test>")
        assert [raw.cmd(f"RCPT TO:<{rcpt}>")[0] for rcpt in (to, "mary@example.test")] == [250, 452]
    assert send(house, to)[0] == 550


def test_vacation_once_a_sender_and_period(house, sink):
    to = box(house, "v1", 'vacation :days 3 :subject "Away" "Back soon.";')
    for _ in range(3):
        assert send(house, to)[0] == 250
    assert send(house, to, sender="bea@a.test")[0] == 250
    found = passed_on(sink, 2)
    assert [m.sender for m in found] == ["", ""]
    assert sorted(m.recipients[0] for m in found) == ["ann@a.test", "bea@a.test"]
    assert b"Subject: Away" in found[0].data and b"Auto-Submitted: auto-replied" in found[0].data
    assert len(house.mail(to, PASSWORD)) == 4
    house.restart()
    assert send(house, to)[0] == 250
    house.travel(days=3, seconds=60)
    sink.messages.clear()
    assert send(house, to)[0] == 250
    passed_on(sink, 1)


def test_mail_from_the_queue_has_the_same_rules(house, sink):
    with FakeSmtp() as old:
        house.add_domain("moving.test", "gateway", old.address)
        for name in ("ann", "bob", "cat", "dee"):
            house.add_mailbox(f"{name}@moving.test", PASSWORD)
        rules(house, "ann@moving.test", 'redirect :copy "dan@far.test"; fileinto :create "Filed"; vacation "Away.";')
        rules(house, "bob@moving.test", 'discard;')
        rules(house, "cat@moving.test", 'reject "no";')
        rules(house, "dee@moving.test", 'reject "Too late";')
        old.stop()
        for name in ("ann", "bob", "cat"):
            assert send(house, f"{name}@moving.test", subject=f"for-{name}", sender="eve@a.test")[0] == 250
        assert send(house, "dee@moving.test", subject="for-dee", user="joe@example.test", sender="joe@example.test")[0] == 250
        filter_pid = house.room("filter")["pid"]
        os.kill(filter_pid, signal.SIGSTOP)
        try:
            house.cli("domain", "switch", "moving.test", "hosted")
            house.kill("queue")         # in the middle of it
        finally:
            os.kill(filter_pid, signal.SIGCONT)
        found = passed_on(sink, 2)
    reply, away = sorted(found, key=lambda m: m.sender)
    assert reply.sender == "" and reply.recipients == ["eve@a.test"]
    assert re.fullmatch(r"SRS0=.*=a\.test=eve@moving\.test", away.sender) and away.recipients == ["dan@far.test"]
    assert away.data.startswith(b"Delivered-To: ann@moving.test\r\nReceived:") and b"Return-Path" not in away.data
    wait_until(lambda: not house.json("queue", "list")["items"], 15, "an empty queue")
    assert len(house.mail("ann@moving.test", PASSWORD, "Filed")) == 1 and not house.mail("ann@moving.test", PASSWORD)
    assert not house.mail("bob@moving.test", PASSWORD)
    assert len(house.mail("cat@moving.test", PASSWORD)) == 1       # a stranger's: kept
    wait_until(lambda: any(b"rfc822; dee@moving.test" in m and b"    Too late\r\n" in m and b"Disposition: automatic-action/" in m
                           for m in house.mail("joe@example.test", PASSWORD)),
               15, "the report to who logged in")
    assert not house.mail("dee@moving.test", PASSWORD)
