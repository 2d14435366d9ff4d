# SPDX-License-Identifier: Apache-2.0
"""Guessing passwords over all protocols at once, from one network and from many (THREATS I18). Every address of
127.0.0.0/8 is this machine, so the attackers come from addresses of their own."""
import asyncio
import base64
import concurrent.futures
import http.client
import json
import time

import pytest

from harness.instance import tls_context

PASSWORD = "Correct-horse-1"
PROTOCOLS = ("imap", "pop3", "submission", "web", "sieve")
HOME = "127.200.7.7"
# As in room/directory/login/limiter.h.
PAIR_MAX, NETWORK_MAX, ACCOUNT_MAX, PASSWORD_MAX = 10, 100, 50, 30
AUTH_ROOMS = 2
CONF = {"limits.exempt_networks": "192.0.2.0/24", "limits.per_address": "5000", "rooms.auth": AUTH_ROOMS,
        "auth.argon2_memory": "64K", "auth.argon2_passes": "1"}


async def _answer(reader, *beginnings):
    while True:
        line = await reader.readline()
        if not line:
            return ""
        if line.startswith(beginnings):
            return line.decode()


async def _sieve_login(postern, source, user, password):
    reader, writer = await asyncio.open_connection("127.0.0.1", postern.port("sieve"), local_addr=(source, 0))
    try:
        await _answer(reader, b"OK")
        writer.write(b"STARTTLS\r\n")
        await _answer(reader, b"OK")
        await writer.start_tls(tls_context())
        await _answer(reader, b"OK")
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        writer.write(f'AUTHENTICATE "PLAIN" "{plain}"\r\n'.encode())
        return (await _answer(reader, b"OK", b"NO", b"BYE")).startswith("OK")
    finally:
        writer.close()


async def _login(postern, protocol, source, user, password):
    if protocol == "sieve":
        return await _sieve_login(postern, source, user, password)
    service = {"imap": "imaps", "pop3": "pop3s", "submission": "submission", "web": "https"}[protocol]
    reader, writer = await asyncio.open_connection("127.0.0.1", postern.port(service), ssl=tls_context(),
                                                   local_addr=(source, 0))
    try:
        if protocol == "imap":
            writer.write(f'a LOGIN "{user}" "{password}"\r\n'.encode())
            return (await _answer(reader, b"a ")).startswith("a OK")
        if protocol == "pop3":
            writer.write(f"USER {user}\r\n".encode())
            await reader.readline()
            await reader.readline()
            writer.write(f"PASS {password}\r\n".encode())
            return (await _answer(reader, b"+OK", b"-ERR")).startswith("+OK")
        if protocol == "web":
            body = json.dumps({"login": user, "password": password})
            writer.write(f"POST /api/v1/session HTTP/1.1\r\nHost: mail.example.test\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            return (await _answer(reader, b"HTTP/1.1 ")).startswith("HTTP/1.1 201")
        writer.write(b"EHLO client.test\r\n")
        await _answer(reader, b"250 ")
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        writer.write(f"AUTH PLAIN {plain}\r\n".encode())
        return (await _answer(reader, b"2", b"4", b"5")).startswith("235")
    finally:
        writer.close()


def logins(postern, tries, at_once=60):
    """Does [(protocol, source, user, password)]; [bool] in their order."""
    async def one(gate, args):
        async with gate:
            return await asyncio.wait_for(_login(postern, *args), 60)

    async def everything():
        gate = asyncio.Semaphore(at_once)
        return await asyncio.gather(*(one(gate, args) for args in tries))
    return asyncio.run(everything())


def logs_in(postern, source, user, password=PASSWORD):
    return {p: ok for p, ok in zip(PROTOCOLS, logins(postern, [(p, source, user, password) for p in PROTOCOLS]))}


def looked_at(postern):
    """Passwords that were looked at and wrong, in all auth rooms together."""
    rooms = [postern.room("auth", i)["counters"] for i in range(AUTH_ROOMS)]
    return sum(c["logins_wrong"] - c["logins_limited"] for c in rooms)


EVERY = {p: True for p in PROTOCOLS}
NONE = {p: False for p in PROTOCOLS}


@pytest.fixture
def house(make_postern):
    p = make_postern(conf=CONF).init().start()
    p.add_domain("example.test")
    for name in ("joe", "mary"):
        p.add_mailbox(f"{name}@example.test", PASSWORD)
    p.cli("address", "add", "info@example.test", "--type", "alias", "--to", "joe@example.test")
    return p


def let_one_through(postern):
    """A minute later than any stranger before, one whose password is wrong: the one that is let through in the next minute."""
    postern.travel(minutes=1, seconds=1)
    assert logins(postern, [("imap", "127.152.1.1", "joe@example.test", "Bad-password-of-the-minute")]) == [False]


def test_a_thousand_bad_passwords_from_one_address(house):
    assert logs_in(house, HOME, "joe@example.test") == EVERY
    assert not any(logins(house, [(PROTOCOLS[i % len(PROTOCOLS)], "127.5.5.5", f"user{i}@example.test", f"Bad-password-{i}")
                                  for i in range(1000)]))
    # Networks are charged with what ended wrong, so the tries that were under way are looked at too.
    assert NETWORK_MAX <= looked_at(house) <= NETWORK_MAX + 60
    assert logs_in(house, "127.5.5.5", "joe@example.test") == NONE
    assert logs_in(house, HOME, "joe@example.test") == EVERY
    assert logs_in(house, "127.6.6.6", "mary@example.test") == EVERY
    rows = house.json("lockout", "list")["items"]
    assert any(r["kind"] == "network" and r["network"] == "127.5.5.5/32" for r in rows), rows
    assert house.json("lockout", "clear", "--network", "127.5.5.5")["count"] > 0
    assert logs_in(house, "127.5.5.5", "joe@example.test") == EVERY


def test_a_thousand_addresses_against_one_user_do_not_lock_him_out(house):
    assert logs_in(house, HOME, "joe@example.test") == EVERY
    names = ("joe@example.test", "JOE@Example.test", "info@example.test")      # one account, whatever it is called
    tries = [(PROTOCOLS[i % len(PROTOCOLS)], f"127.{i % 100 + 1}.{i // 100 + 1}.9", names[i % 3], f"Bad-password-{i}")
             for i in range(1000)]
    tries[500:500] = [(p, HOME, "joe@example.test", PASSWORD) for p in PROTOCOLS]
    answers = logins(house, tries)
    assert answers[500:500 + len(PROTOCOLS)] == [True] * len(PROTOCOLS) == [a for a in answers if a]        # in the midst of it
    assert looked_at(house) <= ACCOUNT_MAX + 5
    assert logs_in(house, HOME, "joe@example.test") == EVERY
    assert logs_in(house, "127.200.7.99", "joe@example.test") == EVERY # the network around it
    stranger = [("imap", "127.150.1.1", "joe@example.test", PASSWORD)]
    let_one_through(house)
    assert logins(house, stranger) == [False]                           # one stranger a minute
    assert logs_in(house, "127.150.1.1", "mary@example.test") == EVERY
    kinds = {(r["kind"], r["login"]) for r in house.json("lockout", "list")["items"]}
    assert ("login-from-strangers", "joe@example.test") in kinds
    house.travel(minutes=2)
    assert logins(house, stranger) == [True]                            # slowed, not locked out
    house.cli("lockout", "clear", "--who", "joe@example.test")
    assert logs_in(house, "127.151.1.1", "joe@example.test") == EVERY


def test_one_password_against_a_thousand_users(house):
    assert logs_in(house, HOME, "mary@example.test") == EVERY
    assert not any(logins(house, [(PROTOCOLS[i % len(PROTOCOLS)], f"127.{i % 100 + 1}.{i // 100 + 1}.9", f"user{i}@example.test",
                                   "Summer-2026!") for i in range(1000)]))
    assert looked_at(house) <= PASSWORD_MAX + 60
    assert [r["kind"] for r in house.json("lockout", "list")["items"]] == ["password"]
    assert logs_in(house, "127.160.1.1", "joe@example.test") == EVERY   # any other password


def test_protocols_and_auth_rooms_count_together(house):
    tries = [(PROTOCOLS[i % len(PROTOCOLS)], "127.5.5.5", "joe@example.test", f"Bad-password-{i}") for i in range(PAIR_MAX)]
    assert not any(logins(house, tries))
    for i in range(AUTH_ROOMS):
        house.kill("auth", i)
    assert logs_in(house, "127.5.5.5", "joe@example.test") == NONE      # what auth forgets, directory knows
    assert logs_in(house, "127.5.5.5", "mary@example.test") == EVERY
    house.travel(minutes=10, seconds=1)
    assert logs_in(house, "127.5.5.5", "joe@example.test") == EVERY


def test_a_forgotten_telephone_with_an_old_password_locks_nobody_out(house):
    assert not any(logins(house, [("imap", HOME, "joe@example.test", "Old-password-1")] * 40))
    assert logs_in(house, HOME, "joe@example.test") == EVERY


def test_who_is_known_stays_known_over_a_restart(house):
    assert logs_in(house, HOME, "joe@example.test") == EVERY
    house.cli("timer", "run")
    house.kill("directory")
    assert not any(logins(house, [(PROTOCOLS[i % len(PROTOCOLS)], f"127.{i + 1}.1.9", "joe@example.test", f"Bad-password-{i}")
                                  for i in range(ACCOUNT_MAX + 10)]))
    let_one_through(house)
    assert logins(house, [("imap", "127.150.1.1", "joe@example.test", PASSWORD)]) == [False]
    assert logs_in(house, HOME, "joe@example.test") == EVERY


def test_clearing_checks_its_words(house):
    assert "not an IP address" in house.refused("lockout", "clear", "--network", "here")
    assert house.json("lockout", "clear") == {"count": 0}


def test_guesses_at_a_password_change_are_slowed_like_any_other(house):
    """password.change asks for the password, too: refusals are held back more and more, and past the limit for a while."""
    def change(password, user="joe@example.test", source="127.9.9.9"):
        api = http.client.HTTPSConnection("127.0.0.1", house.port("https"), context=tls_context(), source_address=(source, 0))
        body = json.dumps({"user": user, "password": password, "new_password": "Another-horse-2"})
        begin = time.monotonic()
        api.request("POST", "/api/v1/password/change", body, {"Content-Type": "application/json", "Host": house.host})
        answer = api.getresponse()
        return answer.status, answer.read(), time.monotonic() - begin
    for user in ("joe@example.test", "nobody@example.test"):
        answers = [change(f"Bad-password-{i}", user, "127.9.9.8") for i in range(4)]
        for (status, text, took), least in zip(answers, (0, 0.5, 1.0, 1.5)):
            assert status == answers[0][0] and text == answers[0][1] and took >= least, (user, answers)
    with concurrent.futures.ThreadPoolExecutor(PAIR_MAX) as pool:
        list(pool.map(change, [f"Worse-password-{i}" for i in range(PAIR_MAX)]))
    status, text, took = change(PASSWORD)                   # right, but nobody looks any more
    assert status == answers[0][0] and text == answers[0][1] and took >= 0.9
    assert logs_in(house, "127.9.9.9", "joe@example.test") == NONE
    assert change(PASSWORD, source=HOME)[0] == 200
