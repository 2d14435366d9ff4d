# SPDX-License-Identifier: Apache-2.0
"""Pools and allotments (M25), and what happens at the end of a quota (M26)."""
import concurrent.futures
import contextlib
import itertools
import smtplib

import pytest

from harness.wait import wait_until
from imapraw import Client, message

PASSWORD = "Correct-horse-1"
KB = 1024
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(shared_postern):
    return shared_postern


class House:
    """A customer of its own with one domain."""

    def __init__(self, server, *options):
        n = next(numbers)
        self.server, self.customer, self.domain = server, f"quota{n}", f"quota{n}.test"
        server.cli("customer", "add", self.customer, *options)
        server.cli("domain", "add", self.domain, "--customer", self.customer, "--mode", "hosted")

    def mailbox(self, name, *options):
        self.server.add_mailbox(f"{name}@{self.domain}", PASSWORD, *options)
        return f"{name}@{self.domain}"

    def used(self):
        return self.server.json("customer", "show", self.customer)["used_bytes"]


def send(server, to, size=10 * KB, sender="a@elsewhere.test"):
    """None where it was kept, else (at which command, code, enhanced code)."""
    to = [to] if isinstance(to, str) else to
    body = message("quota", "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * (size // 72))
    with server.smtp() as smtp:
        smtp.ehlo()
        smtp.mail(sender, [f"SIZE={len(body)}"])
        for one in to:
            code, text = smtp.rcpt(one)
            if code >= 400:
                return "RCPT", code, text.split()[0].decode()
        code, text = smtp.data(body)
        return None if code == 250 else ("DATA", code, text.split()[0].decode())


def both_say(client, command, line, used):
    """IMAP's answer to an account's or a pool's use, and what the API says of it; but for a notice that comes in between."""
    def same():
        want = line % ((used() + 1023) // 1024)
        return [x for x in client.ok(command) if x.startswith(b"* QUOTA ")][-1:] == [want]
    wait_until(same, what=f"{command} to say what is used")


def fill(server, to, size=10 * KB):
    """Until it is refused; how many were taken, and the refusal."""
    for n in range(1000):
        refused = send(server, to, size)
        if refused:
            return n, refused
    raise AssertionError("no end")


def test_fixed_parts_of_a_pool(server):
    house = House(server, "--pool", "10M", "--allotment", "fixed")
    assert "part of the customer's pool" in server.refused("mailbox", "add", f"a@{house.domain}")
    house.mailbox("a", "--quota", "6M")
    b = ("mailbox", "add", f"b@{house.domain}", "--quota")
    assert "5M asked for, but only 4M of the customer's pool of 10M are left" in server.refused(*b, "5M")
    assert f"{(4 << 20) + 1} bytes asked for" in server.refused(*b, str((4 << 20) + 1))
    assert "nur 4M vom Speicher des Kunden von 10M" in server.refused("--lang", "de", *b, "5M")
    house.mailbox("b", "--quota", "4M")
    assert "pool" in server.refused("mailbox", "set", f"b@{house.domain}", "--quota", "5M")
    assert "pool" in server.refused("mailbox", "set", f"b@{house.domain}", "--quota", "0")
    server.cli("mailbox", "set", f"a@{house.domain}", "--quota", "5M")
    server.cli("mailbox", "set", f"b@{house.domain}", "--quota", "5M")
    # The customer's own rules are held to what is there.
    assert "10M are allotted to mailboxes already" in server.refused("customer", "set", house.customer, "--pool", "9M")
    shown = server.json("customer", "set", house.customer, "--allotment", "shared", "--pool", "9M")
    assert (shown["allotment"], shown["pool_bytes"]) == ("shared", 9 << 20)
    house.mailbox("c")
    assert "1 mailbox has no quota of its own:" in server.refused("customer", "set", house.customer, "--allotment", "fixed")


def test_a_shared_pool_below_a_quota(server):
    """A quota is never more than the pool, whichever of the two is changed; mail that is there is no reason."""
    house = House(server, "--pool", "200K")
    a, b = house.mailbox("a"), house.mailbox("b", "--quota", "100K")
    n = 100 * KB
    pool = ("customer", "set", house.customer, "--pool")
    assert f"the quota of {b} is 100K, more than a pool of {n - 1} bytes" in server.refused(*pool, str(n - 1))
    assert f"der Speicherplatz von {b} ist 100K, mehr als ein Speicher von 99K" in server.refused("--lang", "de", *pool, "99K")
    assert server.json(*pool, str(n))["pool_bytes"] == n
    assert f"{n + 1} bytes asked for" in server.refused("mailbox", "set", b, "--quota", str(n + 1))
    server.cli("mailbox", "set", b, "--quota", "0")
    fill(server, a)
    assert 90 * KB < house.used() <= n
    assert server.json(*pool, "50K")["pool_bytes"] == 50 * KB
    assert send(server, b)[1:] == (452, "4.2.2") and house.used() > 50 * KB
    # A domain does not come into a customer's pool that is smaller than a quota of its mailboxes.
    other = House(server)
    big = other.mailbox("big", "--quota", "51K")
    move = ("domain", "set", other.domain, "--customer", house.customer)
    assert f"the quota of {big} is 51K, more than a pool of 50K" in server.refused(*move)
    server.cli("mailbox", "set", big, "--quota", "50K")
    server.cli(*move)


def test_a_full_mailbox(server):
    house = House(server)
    joe, mary = house.mailbox("joe", "--quota", "100K"), house.mailbox("mary")
    server.cli("address", "add", f"info@{house.domain}", "--type", "alias", "--to", joe)
    server.cli("address", "add", f"all@{house.domain}", "--type", "list", "--to", joe, "--to", mary)
    taken, refused = fill(server, joe)
    assert taken >= 8 and refused[1:] == (452, "4.2.2")
    row = server.json("mailbox", "show", joe)
    assert row["quota_bytes"] == 100 * KB and row["used_bytes"] <= 100 * KB
    assert row["percent"] == row["used_bytes"] * 100 // row["quota_bytes"] >= 80
    for to in (joe, f"info@{house.domain}", f"all@{house.domain}", [mary, joe]):
        assert send(server, to)[1:] == (452, "4.2.2"), to
    assert server.json("mailbox", "show", mary)["messages"] == 0
    # As the domain wants it: for good instead.
    server.cli("domain", "set", house.domain, "--over-quota", "refuse")
    for to in (joe, f"info@{house.domain}", f"all@{house.domain}"):
        assert send(server, to)[1:] == (552, "5.2.2"), to
    assert server.json("domain", "show", house.domain)["over_quota"] == "refuse"
    # IMAP says so, too.
    c = Client(server, joe, PASSWORD)
    c.ok("SELECT INBOX")
    c.no("COPY 1 Trash", "OVERQUOTA")
    tag = c.begin(f"APPEND Sent {{{20 * KB}+}}")
    c.send(b"x" * 20 * KB + b"\r\n")
    assert c.finish(tag).text.startswith("[OVERQUOTA]")
    both_say(c, 'GETQUOTA ""', b'* QUOTA "" (STORAGE %d 100)', lambda: server.json("mailbox", "show", joe)["used_bytes"])
    c.no("GETQUOTA pool", "NONEXISTENT")
    c.ok("MOVE 1 Trash")                            # takes nothing more
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert send(server, joe) is None
    c.close()


def test_passed_on_to_a_full_mailbox(server):
    """It stays where it came to: nobody would be told of it behind the 250. At the limit it fits, a byte over it does not."""
    house = House(server)
    joe, mary, full = house.mailbox("joe"), house.mailbox("mary"), house.mailbox("full")
    server.cli("domain", "set", house.domain, "--over-quota", "refuse")
    server.cli("address", "add", f"all@{house.domain}", "--type", "list", "--to", full, "--to", mary)
    server.cli("forward", "set", joe, "--to", full)

    def has(address):
        """But for notices (of the forward, of the quota)."""
        with contextlib.closing(Client(server, address, PASSWORD)) as c:
            c.ok("EXAMINE INBOX")
            (found,) = [line for line in c.ok("SEARCH FROM joe@example.test") if line.startswith(b"* SEARCH")]
            return len(found.split()) - 2

    def used():
        return server.json("mailbox", "show", full)["used_bytes"]
    told = wait_until(used, 60, "the notice that joe's mail goes here")
    assert send(server, joe) is None
    wait_until(lambda: has(full) == 1, 60, "what fits")
    size = used() - told
    for spare, stays in ((0, 0), (-1, 1)):
        before = has(joe), has(full)
        server.cli("mailbox", "set", full, "--quota", str(used() + size + spare))
        assert send(server, joe) is None
        wait_until(lambda: (has(joe), has(full)) == (before[0] + stays, before[1] + 1 - stays), 60, f"its place with {spare}")
    # One of several: the others have theirs.
    server.cli("forward", "set", joe, "--to", f"all@{house.domain}")
    assert send(server, joe) is None
    wait_until(lambda: has(mary) == 1, 60, "the list's other member")
    assert has(joe) == 2 and has(full) == 2


def test_what_has_no_limit_has_no_root(server):
    """RFC 9208 has no form for a use without a limit, and a list of resources is never empty."""
    house = House(server)
    joe = house.mailbox("joe")
    with contextlib.closing(Client(server, joe, PASSWORD)) as c:
        assert c.ok("GETQUOTAROOT INBOX") == [b'* QUOTAROOT "INBOX"']
        c.no('GETQUOTA ""', "NONEXISTENT")
        server.cli("mailbox", "set", joe, "--quota", "100K")
        assert c.ok("GETQUOTAROOT INBOX") == [b'* QUOTAROOT "INBOX" ""', b'* QUOTA "" (STORAGE 0 100)']
        assert c.ok('GETQUOTA ""') == [b'* QUOTA "" (STORAGE 0 100)']
        server.cli("mailbox", "set", joe, "--quota", "0")
        assert c.ok("GETQUOTAROOT INBOX") == [b'* QUOTAROOT "INBOX"']


def test_refused_at_rcpt_where_it_is_known(server):
    house = House(server)
    joe, mary = house.mailbox("joe", "--quota", "100K"), house.mailbox("mary")
    fill(server, joe)
    fill(server, joe, 1 * KB)                       # above 95 %: directory hears of it
    assert wait_until(lambda: send(server, joe)[0] == "RCPT")
    assert send(server, joe) == ("RCPT", 452, "4.2.2")
    # Among several behind one name a full one does not keep the mail from being looked at.
    server.cli("address", "add", f"all@{house.domain}", "--type", "list", "--to", joe, "--to", mary)
    assert send(server, f"all@{house.domain}") == ("DATA", 452, "4.2.2")
    server.cli("mailbox", "set", joe, "--quota", "200K")
    assert send(server, joe) is None


def test_a_shared_pool(server):
    house = House(server, "--pool", "200K")
    a, b = house.mailbox("a"), house.mailbox("b", "--quota", "50K")
    taken, refused = fill(server, b)
    assert 3 <= taken <= 4 and refused[1:] == (452, "4.2.2")      # its own quota
    more, refused = fill(server, a)
    assert refused[1:] == (452, "4.2.2")
    assert 190 * KB < house.used() <= 200 * KB
    assert send(server, b, 1 * KB) is None or house.used() <= 200 * KB
    c = Client(server, a, PASSWORD)
    assert c.ok("GETQUOTAROOT INBOX")[0] == b'* QUOTAROOT "INBOX" "pool"'
    for command in ("GETQUOTAROOT INBOX", "GETQUOTA pool"):
        both_say(c, command, b'* QUOTA "pool" (STORAGE %d 200)', house.used)
    # More of it is in force when the call returns, and so is less.
    server.cli("customer", "set", house.customer, "--pool", "240K")
    assert send(server, a) is None
    server.cli("customer", "set", house.customer, "--pool", "100K")
    assert send(server, a, 1 * KB)[1:] == (452, "4.2.2")
    # What one gives back the other may use.
    c.ok("SELECT INBOX")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("CLOSE")
    assert send(server, a) is None
    # No pool, no end.
    server.cli("customer", "set", house.customer, "--pool", "0")
    for _ in range(12):
        assert send(server, a) is None
    c.no("GETQUOTA pool", "NONEXISTENT")
    c.close()
    assert server.json("store", "check")["faults"] == 0


def test_mail_of_candidates_counts_in_the_pool(server):
    house = House(server, "--pool", "60K")
    house.mailbox("a")
    server.cli("domain", "set", house.domain, "--candidates", "on")
    taken, refused = fill(server, f"nobody@{house.domain}")
    assert 4 <= taken <= 5 and refused[1:] == (452, "4.2.2")
    assert send(server, f"a@{house.domain}")[1:] == (452, "4.2.2")
    server.cli("domain", "set", house.domain, "--over-quota", "refuse")
    assert send(server, f"nobody@{house.domain}")[1:] == (552, "5.2.2")


def test_a_domain_changes_its_pool(server):
    small, large = House(server, "--pool", "30K"), House(server, "--pool", "10M")
    a = small.mailbox("a")
    assert fill(server, a)[0] == 2
    server.cli("domain", "set", small.domain, "--customer", large.customer)
    assert send(server, a) is None
    server.cli("domain", "set", small.domain, "--customer", small.customer)
    assert send(server, a)[1:] == (452, "4.2.2")


def storm(server, targets, connections=16, size=10 * KB):
    """Each connection delivers until it is refused."""
    def one(n):
        return fill(server, targets[n % len(targets)], size)
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        return list(pool.map(one, range(connections)))


def test_parallel_deliveries_do_not_pass_a_quota(server):
    house = House(server)
    joe = house.mailbox("joe", "--quota", "500K")
    results = storm(server, [joe])
    row = server.json("mailbox", "show", joe)
    assert row["messages"] - 2 <= sum(n for n, _ in results) <= row["messages"]      # less what he was told
    assert row["messages"] > 40
    assert 480 * KB < row["used_bytes"] <= 500 * KB
    assert all(refused[1:] == (452, "4.2.2") for _, refused in results)


@pytest.mark.parametrize("shards", [1, 3])
def test_parallel_deliveries_do_not_pass_a_pool(make_postern, shards):
    server = make_postern(conf={"rooms.store": shards}).init()
    server.start()
    house = House(server, "--pool", "1M")
    targets = [house.mailbox(f"m{n}") for n in range(6)]
    results = storm(server, targets)
    rows = [server.json("mailbox", "show", t) for t in targets]
    kept = sum(r["messages"] for r in rows) - sum(len(notices(server, t)) for t in targets)
    assert kept <= sum(n for n, _ in results) <= sum(r["messages"] for r in rows)    # less what they were told
    assert (1 << 20) - 32 * KB < sum(r["used_bytes"] for r in rows) <= 1 << 20
    assert all(refused[1:] == (452, "4.2.2") for _, refused in results)
    # A shard that has to spare gives it to the one that asks.
    c = Client(server, targets[0], PASSWORD)
    c.ok("SELECT INBOX")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("CLOSE")
    c.close()
    spare = (1 << 20) - sum(server.json("mailbox", "show", t)["used_bytes"] for t in targets)
    rounds = (spare - 40 * KB) // (11 * KB) // 5            # less what they may be told meanwhile
    assert rounds
    for target in targets[1:]:
        for _ in range(rounds):
            assert send(server, target) is None, target
    assert server.json("store", "check")["faults"] == 0
    # Nobody forgets it.
    server.kill_all()
    server.start()
    storm(server, targets, 6)
    assert sum(server.json("mailbox", "show", t)["used_bytes"] for t in targets) <= 1 << 20


def test_a_pool_while_directory_is_down(make_postern):
    server = make_postern().init()
    server.start()
    house = House(server, "--pool", "1M")
    a = house.mailbox("a")
    assert send(server, a) is None
    server.kill("directory")                        # comes back by itself; what waits for it goes on
    assert send(server, a) is None
    assert fill(server, a, 100 * KB)[1][1:] == (452, "4.2.2")


def notices(server, to):
    return [n["kind"] for n in server.json("notice", "log", "--to", to)["items"] if n["kind"].startswith(("quota", "pool"))][::-1]


def test_who_is_told_of_a_crossing(server):
    house = House(server, "--pool", "200K")
    contact = house.mailbox("boss")
    server.cli("customer", "set", house.customer, "--contact", contact)
    joe = house.mailbox("joe", "--quota", "100K")
    for _ in range(7):
        assert send(server, joe) is None
    assert notices(server, joe) == []
    assert send(server, joe) is None                # above 80 %
    assert wait_until(lambda: notices(server, joe)) == ["quota_80"]
    for _ in range(20):
        if send(server, joe, 4 * KB):
            break
    assert wait_until(lambda: notices(server, joe) == ["quota_80", "quota_95"])
    # The pool's line: whose mail crossed it, and the contact.
    mary = house.mailbox("mary")
    fill(server, mary)
    assert wait_until(lambda: notices(server, contact))
    assert wait_until(lambda: notices(server, mary))
    # Both are told of the pool: nobody of a mailbox that is not full.
    assert set(notices(server, contact)) | set(notices(server, mary)) <= {"pool_80", "pool_95"}
    told = server.json("notice", "log", "--to", mary)["items"][0]
    assert f"The storage of {house.customer} is" in told["subject"]
    text = server.json("notice", "show", told["id"])["text"]
    assert f"the mailboxes of {house.customer} share 200 KB of storage" in text
    # Armed again only below the line, and then told once more.
    c = Client(server, joe, PASSWORD)
    c.ok("SELECT INBOX")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("CLOSE")
    c.close()
    server.cli("customer", "set", house.customer, "--pool", "1M")
    fill(server, joe)
    assert wait_until(lambda: notices(server, joe).count("quota_80") + notices(server, joe).count("quota_95") >= 3)
    before = notices(server, joe)
    fill(server, joe, 1 * KB)
    server.cli("timer", "run")
    assert len(notices(server, joe)) - len(before) <= 1
