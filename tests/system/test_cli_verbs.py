# SPDX-License-Identifier: Apache-2.0
"""Every verb of the command line against a running instance: what it does, its JSON, its table, its refusals."""
import os
import pty
import re
import select
import subprocess

import pytest

from harness.instance import binary
from harness.wait import wait_until

PASSWORD = "Correct-Horse-7-Battery"


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_customer("acme")
    return shared_postern


@pytest.fixture
def domain(house, request):
    """A hosted domain of this test's own."""
    name = re.sub("[^a-z0-9]", "-", request.node.name.lower())[:40].strip("-") + ".test"
    house.add_domain(name)
    return name


def items(house, *args):
    return house.json(*args)["items"]


def test_customer(house):
    made = house.json("customer", "add", "cust1", "--pool", "10G", "--language", "de", "--contact", "a@b.test")
    assert made["customer"] == "cust1" and made["pool_bytes"] == 10 << 30 and made["language"] == "de"
    assert "exists already" in house.refused("customer", "add", "cust1")
    shown = house.json("customer", "show", "cust1")
    assert shown.items() >= made.items()
    assert any(shown.items() >= one.items() for one in items(house, "customer", "list"))
    table = house.cli("customer", "list")
    assert re.search(r"^CUSTOMER +DOMAINS +MAILBOXES +POOL ", table, re.M)
    assert re.search(r"^cust1 +0 +0 +10G +", table, re.M)
    house.cli("customer", "remove", "cust1")
    assert "cust1" in house.refused("customer", "show", "cust1")


def test_customer_with_domains_stays(house, domain):
    assert "domain" in house.refused("customer", "remove", "acme")


def test_domain(house):
    made = house.json("domain", "add", "dom1.test", "--customer", "acme", "--mode", "gateway", "--server", "[::1]:2525")
    assert made["mode"] == "gateway" and made["server"] == "[::1]:2525" and made["customer"] == "acme"
    assert "exists already" in house.refused("domain", "add", "DOM1.test", "--customer", "acme", "--mode", "hosted")
    changed = house.json("domain", "set", "dom1.test", "--server", "old.dom1.test", "--server-tls", "required")
    assert changed["server"] == "old.dom1.test:25" and changed["server_tls"] == "required"
    assert changed.pop("dry_run") is False
    assert house.json("domain", "show", "dom1.test") == changed
    assert changed in items(house, "domain", "list", "--customer", "acme")
    assert re.search(r"^dom1\.test +acme +gateway ", house.cli("domain", "list"), re.M)
    house.cli("domain", "remove", "dom1.test")
    assert "dom1.test" in house.refused("domain", "show", "dom1.test")


def test_domain_of_nobody(house):
    assert "nobody" in house.refused("domain", "add", "x.test", "--customer", "nobody", "--mode", "hosted")


def test_domain_switch(house):
    house.add_domain("switch.test", "gateway", "127.0.0.1:2525")
    would = house.json("domain", "switch", "switch.test", "hosted", "--dry-run")
    assert would["mode_before"] == "gateway" and would["mode"] == "hosted" and would["dry_run"] is True
    assert house.json("domain", "show", "switch.test")["mode"] == "gateway"
    assert house.cli("domain", "switch", "switch.test", "hosted").startswith("switch.test went from gateway to hosted\n")
    assert house.json("domain", "show", "switch.test")["mode"] == "hosted"
    house.cli("domain", "switch", "switch.test", "gateway")
    assert house.json("domain", "show", "switch.test")["mode"] == "gateway"


def test_mailbox(house, domain):
    joe = "joe@" + domain
    made = house.json("mailbox", "add", joe, "--password-stdin", "--quota", "2G", "--name", "Joe Dœ", stdin=PASSWORD)
    assert made["address"] == joe and made["quota_bytes"] == 2 << 30 and made["name"] == "Joe Dœ" and made["has_password"]
    assert "exists already" in house.refused("mailbox", "add", joe)
    house.imap(joe, PASSWORD).logout()
    house.cli("mailbox", "password", joe, "--password-stdin", stdin="Another-Horse-8-Entirely\n")
    with pytest.raises(Exception, match="(?i)auth|fail|invalid"):
        house.imap(joe, PASSWORD)
    house.imap(joe, "Another-Horse-8-Entirely").logout()
    assert house.json("mailbox", "set", joe, "--quota", "3G")["quota_bytes"] == 3 << 30
    assert house.json("mailbox", "show", joe)["name"] == "Joe Dœ"
    assert [m["address"] for m in items(house, "mailbox", "list", "--domain", domain)] == [joe]
    assert re.search(rf"^{joe} +Joe Dœ +default +\d+ +3\.0G +off +0 +yes +no$", house.cli("mailbox", "list", "--domain", domain), re.M)
    assert "mailbox" in house.refused("domain", "remove", domain)
    house.cli("mailbox", "remove", joe)
    assert joe in house.refused("mailbox", "show", joe)
    assert house.cli("mailbox", "list", "--domain", domain) == "none\n"


def test_a_weak_password_is_refused_and_not_repeated(house, domain):
    text = house.refused("mailbox", "add", "joe@" + domain, "--password-stdin", stdin="short1\n")
    assert "short1" not in text and "12" in text


def test_mailbox_of_an_unknown_domain(house):
    assert "nowhere.test" in house.refused("mailbox", "add", "joe@nowhere.test")


def test_a_password_asked_for_on_a_terminal_is_not_echoed(house, domain):
    joe = "joe@" + domain
    leader, follower = pty.openpty()
    done = house._spawn(["-d", house.dir, "mailbox", "add", joe], stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""
    for prompt in (b"Password: ", b"Once more: "):
        while not seen.endswith(prompt):
            assert select.select([leader], [], [], 30)[0], seen
            seen += os.read(leader, 1)
        os.write(leader, PASSWORD.encode() + b"\n")
    assert done.wait(30) == 0
    assert PASSWORD.encode() not in seen
    os.close(leader)
    house.imap(joe, PASSWORD).logout()


def test_address(house, domain):
    for name in ("joe", "mary"):
        house.add_mailbox(f"{name}@{domain}", None)
    alias = house.json("address", "add", "info@" + domain, "--type", "alias", "--to", "joe@" + domain)
    assert alias["type"] == "alias" and alias["to"] == ["joe@" + domain]
    house.cli("address", "add", "all@" + domain, "--type", "list", "--to", "joe@" + domain, "--to", "mary@" + domain)
    house.cli("address", "add", "away@" + domain, "--type", "redirect", "--to", "someone@elsewhere.test")
    house.cli("address", "add", "gone@" + domain, "--type", "banished")
    assert "exists already" in house.refused("address", "add", "info@" + domain, "--type", "banished")
    kinds = {a["address"].split("@")[0]: a["type"] for a in items(house, "address", "list", "--domain", domain)}
    assert kinds == {"info": "alias", "all": "list", "away": "redirect", "gone": "banished"}
    table = house.cli("address", "list", "--domain", domain)
    assert re.search(rf"^all@{domain} +list +joe@{domain}, mary@{domain} ", table, re.M)
    house.cli("address", "remove", "info@" + domain)
    assert "info@" in house.refused("address", "remove", "info@" + domain)


def test_import(house, domain):
    good = house.write_file("accounts.csv", f"address,password\nann@{domain},{PASSWORD}\nbob,{PASSWORD}\n")
    dry = house.json("import", "accounts", good, "--domain", domain, "--dry-run")
    assert dry["dry_run"] is True and dry["added"] == 2
    assert items(house, "mailbox", "list", "--domain", domain) == []
    assert "2 added" in house.cli("import", "accounts", good, "--domain", domain)
    house.imap("bob@" + domain, PASSWORD).logout()
    assert "line 2: " in house.refused("import", "accounts", good, "--domain", domain)
    aliases = house.write_file("aliases.txt", f"info: ann, bob\nsales: ann@{domain}\n")
    assert house.json("import", "aliases", aliases, "--domain", domain)["added"] == 2
    assert len(items(house, "address", "list", "--domain", domain)) == 2


def test_import_with_broken_lines_changes_nothing(house, domain):
    bad = house.write_file("bad.csv", "address,password\nann,Correct-Horse-7-Battery\nb@d@x,\n\x01,x\n")
    text = house.refused("import", "accounts", bad, "--domain", domain)
    assert re.search(r"^  line 3: ", text, re.M) and re.search(r"^  line 4: ", text, re.M) and "line 2" not in text
    assert "\x01" not in text
    problem = house.try_cli("import", "accounts", bad, "--domain", domain, "--json")
    assert problem.returncode == 1 and '"line": 3' in problem.stdout
    assert items(house, "mailbox", "list", "--domain", domain) == []


def test_import_tells_of_every_line_at_once(house, domain):
    """Lines that cannot be read, names that are none, names that are taken: in one go, in the order of the file."""
    house.add_mailbox("ann@" + domain, PASSWORD)
    accounts = house.write_file("mixed.csv", "address,password,quota\nb@d@x,,\nann,Other-Secret-9-x,\ncarl,,2X\ndora,,1G\n")
    aliases = house.write_file("mixed.txt", "no colon\nann: dora\nx@y@z: ann\ninfo: nobody\nsales: ann\n")
    for verb, file, lines in (("accounts", accounts, ["2", "3", "4"]), ("aliases", aliases, ["1", "2", "3"])):
        text = house.refused("import", verb, file, "--domain", domain)
        assert re.findall(r"^  line (\d+): ", text, re.M) == lines, text
    aliases = house.write_file("mixed.txt", "ann: bob\ninfo: nobody\nann2: x\nsales: ann\ny: ann\ny: ann\n")
    text = house.refused("import", "aliases", aliases, "--domain", domain)
    assert re.findall(r"^  line (\d+): ", text, re.M) == ["1", "2", "3", "6"], text
    assert items(house, "address", "list", "--domain", domain) == []


def test_import_from_stdin_and_of_a_missing_file(house, domain):
    assert "1 added" in house.cli("import", "accounts", "-", "--domain", domain, stdin=f"address,password\nann,{PASSWORD}\n")
    assert "No such file" in house.refused("import", "accounts", "/nonexistent", "--domain", domain)


def test_lists_come_in_pages(house, domain):
    text = "address,password\n" + "".join(f"user{i:04},\n" for i in range(1203))
    house.cli("import", "accounts", "-", "--domain", domain, stdin=text, seconds=120)
    every = [m["address"] for m in items(house, "mailbox", "list", "--domain", domain)]
    assert every == [f"user{i:04}@{domain}" for i in range(1203)]
    page = house.json("mailbox", "list", "--domain", domain, "--limit", "3")
    assert [m["address"] for m in page["items"]] == every[:3] and page["next"]
    page = house.json("mailbox", "list", "--domain", domain, "--limit", "3", "--after", page["next"])
    assert [m["address"] for m in page["items"]] == every[3:6]


def test_queue(make_postern):
    """No resolver answers, so mail to elsewhere waits."""
    house, domain = make_postern(conf={"dns.servers": "127.0.0.1:1"}).init().start(), "example.test"
    house.add_domain(domain)
    house.add_mailbox("joe@" + domain, PASSWORD)
    smtp = house.submission("joe@" + domain, PASSWORD)
    smtp.sendmail("joe@" + domain, ["x@nowhere.invalid", "y@nowhere.invalid"], f"From: joe@{domain}\r\n\r\nhello\r\n")
    smtp.quit()
    waiting = wait_until(lambda: items(house, "queue", "list", "--sender", "joe@" + domain), 10, "the message in the queue")
    number = waiting[0]["id"]
    assert waiting[0]["recipients"] <= 2 and waiting[0]["size_bytes"] > 0
    shown = house.json("queue", "show", number)
    assert {r["address"] for r in shown["recipients"]} <= {"x@nowhere.invalid", "y@nowhere.invalid"}
    assert "sender:" in house.cli("queue", "show", number)
    assert house.status()["queued"] >= 1

    def tried(times):
        """No more than waiting: what is being tried is neither flushed nor removed."""
        found = items(house, "queue", "list")
        return [i["id"] for i in found] == [number] and found[0]["tries"] >= times and found[0]["state"] == "deferred"
    wait_until(lambda: tried(1), 30, "the first attempt")
    assert house.json("queue", "flush", number)["count"] == 1
    wait_until(lambda: tried(2), 30, "the second attempt")
    assert house.cli("queue", "remove", number) == "1 removed\n"
    assert "no queued message" in house.refused("queue", "show", number)


def test_store(house):
    assert house.json("store", "check")["faults"] == 0
    assert "segments after:" in house.cli("store", "compact")


def on_terminal(house, *args):
    """What a command writes to a terminal until it ends; it must exit 0."""
    leader, follower = pty.openpty()
    process = house._spawn(["-d", house.dir, *args], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""
    try:
        while select.select([leader], [], [], 60)[0]:
            seen += os.read(leader, 4096)
    except OSError:
        pass    # the other side is closed
    os.close(leader)
    assert process.wait(10) == 0, seen
    text = seen.decode()
    assert all(len(line) < 80 for line in re.split(r"[\r\n]+|\033\[\d*[AJ]", text)), text
    return text


@pytest.mark.root
def test_move(house, domain, make_old_server):
    joe = "joe@" + domain
    old = make_old_server({joe: "Joe-old-secret-1"}).start()
    old.fill(joe, 400)
    house.add_mailbox(joe, PASSWORD)
    wrong = house.write_file("passwords", f"{joe}:wrong\n")
    source = ["--from", f"imap://127.0.0.1:{old.ports['imap']}", "--tls", "none"]
    assert "nothing was changed" in house.refused("move", "start", domain, *source, "--passwords", wrong)
    right = house.write_file("passwords", f"{joe}:Joe-old-secret-1\n")
    house.cli("move", "start", domain, *source, "--passwords", right)
    picture = on_terminal(house, "move", "status", domain, "--watch")
    assert f"{domain}: done" in picture and f"{joe}  [####" in picture
    lines = house.cli("move", "status", domain, "--watch").splitlines()
    assert re.search(r"done +\[#+\] 100% +400 of 400 messages, 1 of 1 mailbox", lines[-1])
    status = house.json("move", "status", domain)
    assert status["state"] == "done" and status["mailboxes"][0]["address"] == joe
    assert f"{joe}  [########################] 100%  done" in house.cli("move", "status", domain)
    proof = house.json("move", "proof", domain)
    assert proof["complete"] is True and proof["messages_missing"] == 0


def test_move_of_a_server_that_does_not_answer(house, domain):
    house.add_mailbox("joe@" + domain, None)
    text = house.refused("move", "start", domain, "--from", "imap://127.0.0.1:1", "--master-user", "m", "--password-stdin",
                         stdin="secret-of-master\n")
    assert "127.0.0.1" in text and "secret-of-master" not in text


def test_output_into_a_closed_pipe_is_no_crash(house):
    done = subprocess.run(["sh", "-c", f"{binary()} -d {house.dir} help man | head -n 1"], capture_output=True, timeout=30)
    assert done.returncode == 0 and b"Sanitizer" not in done.stderr


def test_a_file_over_the_limit_is_refused(make_postern):
    house = make_postern(conf={"admin.max_file": "64K"}).init().start()
    house.add_domain("example.test")
    line = "# " + "x" * 61 + "\n"
    fits = house.write_file("fits", line * 1024)
    assert "0 lines read" in house.cli("import", "accounts", fits, "--domain", "example.test", "--dry-run")
    more = house.write_file("more", line * 1024 + "\n")
    assert "at most 64K" in house.refused("import", "accounts", more, "--domain", "example.test")


def test_while_directory_is_away(make_postern):
    """Status says what it knows, operations wait until it is back."""
    house = make_postern().init().start()
    house.add_domain("example.test")
    house.kill("directory", wait=False)
    assert house.status()["rooms"]
    assert [d["domain"] for d in items(house, "domain", "list")] == ["example.test"]


def test_no_password_in_the_log(house):
    log = house.log()
    for secret in (PASSWORD, "Another-Horse-8-Entirely", "Joe-old-secret-1", "secret-of-master", "short1"):
        assert secret not in log
