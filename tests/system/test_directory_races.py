# SPDX-License-Identifier: Apache-2.0
"""Changes while everything else goes on: rooms that die in the middle of an operation, logins during a change of
password, mail during a change of address (M2)."""
import imaplib
import random
import smtplib
import threading
import time

import pytest

from harness import CliError, wait_until

PASSWORD, NEW = "Correct-horse-1", "Battery-staple-2"


def rcpt(postern, address):
    with postern.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        return smtp.docmd(f"RCPT TO:<{address}>")[0]


def can_log_in(postern, user, password):
    try:
        postern.imap(user, password).logout()
        return True
    except imaplib.IMAP4.error:
        return False


@pytest.mark.slow
def test_no_mailbox_is_left_half_made(postern):
    """directory and store die while mailboxes are made: what was acknowledged works, the rest is there or it is not."""
    postern.add_domain("example.test")
    over = threading.Event()
    dice = random.Random(7)

    def killer():
        while not over.is_set():
            postern.kill(dice.choice(["directory", "store", "auth"]))
            over.wait(dice.random() * 0.5)
    thread = threading.Thread(target=killer)
    thread.start()
    acknowledged, others = [], []
    try:
        for i in range(25):
            address = f"u{i}@example.test"
            try:
                postern.add_mailbox(address, PASSWORD)
                acknowledged.append(address)
            except CliError:
                others.append(address)
    finally:
        over.set()
        thread.join(60)
    postern.wait_ready()
    assert acknowledged
    for address in acknowledged:
        assert rcpt(postern, address) == 250 and can_log_in(postern, address, PASSWORD)
    listed = {m["address"] for m in postern.json("mailbox", "list", "--domain", "example.test")["items"]}
    assert set(acknowledged) <= listed
    for address in others:
        if address in listed:
            wait_until(lambda: rcpt(postern, address) == 250, 20, f"{address} to be completed")
            assert can_log_in(postern, address, PASSWORD)
        else:
            assert rcpt(postern, address) == 550
            postern.add_mailbox(address, PASSWORD)
            assert can_log_in(postern, address, PASSWORD)


@pytest.mark.slow
def test_an_import_is_whole_or_not_at_all_when_rooms_die(postern):
    postern.add_domain("example.test")
    path = postern.write_file("import.txt", "".join(f"user{i} {{PLAIN-MD5}}fece0a49029effcf4165481714717e79\n"
                                                    for i in range(300)))
    for attempt, role in enumerate(["directory", "store", "directory", "store"]):
        timer = threading.Timer(0.05 + 0.1 * attempt, lambda r=role: postern.kill(r))
        timer.start()
        try:
            postern.cli("import", "accounts", path, "--domain", "example.test")
        except CliError:
            pass
        timer.join()
        postern.wait_ready()
        count = postern.json("domain", "show", "example.test")["mailboxes"]
        assert count in (0, 300)
    got = postern.json("import", "accounts", path, "--domain", "example.test")
    assert got["added"] + got["unchanged"] == 300
    for i in (0, 150, 299):
        wait_until(lambda: can_log_in(postern, f"user{i}@example.test", "Old-Pass 1"), 20, "the account to be complete")


def test_no_login_with_the_old_password_behind_its_change(postern):
    user = "joe@example.test"
    postern.add_domain("example.test")
    postern.add_mailbox(user, PASSWORD)
    over = threading.Event()
    tried = []

    def storm():
        while not over.is_set():
            started = time.monotonic()
            tried.append((started, can_log_in(postern, user, PASSWORD)))
    threads = [threading.Thread(target=storm) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: any(ok for _, ok in list(tried)), 60, "a login")
    postern.cli("mailbox", "password", user, "--password-stdin", stdin=NEW + "\n")
    changed = time.monotonic()

    def late():
        return [ok for started, ok in list(tried) if started > changed]
    wait_until(lambda: len(late()) >= 12, 60, "logins behind the change")
    over.set()
    for thread in threads:
        thread.join(90)
    assert not any(late())
    assert can_log_in(postern, user, NEW)


def test_no_mail_is_lost_while_an_address_changes_hands(postern):
    """An alias is moved from one mailbox to another again and again while mail for it flows in."""
    postern.add_domain("example.test")
    for name in ("joe", "mary"):
        postern.add_mailbox(f"{name}@example.test", PASSWORD)
    postern.cli("address", "add", "info@example.test", "--type", "alias", "--to", "joe@example.test")
    over = threading.Event()
    accepted = []

    def flow(client):
        number = 0
        smtp = postern.smtp()
        while not over.is_set():
            number += 1
            name = f"{client}-{number}"
            try:
                smtp.sendmail("a@elsewhere.test", ["info@example.test"], f"Subject: {name}\r\n\r\nx\r\n")
                accepted.append(name)
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPServerDisconnected):
                smtp = postern.smtp()   # between removal and addition there is no such address
    threads = [threading.Thread(target=flow, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for i in range(6):
        postern.cli("address", "remove", "info@example.test")
        postern.cli("address", "add", "info@example.test", "--type", "alias", "--to",
                    f"{('mary', 'joe')[i % 2]}@example.test")
    over.set()
    for thread in threads:
        thread.join(90)
    found = []
    for name in ("joe", "mary"):
        for message in postern.mail(f"{name}@example.test", PASSWORD):
            found += [line[9:].decode() for line in message.split(b"\r\n") if line.startswith(b"Subject: ")]
    assert sorted(found) == sorted(accepted)
