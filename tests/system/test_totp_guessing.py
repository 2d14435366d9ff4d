# SPDX-License-Identifier: Apache-2.0
"""Guessing codes of a second factor with the password in hand: from one network, from many, and slowly (THREATS H27). Every
address of 127.0.0.0/8 is this machine, so the attackers come from addresses of their own."""
import asyncio
import json

import pytest

from harness import wait_until
from harness.instance import tls_context
from harness.totp import STEP, begin_step, code, stay, turn_on, wrong_code

PASSWORD = "Correct-horse-1"
NEW = "Another-horse-2"
JOE = "joe@example.test"
HOME = "127.200.7.7"
# As in room/directory/login/limiter.h and totp.h.
PAIR_MAX, ACCOUNT_MAX, WRONG_MAX = 10, 50, 100
CONF = {"limits.exempt_networks": "192.0.2.0/24", "limits.per_address": "5000", "auth.argon2_memory": "64K",
        "auth.argon2_passes": "1"}


async def _ask(postern, source, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", postern.port("https"), ssl=tls_context(),
                                                   local_addr=(source, 0))
    try:
        text = json.dumps(body)
        writer.write(f"POST /api/v1/session HTTP/1.1\r\nHost: mail.example.test\r\nContent-Type: application/json\r\n"
                     f"Connection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(answer)
    finally:
        writer.close()


def log_in(postern, tries, password=PASSWORD):
    """[(source, code or None)]; status and body of each, in their order."""
    async def one(source, totp):
        body = {"login": JOE, "password": password} | ({"totp": totp} if totp else {})
        return await asyncio.wait_for(_ask(postern, source, body), 60)

    async def everything():
        return await asyncio.gather(*(one(*t) for t in tries))
    return asyncio.run(everything())


def statuses(postern, tries, password=PASSWORD):
    return [status for status, _ in log_in(postern, tries, password)]


@pytest.fixture
def house(make_postern):
    p = make_postern(conf=CONF).init().start()
    p.add_domain("example.test")
    p.add_mailbox(JOE, PASSWORD)
    return p


def test_from_one_network_ten_are_looked_at(house):
    secret, codes = turn_on(house, JOE, PASSWORD)
    house.travel(seconds=5 * STEP)
    bad = wrong_code(secret, house.now())
    for i in range(PAIR_MAX):
        assert statuses(house, [("127.5.5.5", bad)]) == [401]
        # Neither asking without a code nor the mail protocols forgive what was counted.
        assert log_in(house, [("127.5.5.5", None)])[0][1]["field"] == "totp"
    at = begin_step(house)
    good = code(secret, at)
    assert statuses(house, [("127.5.5.5", good), ("127.5.5.5", codes[0])]) == [401, 401]
    rows = house.json("lockout", "list")["items"]
    assert any(r["login"] == "totp " + JOE and r["network"] == "127.5.5.5/32" for r in rows), rows
    stay(house, at)
    assert statuses(house, [("127.6.6.6", good)]) == [201]              # it was not spent, and others are not concerned
    house.cli("lockout", "clear", "--who", JOE)
    assert statuses(house, [("127.5.5.5", codes[0])]) == [201]


def test_from_many_networks_strangers_wait_and_the_user_does_not(house):
    secret, codes = turn_on(house, JOE, PASSWORD)
    house.travel(seconds=5 * STEP)
    assert statuses(house, [(HOME, code(secret, house.now()))]) == [201]
    bad = wrong_code(secret, house.now())
    assert set(statuses(house, [(f"127.77.{i}.1", bad) for i in range(ACCOUNT_MAX + 5)])) == {401}
    # The one stranger that is let through in a minute is not the one whose code is good.
    house.travel(minutes=1)
    at = begin_step(house)
    assert statuses(house, [("127.79.1.1", wrong_code(secret, at))]) == [401]
    good = code(secret, at, 1)
    tries = statuses(house, [(f"127.78.{i}.1", good) for i in range(3)])
    assert tries == [401, 401, 401], tries
    stay(house, at)
    assert statuses(house, [(HOME, good)]) == [201]


def test_a_hundred_in_a_row_end_it_however_slow(house):
    """A few in each window, from many places, over days."""
    secret, codes = turn_on(house, JOE, PASSWORD)
    done = 0
    while done < WRONG_MAX:
        house.travel(minutes=11)
        n = min(40, WRONG_MAX - done)
        bad = wrong_code(secret, house.now())
        assert set(statuses(house, [(f"127.{80 + done // 40}.{i}.1", bad) for i in range(n)])) == {401}
        done += n
    house.travel(minutes=11)
    good = code(secret, house.now())
    status, body = log_in(house, [(HOME, good)])[0]
    assert (status, body["field"]) == (401, "totp")                     # told as any wrong one
    house.kill("directory")                                             # it is on the disk
    assert statuses(house, [(HOME, code(secret, house.now(), 1))]) == [401]
    password = house.json("apppassword", "add", JOE, "program")["password"]
    wait_until(lambda: [m for m in house.mail(JOE, password) if b"Somebody knows the password" in m], 30, "the letter")
    # A recovery code opens it, and codes are good again.
    assert statuses(house, [(HOME, codes[0])]) == [201]
    house.travel(seconds=5 * STEP)
    assert statuses(house, [(HOME, code(secret, house.now()))]) == [201]


def test_a_new_password_makes_codes_good_again(house):
    secret, codes = turn_on(house, JOE, PASSWORD)
    for place in range(3):
        house.travel(minutes=11)
        bad = wrong_code(secret, house.now())
        assert set(statuses(house, [(f"127.{90 + place}.{i}.1", bad) for i in range(34)])) == {401}
    house.travel(minutes=11)
    assert statuses(house, [(HOME, code(secret, house.now()))]) == [401]
    house.cli("mailbox", "password", JOE, "--password-stdin", stdin=NEW + "\n")
    assert statuses(house, [(HOME, code(secret, house.now()))], NEW) == [201]
