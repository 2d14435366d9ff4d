# SPDX-License-Identifier: Apache-2.0
"""Mail that was taken and then meets a full mailbox, or Junk: the queue does what the session would have done."""
import concurrent.futures
import email
import email.policy
import itertools
import json
import re

import pytest

from harness import Instance, wait_until
from peers import FakeSmtp

PASSWORD = "Correct-horse-7"
JOE = "joe@sender.test"
KB = 1024
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def house():
    it = Instance(conf={"rooms.store": "2"})
    try:
        it.init().start()
        it.add_domain("sender.test")
        it.add_mailbox(JOE, PASSWORD)
        yield it
        it.close()
    except BaseException:
        it.close(check=False)
        raise


def text(subject, size=10 * KB, body=""):
    return (f"From: {JOE}\r\nSubject: {subject}\r\n\r\n{body}\r\n" + ("y" * 70 + "\r\n") * (size // 72)).encode()


def submit(it, to, subject, size=10 * KB):
    with it.submission(JOE, PASSWORD) as smtp:
        assert smtp.sendmail(JOE, [to] if isinstance(to, str) else to, text(subject, size)) == {}


def send(it, to, subject, body="", size=10 * KB):
    """From outside; the code at the end of the data."""
    with it.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("eve@elsewhere.test")
        for one in [to] if isinstance(to, str) else to:
            assert smtp.rcpt(one)[0] == 250
        return smtp.data(text(subject, size, body))[0]


def subjects(it, user, mailbox="INBOX"):
    """Of our messages; it is also told that it is nearly full."""
    return sorted(re.search(rb"Subject: (\S+)", m)[1].decode() for m in it.mail(user, PASSWORD, mailbox)
                  if b"elsewhere.test>" in m[:200] or JOE.encode() in m[:200])


def rows(it, domain):
    found = []
    for m in it.json("queue", "list", "--domain", domain)["items"]:
        shown = it.try_cli("queue", "show", str(m["id"]), "--json")         # or it was delivered meanwhile
        if m["sender"] in (JOE, "eve@elsewhere.test") and shown.returncode == 0:    # no notice that it is nearly full
            found += json.loads(shown.stdout)["recipients"]
    return found


class Moving:
    """A domain whose old server is away: mail for mary@ waits, and after the switch her mailbox has 30 KB."""

    def __init__(self, it, *more):
        self.it, self.old, self.domain = it, FakeSmtp(), f"full{next(numbers)}.test"
        it.add_domain(self.domain, "gateway", self.old.address)
        self.mary = f"mary@{self.domain}"
        it.add_mailbox(self.mary, PASSWORD, "--quota", "30K", *more)

    def __enter__(self):
        self.old.__enter__()
        self.old.stop()
        return self

    def __exit__(self, *why):
        self.old.__exit__(*why)

    def switch(self):
        self.it.cli("domain", "switch", self.domain, "hosted")

    def rows(self):
        return rows(self.it, self.domain)

    def waiting(self, tries=0):
        """The row that the full mailbox has put off. What came before the switch may have been tried at the old server, once
        or more often, which counts."""
        def find():
            rows = [r for r in self.rows() if r["tries"] >= tries and r["state"] != "active" and r["error"].startswith("4.2.2")]
            return rows[0] if rows else None
        return wait_until(find, 60, f"a row that was tried {tries} times: {self.rows()}")

    def try_again(self, seconds):
        self.it.travel(seconds=seconds)
        self.it.cli("timer", "run", "queue.wake")

    def empty(self):
        wait_until(lambda: not self.rows(), 60, f"an empty queue: {self.rows()}")

    def subjects(self, mailbox="INBOX"):
        return subjects(self.it, self.mary, mailbox)

    def make_room(self):
        imap = self.it.imap(self.mary, PASSWORD)
        imap.select("INBOX")
        imap.store("1:*", "+FLAGS", "\\Deleted")
        imap.expunge()
        imap.logout()


def reports(it, about):
    found = [email.message_from_bytes(m, policy=email.policy.default) for m in it.mail(JOE, PASSWORD)]
    return [m for m in found if m.get_content_type() == "multipart/report" and about in m.as_string()]


def report(it, about):
    wait_until(lambda: reports(it, about), 60, f"a report about {about}")
    assert len(reports(it, about)) == 1
    human, status, _ = reports(it, about)[0].iter_parts()
    assert "mailbox is full" in human.get_content()
    return status.get_payload()[1]


def fill(moving, count=3):
    """What fits and one more, which waits."""
    for n in range(count):
        submit(moving.it, moving.mary, f"m{n}", 12 * KB)
    moving.switch()
    return moving.waiting()


def error_of(row):
    return row["error"]


def test_later_with_a_backoff_and_delivered_when_there_is_room(house):
    with Moving(house) as moving:
        tried = house.now()         # at that time or later
        row = fill(moving)
        assert len(moving.subjects()) == 2
        for pause in (60, 120, 240):                    # queue.retry_first, doubled; spread by an eighth
            due, tries = row["next_ms"] / 1000, row["tries"]
            assert tried + pause * 7 / 8 <= due <= house.now() + pause * 9 / 8
            moving.try_again(pause * 0.5)               # too early
            assert moving.waiting()["tries"] == tries
            moving.try_again(due - house.now() + 1)
            tried, row = due, moving.waiting(tries + 1)
        assert not reports(house, moving.mary)
        before = set(moving.subjects())
        moving.make_room()
        moving.try_again(600)
        moving.empty()
        assert set(moving.subjects()) == {"m0", "m1", "m2"} - before


def test_bounced_when_its_time_is_over(house):
    with Moving(house) as moving:
        tries = fill(moving)["tries"]
        moving.try_again(4 * 86400)
        moving.waiting(tries + 1)   # tried, and not again before the sweep
        assert not reports(house, moving.mary)
        house.travel(days=2)
        house.cli("timer", "run", "queue.sweep")
        moving.empty()
        status = report(house, moving.mary)
        assert (status["Action"], status["Status"]) == ("failed", "4.4.7")
        assert status["Final-Recipient"] == f"rfc822; {moving.mary}"
        assert "mailbox is full" in status["Diagnostic-Code"]
        assert len(moving.subjects()) == 2


def test_refused_for_good_is_told_at_once(house):
    with Moving(house) as moving:
        house.cli("domain", "set", moving.domain, "--over-quota", "refuse")
        for n in range(3):
            submit(house, moving.mary, f"m{n}", 12 * KB)
        moving.switch()
        moving.empty()
        status = report(house, moving.mary)
        assert (status["Action"], status["Status"]) == ("failed", "5.2.2")
        assert len(moving.subjects()) == 2


def test_the_setting_is_in_force_for_mail_that_waits(house):
    with Moving(house) as moving:
        fill(moving)
        house.cli("domain", "set", moving.domain, "--over-quota", "refuse")
        moving.try_again(90)
        moving.empty()
        assert report(house, moving.mary)["Status"] == "5.2.2"


def test_a_strangers_mail_makes_no_report(house):
    """S36: who sent it nobody knows."""
    with Moving(house) as moving:
        house.cli("domain", "set", moving.domain, "--over-quota", "refuse")
        before = house.room("queue")["counters"]
        for n in range(3):
            assert send(house, moving.mary, f"m{n}", size=12 * KB) == 250
        moving.switch()
        moving.empty()
        after = house.room("queue")["counters"]
        assert after["notifications.withheld"] == before["notifications.withheld"] + 1
        assert after["notifications"] == before["notifications"]
        assert len(moving.subjects()) == 2


def test_passed_on_by_a_rule_to_a_full_mailbox(house):
    """It stays with whose rule it was. Where there are others to pass it on to, the sender is told of the full one as well."""
    n = next(numbers)
    mary, rita, other, both = (f"{name}{n}@sender.test" for name in ("mary", "rita", "other", "both"))
    house.add_mailbox(mary, PASSWORD, "--quota", "15K")
    house.add_mailbox(rita, PASSWORD)
    house.add_mailbox(other, PASSWORD)
    house.cli("address", "add", both, "--type", "list", "--to", mary, "--to", other)
    house.cli("domain", "set", "sender.test", "--over-quota", "refuse")
    try:
        house.cli("sieve", "put", rita, "rules", house.write_file("rules.sieve", f'redirect "{mary}";'), "--active")
        submit(house, rita, "r1")
        wait_until(lambda: house.mail(mary, PASSWORD), 60, "the first one")
        assert not house.mail(rita, PASSWORD)
        submit(house, rita, "r2")
        assert subjects(house, rita) == ["r2"]
        house.cli("sieve", "put", rita, "rules", house.write_file("rules.sieve", f'redirect "{both}";'), "--active")
        submit(house, rita, "r3")
        assert subjects(house, rita) == ["r2", "r3"]
        wait_until(lambda: subjects(house, other) == ["r3"], 60, "the list's other member")
        assert report(house, rita)["Status"] == "5.2.2"
        assert len(house.mail(mary, PASSWORD)) == 1
    finally:
        house.cli("domain", "set", "sender.test", "--over-quota", "later")


# -- several shards -------------------------------------------------------------

def pair(it):
    """Two mailboxes that were made one after the other are in different shards; the second one has little room."""
    n = next(numbers)
    names = [f"pair{n}{x}@sender.test" for x in "ab"]
    it.add_mailbox(names[0], PASSWORD)
    it.add_mailbox(names[1], PASSWORD, "--quota", "100K")
    return names


@pytest.mark.parametrize("kind", ["list", "recipients"])
def test_full_in_one_shard_is_refused_before_the_other_has_it(house, kind):
    names = pair(house)
    to = f"{kind}@sender.test"
    if kind != "recipients":
        house.cli("address", "add", to, "--type", kind, "--to", names[0], "--to", names[1])
    for n in range(8):
        assert send(house, names[1], f"x{n}") == 250
    for n in range(5):
        code = send(house, names if kind == "recipients" else to, f"both{n}")
        if code != 250:
            break
    assert code == 452
    assert subjects(house, names[0]) == [f"both{i}" for i in range(n)]
    house.cli("domain", "set", "sender.test", "--over-quota", "refuse")
    try:
        assert send(house, names, "never") == 552
    finally:
        house.cli("domain", "set", "sender.test", "--over-quota", "later")


def test_both_or_neither_while_one_shard_fills_up(house):
    """250 is one copy for each, at once or out of the queue; a refusal is a copy for nobody."""
    names = pair(house)

    def sender(n):
        return [f"s{n}-{i}" for i in range(4) if send(house, names, f"s{n}-{i}", size=4 * KB) == 250]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        taken = sorted(x for found in pool.map(sender, range(16)) for x in found)
    assert 15 < len(taken) < 64
    assert subjects(house, names[0]) == taken
    imap = house.imap(names[1], PASSWORD)
    count = imap.select("INBOX")[1][0].decode()
    got = subjects(house, names[1])
    assert imap.status("INBOX", "(MESSAGES)")[1][0].split()[-1] == f"{count})".encode()
    imap.store(f"1:{count}", "+FLAGS", "\\Deleted")
    imap.expunge()
    imap.logout()
    house.travel(hours=1)
    house.cli("timer", "run", "queue.wake")
    wait_until(lambda: not rows(house, "sender.test"), 60, "an empty queue")
    assert sorted(got + subjects(house, names[1])) == taken


def test_what_a_collecting_mailbox_has_no_room_for_waits(house):
    """Each recipient's copy is an operation of its own: there was room for either, not for both."""
    domain = f"drop{next(numbers)}.test"
    house.add_domain(domain)
    box = f"box@{domain}"
    house.add_mailbox(box, PASSWORD, "--quota", "15K")
    house.cli("domain", "set", domain, "--catch-all", box, "--multidrop", "on")
    assert send(house, [f"one@{domain}", f"two@{domain}"], "both") == 250
    assert len(house.mail(box, PASSWORD)) == 1

    def row():
        found = rows(house, domain)
        return found[0] if found and found[0]["tries"] else None
    assert error_of(wait_until(row, 60, "the other copy")).startswith("4.2.2")
    house.cli("mailbox", "set", box, "--quota", "1M")
    house.travel(hours=1)
    house.cli("timer", "run", "queue.wake")
    got = house.wait_mail(box, PASSWORD, 2)
    assert sorted(re.search(rb"Delivered-To: (\w+)@", m)[1] for m in got) == [b"one", b"two"]


# -- junk -------------------------------------------------------------------------

def test_junk_is_junk_out_of_the_queue_too(house):
    with Moving(house) as moving:
        direct = f"direct{next(numbers)}@sender.test"
        house.add_mailbox(direct, PASSWORD)
        assert send(house, direct, "spam", GTUBE, KB) == 250
        assert len(house.mail(direct, PASSWORD, "Junk")) == 1 and not house.mail(direct, PASSWORD)
        # A rule would pass it on, another one answer; both keep their hands off it.
        house.cli("sieve", "put", moving.mary, "rules", house.write_file(
            "rules.sieve", f'require ["vacation"];\nredirect "{direct}";\nvacation "Away.";'), "--active")
        assert send(house, moving.mary, "spam", GTUBE, KB) == 250
        before = house.room("queue")["counters"]["enqueued"]
        moving.switch()
        moving.empty()
        assert moving.subjects("Junk") == ["spam"] and not moving.subjects()
        assert house.room("queue")["counters"]["enqueued"] == before
        assert len(house.mail(direct, PASSWORD, "Junk")) == 1 and not house.mail(direct, PASSWORD)
        # Who logged in may send what he likes.
        house.cli("sieve", "put", moving.mary, "rules", house.write_file("rules.sieve", "keep;"), "--active")
        with house.submission(JOE, PASSWORD) as smtp:
            smtp.sendmail(JOE, [moving.mary], text("mine", KB, GTUBE))
        assert moving.subjects() == ["mine"]
