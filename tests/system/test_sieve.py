# SPDX-License-Identifier: Apache-2.0
"""Rules of a mailbox: the scripts that are kept for it, and what they do to its mail (docs/formats/sieve.md)."""
import datetime
import email
import itertools
import os
import smtplib

import pytest
from harness import wait_until
from harness.api import WebApi

PASSWORD = "Correct-horse-1"
numbers = itertools.count(1)


class House:
    """A domain of its own in the shared instance, with mailboxes joe and mary."""

    def __init__(self, postern):
        self.postern = postern
        self.domain = f"sieve{next(numbers)}.test"
        postern.add_domain(self.domain)
        for name in ("joe", "mary"):
            postern.add_mailbox(self[name], PASSWORD)

    def __getitem__(self, name):
        return f"{name}@{self.domain}"

    def put(self, text, who="joe", name="rules", active=True):
        path = self.postern.write_file(f"script{next(numbers)}.sieve", text)
        return self.postern.cli("sieve", "put", self[who], name, path, *(["--active"] if active else []))


@pytest.fixture
def house(shared_postern):
    return House(shared_postern)


def scripts(house, who="joe"):
    return {s["name"]: s["active"] for s in house.postern.json("sieve", "list", house[who])["items"]}


def test_scripts_are_kept_read_and_switched(house):
    postern, joe = house.postern, house["joe"]
    text = "require \"fileinto\";\n# Grüße\nfileinto \"Läden\";\n"
    house.put(text, active=False)
    house.put("keep;", name="other")
    assert scripts(house) == {"rules": False, "other": True}
    assert postern.cli("sieve", "get", joe, "rules") == text        # byte for byte
    postern.cli("sieve", "activate", joe, "rules")
    assert scripts(house) == {"rules": True, "other": False}
    assert "deactivate" in postern.refused("sieve", "remove", joe, "rules")
    postern.cli("sieve", "rename", joe, "rules", "My rules")
    assert scripts(house) == {"My rules": True, "other": False}
    postern.cli("sieve", "deactivate", joe)
    postern.cli("sieve", "remove", joe, "My rules")
    assert scripts(house) == {"other": False}
    assert scripts(house, "mary") == {}


def test_a_broken_script_is_refused_with_line_column_and_rule(house):
    postern = house.postern
    house.put("keep;")
    path = postern.write_file("broken.sieve", "keep;\nif header \"Subject\" \"x\" { fileinto \"a\"; }\n")
    for words in (("put", house["joe"], "rules", path), ("put", house["joe"], "rules", path, "--dry-run"), ("check", path)):
        said = postern.refused("sieve", *words)
        assert "line 2, column 27: this needs require \"fileinto\" at the beginning of the script" in said, words
    assert postern.cli("sieve", "get", house["joe"], "rules") == "keep;"    # as it was
    good = postern.write_file("good.sieve", "require \"fileinto\"; fileinto \"a\";")
    postern.cli("sieve", "check", good)
    postern.cli("sieve", "put", house["joe"], "new", good, "--dry-run")
    assert scripts(house) == {"rules": True}


def test_limits_of_scripts(house):
    postern, most = house.postern, 64 * 1024
    house.put("keep;" + " " * (most - 5), active=False)
    path = postern.write_file("big.sieve", "keep;" + " " * (most - 4))
    assert "bigger than 64 KiB" in postern.refused("sieve", "put", house["joe"], "more", path)
    house.put("stop;" + " " * (most - 5), name="second", active=False)
    path = postern.write_file("one.sieve", " ")
    assert "128K together" in postern.refused("sieve", "put", house["joe"], "third", path)
    postern.cli("sieve", "remove", house["joe"], "second")
    postern.cli("sieve", "put", house["joe"], "third", path)


MOST = 64 * 1024
# All that a script may hold: both ends of lines, UTF-8 of each length, TAB, and controls, which JSON writes six times as long.
ODD = 'require "fileinto";\r\n# Gr\u00fc\u00dfe \u20ac \U0001f41f\n\tkeep;\r\n# \x01\x7f\x1b\r\n'.encode()


@pytest.mark.parametrize("noun", ["sieve", "globalscript"])
@pytest.mark.parametrize("door", ["cli", "https"])
@pytest.mark.parametrize("filler", [b"#" + b"x" * 70 + b"\r\n", b"#\x01\n", "#\u00fc\r\n".encode()])
def test_scripts_of_the_largest_size_come_back_as_they_went(house, noun, door, filler):
    postern, holder = house.postern, house["joe"] if noun == "sieve" else house.domain
    api = None
    if door == "https":
        login = f"paula{next(numbers)}"
        postern.cli("admin", "add", login, "--provider", "--password-stdin", stdin=PASSWORD + "\n")
        api = WebApi(postern).login(login, PASSWORD)
    url = f"/{'mailboxes' if noun == 'sieve' else 'domains'}/{holder}/scripts"

    def put(script):
        if api:
            status, _, body = api.ask("PUT", url + "/big", script, {"Content-Type": "application/octet-stream"})
            return status in (200, 201) or body["detail"]
        path = os.path.join(postern.dir, f"script{next(numbers)}.sieve")
        with open(path, "wb") as f:
            f.write(script)
        os.chmod(path, 0o644)
        done = postern.try_cli(noun, "put", holder, "big", path)
        return done.returncode == 0 or done.stderr

    def get():
        if api:
            return api.ask("GET", url + "/big")[2]["text"].encode()
        return postern.cli(noun, "get", holder, "big").encode()

    script = (ODD + filler * MOST)[:MOST - 1 - len(filler)]
    script = script[:script.rindex(b"\n") + 1]
    script += b"#" * (MOST - len(script))
    assert put(script) is True
    assert get() == script
    said = put(script + b"#")
    assert "64 KiB" in said, said
    assert put(b"keep;\0") is not True and put(b"# \xff\xfe") is not True
    assert get() == script
    listed = api.ask("GET", url)[2] if api else postern.json(noun, "list", holder)
    assert [(s["name"], s["size_bytes"]) for s in listed["items"]] == [("big", MOST)]


def test_scripts_go_with_their_mailbox(house):
    house.put("keep;")
    house.postern.cli("mailbox", "remove", house["joe"])
    house.postern.add_mailbox(house["joe"], PASSWORD)
    assert scripts(house) == {}


# -- what happens to mail ------------------------------------------------------

MESSAGE = """\
From: Anna <anna@elsewhere.test>
To: {to}
Subject: {subject}
Message-ID: <{id}@elsewhere.test>
{more}
{body}
"""


def deliver(house, subject="Hello", to="joe", sender="anna@elsewhere.test", body="Hi Joe", more="", addressed=None):
    """One message over SMTP, as from another server."""
    rcpt = house[to] if "@" not in to else to
    text = MESSAGE.format(to=addressed or rcpt, subject=subject, id=f"m{next(numbers)}", body=body,
                          more=more + "\n" if more else "")
    with house.postern.smtp() as smtp:
        smtp.sendmail(sender, [rcpt], text.replace("\n", "\r\n").encode())


def inside(house, mailbox="INBOX", who="joe"):
    """Subjects and flags of a mailbox; None where there is none."""
    imap = house.postern.imap(house[who], PASSWORD)
    try:
        if imap.select(f'"{mailbox}"', readonly=True)[0] != "OK":
            return None
        _, data = imap.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])") if imap.untagged_responses.get(
            "EXISTS") != [b"0"] else (None, [])
        found = []
        for part in data:
            if isinstance(part, tuple):
                subject = part[1].decode().split(":", 1)[1].strip()
                flags = part[0].decode().split("FLAGS (", 1)[1].split(")")[0].split()
                found.append((subject, sorted(f for f in flags if f != "\\Recent")))
        return found
    finally:
        imap.logout()


def subjects(house, mailbox="INBOX", who="joe"):
    found = inside(house, mailbox, who)
    return None if found is None else [subject for subject, flags in found]


def kept_and_told(house, mail, times):
    """The mail that a failing script kept, in order; and its owner has got so many notices, no more."""
    def notices():
        return [s for s in subjects(house) if s.startswith("A rule of your mailbox has failed")]
    wait_until(lambda: len(notices()) >= times, 20, "the notice")
    assert len(notices()) == times
    assert [s for s in subjects(house) if s not in notices()] == mail


def test_mail_is_sorted_with_flags(house):
    house.put('''require ["fileinto", "mailbox", "imap4flags", "variables", "copy", "envelope", "subaddress"];
        if header :contains "Subject" "urgent" { addflag ["\\\\Flagged", "$important"]; }
        if envelope :detail "to" "shop" { fileinto :create "Shops"; }
        elsif header :matches "Subject" "[*] *" { set :lower "list" "${1}"; fileinto :create "Lists/${list}"; }
        elsif header :is "Subject" "both" { fileinto :create :copy :flags "\\\\Seen" "Copies"; }
        elsif header :is "Subject" "gone" { discard; }
        elsif header :is "Subject" "nowhere" { fileinto "There is no such mailbox"; }
        ''')
    for subject in ("plain", "so urgent", "[C-List] hello", "both", "gone", "nowhere"):
        deliver(house, subject)
    deliver(house, "an order", to=f"joe+shop@{house.domain}")
    assert sorted(inside(house)) == [("both", []), ("nowhere", []), ("plain", []),
                                     ("so urgent", ["$important", "\\Flagged"])]
    assert inside(house, "Lists/c-list") == [("[C-List] hello", [])]
    assert inside(house, "Copies") == [("both", ["\\Seen"])]
    assert inside(house, "Shops") == [("an order", [])]
    assert inside(house, "There is no such mailbox") is None


def test_the_detail_begins_where_the_domain_says(house):
    house.postern.cli("domain", "set", house.domain, "--subaddress=-")
    house.put('require ["fileinto", "mailbox", "envelope", "subaddress", "variables"];'
              'if envelope :matches :detail "to" "*" { fileinto :create "D-${1}"; }')
    deliver(house, "one", to=f"joe-a+b@{house.domain}")
    assert subjects(house, "D-a+b") == ["one"]


def test_a_change_is_in_force_for_the_next_message(house):
    deliver(house, "before")
    house.put("discard;")
    deliver(house, "one")
    house.put("keep;")
    deliver(house, "two")
    house.put("discard;", name="other")
    deliver(house, "three")
    house.postern.cli("sieve", "deactivate", house["joe"])
    deliver(house, "four")
    assert subjects(house) == ["before", "two", "four"]


def test_rules_hold_through_alias_and_list_for_each_member(house):
    house.put('require "fileinto"; require "mailbox"; fileinto :create "Mine";')
    house.postern.cli("address", "add", f"info@{house.domain}", "--type", "alias", "--to", house["joe"])
    house.postern.cli("address", "add", f"all@{house.domain}", "--type", "list", "--to", house["joe"], "--to", house["mary"])
    deliver(house, "alias", to="info")
    deliver(house, "list", to="all")
    assert subjects(house, "Mine") == ["alias", "list"] and subjects(house) == []
    assert subjects(house, who="mary") == ["list"]


def test_reject_refuses_in_the_session(house):
    house.put('require "reject"; if header :contains "Subject" "offer" { reject "No offers here, please"; }')
    with pytest.raises(smtplib.SMTPDataError) as refused:
        deliver(house, "an offer")
    assert refused.value.smtp_code == 550 and b"No offers here, please" in refused.value.smtp_error
    deliver(house, "a letter")
    assert subjects(house) == ["a letter"]


def test_redirect_passes_on_once(house):
    house.put(f'require "copy"; redirect :copy "{house["mary"]}"; redirect :copy "{house["mary"].upper()}";')
    deliver(house, "forward")
    wait_until(lambda: subjects(house, who="mary") == ["forward"], 20, "the copy")
    assert subjects(house) == ["forward"]


def test_mailboxes_that_pass_on_to_each_other_do_not_loop(house):
    """THREATS S37: two redirects that point at each other."""
    house.put(f'redirect "{house["mary"]}";')
    house.put(f'require "copy"; redirect :copy "{house["joe"]}";', who="mary")
    deliver(house, "round and round")
    wait_until(lambda: subjects(house, who="mary") == ["round and round"], 20, "mary's copy")
    wait_until(lambda: subjects(house) == ["round and round"], 20, "the copy that came back is kept")
    assert subjects(house, who="mary") == ["round and round"]


def test_a_script_that_fails_keeps_the_mail(house):
    house.put('require ["fileinto", "variables"]; fileinto "Sub"; fileinto "${nothing}";')
    since = house.postern.log_size()
    deliver(house, "kept")
    kept_and_told(house, ["kept"], 1)
    house.postern.wait_log(r"rules\.run\.failed.*cannot be the name of a mailbox", since=since)
    # One that takes too much work does not take the room with it.
    house.put("".join('if header :matches "subject" "*aaaaaaaaaaaaaaaab*" { discard; }\n' for i in range(900)))
    deliver(house, "a" * 900)
    wait_until(lambda: len(subjects(house)) == 4, 20, "the mail and the second notice")
    assert sum(len(s) >= 900 for s in subjects(house)) == 1


def test_scripts_include_each_other(house):
    house.put('require ["fileinto", "mailbox"]; if header :contains "Subject" "bill" { fileinto :create "Bills"; stop; }',
              name="bills", active=False)
    house.put('require "include"; include "bills"; discard;', name="main")
    deliver(house, "your bill")
    deliver(house, "junk")
    assert subjects(house, "Bills") == ["your bill"] and subjects(house) == []
    house.put('require "include"; include "gone"; discard;', name="main")
    deliver(house, "kept")
    kept_and_told(house, ["kept"], 1)


def test_mailboxexists_knows_the_mailboxes(house):
    house.put('''require ["fileinto", "mailbox"];
        if mailboxexists ["Old", "INBOX"] { fileinto "Old"; } elsif mailboxexists "Käse/Brie" { fileinto "Käse/Brie"; }''')
    deliver(house, "none of them")
    imap = house.postern.imap(house["joe"], PASSWORD)
    assert imap.create('"K&AOQ-se/Brie"')[0] == "OK"
    deliver(house, "the second")
    assert imap.create("Old")[0] == "OK"
    deliver(house, "the first")
    imap.logout()
    assert subjects(house) == ["none of them"]
    assert subjects(house, "K&AOQ-se/Brie") == ["the second"] and subjects(house, "Old") == ["the first"]


def test_body_and_encoded_header(house):
    house.put('''require ["body", "fileinto", "mailbox"];
        if body :text :contains "grüße" { fileinto :create "Body"; }
        elsif header :is "Subject" "Käse" { fileinto :create "Header"; }''')
    more = "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable"
    deliver(house, "one", body="Gr=FC=DFe", more=more)
    deliver(house, "=?utf-8?b?S8Okc2U=?=")
    assert subjects(house, "Body") == ["one"]
    assert subjects(house, "Header") == ["=?utf-8?b?S8Okc2U=?="]


# -- vacation ------------------------------------------------------------------

AWAY = 'require ["vacation", "vacation-seconds"]; vacation %s "I am away.";'


def replies(house):
    """Messages in mary's mailbox, parsed."""
    return [email.message_from_bytes(m) for m in house.postern.mail(house["mary"], PASSWORD)]


def write(house, **more):
    deliver(house, sender=house["mary"], **more)


def settle(house):
    """All that was queued has gone."""
    wait_until(lambda: not house.postern.json("queue", "list")["items"], 20, "the queue to be empty")


def test_vacation_answers_once_in_its_time(house):
    """RFC 5230, RFC 3834; THREATS S38."""
    house.put(AWAY % ':days 3 :subject "Away"')
    write(house, subject="first")
    wait_until(lambda: len(replies(house)) == 1, 20, "the reply")
    reply = replies(house)[0]
    assert reply["From"].endswith(house["joe"]) or house["joe"] in reply["From"]
    assert house["mary"] in reply["To"] and reply["Subject"] == "Away"
    assert reply["Auto-Submitted"].startswith("auto-replied")
    assert reply["Return-Path"] == "<>"
    assert reply["In-Reply-To"] and reply["In-Reply-To"] in reply["References"]
    assert "I am away." in reply.get_payload()
    write(house, subject="second")
    house.postern.travel(days=2)
    write(house, subject="third")
    settle(house)
    assert len(replies(house)) == 1
    house.postern.travel(days=2)
    write(house, subject="fourth")
    wait_until(lambda: len(replies(house)) == 2, 20, "the reply of the next period")
    assert subjects(house) == ["first", "second", "third", "fourth"]
    # Another text is another reply.
    house.put(AWAY % ':days 3 :subject "Still away"')
    write(house, subject="fifth")
    wait_until(lambda: len(replies(house)) == 3, 20, "the new reply")


@pytest.mark.parametrize("how", [
    {"more": "List-Id: <l.test>"}, {"more": "Precedence: bulk"}, {"more": "Auto-Submitted: auto-replied"},
    {"sender": ""}, {"sender": "list-request@{0}"}, {"sender": "mailer-daemon@{0}"}, {"addressed": "others@{0}"},
], ids=lambda how: next(iter(how.values())) or "null sender")
def test_vacation_does_not_answer(house, how):
    for name in ("list-request", "mailer-daemon"):
        house.postern.cli("address", "add", f"{name}@{house.domain}", "--type", "alias", "--to", house["mary"])
    house.put(AWAY % "")
    deliver(house, "quiet", **{"sender": house["mary"]} | {k: v.format(house.domain) for k, v in how.items()})
    deliver(house, "loud", sender=house["mary"])                # and this one is answered
    wait_until(lambda: len(replies(house)) >= 1, 20, "the reply")
    settle(house)
    assert [r["Subject"] for r in replies(house)] == ["Auto: loud"]


def test_two_autoresponders_do_not_talk(house):
    """THREATS S38: each is told once, then there is silence."""
    house.put(AWAY % "")
    house.put(AWAY % "", who="mary")
    write(house, subject="hello")
    wait_until(lambda: len(replies(house)) == 1, 20, "joe's reply")
    settle(house)
    assert len(replies(house)) == 1 and subjects(house) == ["hello"]


def test_a_date_rule_follows_the_clock(house):
    now = datetime.datetime.fromtimestamp(house.postern.now(), datetime.timezone.utc)
    until = (now + datetime.timedelta(days=1)).isoformat(timespec="seconds")
    house.put(f'''require ["date", "relational", "fileinto", "mailbox"];
        if currentdate :zone "+0000" :value "lt" "iso8601" "{until}" {{ fileinto :create "Early"; }}''')
    deliver(house, "early")
    house.postern.travel(days=1, minutes=1)
    deliver(house, "late")
    assert subjects(house, "Early") == ["early"] and subjects(house) == ["late"]
