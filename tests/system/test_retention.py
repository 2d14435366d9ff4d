# SPDX-License-Identifier: Apache-2.0
"""Mail that is older than its mailbox keeps it goes by itself (M27)."""
import itertools

import pytest

from harness.wait import wait_until
from imapraw import Client, message

PASSWORD = "Correct-horse-1"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(make_postern_module):
    return make_postern_module


@pytest.fixture(scope="module")
def make_postern_module():
    from harness import Instance
    instance = Instance()
    instance.init().start()
    instance.add_customer()
    yield instance
    instance.close()


def sweep(server):
    server.cli("timer", "run", "store.retention")


def count(client, folder):
    (line,) = [x for x in client.ok(f"STATUS {folder} (MESSAGES)") if x.startswith(b"* STATUS ")]
    return int(line.split()[-1].rstrip(b")"))


def test_old_mail_is_deleted_in_all_folders(server):
    domain = f"keep{next(numbers)}.test"
    server.add_domain(domain)
    for name in ("joe", "mary", "jane"):
        server.add_mailbox(f"{name}@{domain}", PASSWORD, *(["--quota", "10M"] if name != "jane" else []))
    clients = {name: Client(server, f"{name}@{domain}", PASSWORD) for name in ("joe", "mary", "jane")}
    for c in clients.values():
        for folder in ("INBOX", "Sent", "Trash"):
            c.append(message("old"), folder, '(\\Flagged) "01-Jan-2020 00:00:00 +0000"')
            c.append(message("new"), folder)
    sweep(server)
    assert all(count(c, f) == 2 for c in clients.values() for f in ("INBOX", "Sent"))      # off by default
    used = server.json("mailbox", "show", f"joe@{domain}")["used_bytes"]
    joe = clients["joe"]
    joe.ok("ENABLE CONDSTORE")
    joe.ok("SELECT INBOX")
    tag = joe.idle()
    # As the domain says; a mailbox with a quota may say otherwise.
    assert server.json("mailbox", "set", f"mary@{domain}", "--retention", "off")["retention"] == "off"
    assert server.json("domain", "set", domain, "--retention", "on")["retention"] == "60"
    assert server.json("mailbox", "show", f"joe@{domain}")["retention"] == "60"
    sweep(server)
    assert joe.wait_line(rb"EXPUNGE") == b"* 1 EXPUNGE"     # whoever looks is told
    joe.done(tag)
    for name in ("joe", "jane"):
        for folder in ("Sent", "Trash"):
            assert wait_until(lambda: count(clients[name], folder) == 1)
    assert all(count(clients["mary"], f) == 2 for f in ("INBOX", "Sent", "Trash"))
    assert server.json("mailbox", "show", f"joe@{domain}")["used_bytes"] == used // 2
    # Time passes: what was new is old.
    server.json("mailbox", "set", f"mary@{domain}", "--retention", "90")
    server.travel(days=61)
    sweep(server)
    assert wait_until(lambda: count(clients["jane"], "Sent") == 0)
    assert wait_until(lambda: count(clients["mary"], "Sent") == 1)
    server.travel(days=91)
    sweep(server)
    assert wait_until(lambda: count(clients["mary"], "Trash") == 0)
    for c in clients.values():
        c.close()
    assert server.json("store", "check")["faults"] == 0


def test_who_may_keep_mail_longer(server):
    domain = f"keep{next(numbers)}.test"
    server.add_domain(domain)
    free, bound = f"free@{domain}", f"bound@{domain}"
    server.add_mailbox(free, PASSWORD)
    server.add_mailbox(bound, PASSWORD, "--quota", "1M")
    for value in ("off", "90"):
        assert "only a mailbox with a quota" in server.refused("mailbox", "set", free, "--retention", value)
    assert server.json("mailbox", "set", free, "--retention", "default")["retention"] == "off"
    assert server.json("mailbox", "set", bound, "--retention", "90")["retention"] == "90"
    assert "retention" in server.refused("mailbox", "set", bound, "--quota", "0")
    assert server.json("mailbox", "set", bound, "--quota", "2M", "--retention", "off")["retention"] == "off"
    for bad in ("00", "36501", "-1", "soon"):
        assert "number of days" in server.refused("mailbox", "set", bound, f"--retention={bad}")
        assert "number of days" in server.refused("domain", "set", domain, f"--retention={bad}")
    # The customer's word holds where nobody below says otherwise.
    assert server.json("customer", "set", "acme", "--retention", "30")["retention"] == "30"
    assert server.json("mailbox", "show", free)["retention"] == "30"
    assert server.json("domain", "set", domain, "--retention", "off")["retention"] == "off"
    assert server.json("mailbox", "show", free)["retention"] == "off"
    assert "default" in server.refused("customer", "set", "acme", "--retention", "default")
    server.cli("customer", "set", "acme", "--retention", "off")


def test_a_new_mailbox_has_its_retention(server):
    """Said when it is made, shown in lists, and in force at its shard: nobody has to set it again."""
    server.add_domain("new.test")
    made = server.json("mailbox", "add", "joe@new.test", "--password-stdin", "--quota", "1G", "--retention", "7", stdin=PASSWORD + "\n")
    assert made["retention"] == "7"
    server.add_mailbox("mary@new.test", PASSWORD)
    assert {m["address"]: m["retention"] for m in server.json("mailbox", "list", "--domain", "new.test")["items"]} == {
        "joe@new.test": "7", "mary@new.test": "off"}
    assert "RETENTION" in server.cli("mailbox", "list", "--domain", "new.test")
    assert "only a mailbox with a quota" in server.refused("mailbox", "add", "eve@new.test", "--retention", "7")
    assert server.try_cli("mailbox", "show", "eve@new.test").returncode == 1
    with server.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", ["joe@new.test", "mary@new.test"], b"From: a@elsewhere.test\r\nSubject: x\r\n\r\nx\r\n")
    server.wait_mail("joe@new.test", PASSWORD, 1)
    server.travel(days=8)
    sweep(server)
    wait_until(lambda: len(server.mail("joe@new.test", PASSWORD)) == 0, 20, "old mail to go")
    assert len(server.mail("mary@new.test", PASSWORD)) == 1
