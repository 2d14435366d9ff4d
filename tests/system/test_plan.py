# SPDX-License-Identifier: Apache-2.0
"""Domain by domain, with a date (M38): a day and a place in the order for each, and where it stands."""
import pytest

SERVER = ("--server", "127.0.0.1:9")


@pytest.fixture(scope="module")
def house(shared_postern):
    shared_postern.add_customer("acme")
    shared_postern.add_customer("other")
    for name, customer in (("a.test", "acme"), ("b.test", "acme"), ("c.test", "other"), ("d.test", "other")):
        shared_postern.json("domain", "add", name, "--customer", customer, "--mode", "gateway", *SERVER)
    return shared_postern


def order(house, *more):
    return [item["domain"] for item in house.json("plan", "list", *more)["items"]]


def test_order_and_pages(house):
    house.json("plan", "set", "a.test", "--last", "--note", "asked to be last")
    house.json("plan", "set", "b.test", "--day", "2026-12-24")
    house.json("plan", "set", "c.test", "--day", "2026-12-01")
    house.json("plan", "set", "d.test", "--place", "1")
    assert order(house) == ["d.test", "c.test", "b.test", "a.test"]
    assert order(house, "--customer", "acme") == ["b.test", "a.test"]
    seen, after = [], ()
    while True:
        page = house.json("plan", "list", "--limit", "1", *after)
        seen += [item["domain"] for item in page["items"]]
        if not page["next"]:
            break
        after = ("--after", page["next"])
    assert seen == ["d.test", "c.test", "b.test", "a.test"]
    house.json("plan", "set", "c.test", "--no-day")
    assert order(house) == ["d.test", "b.test", "c.test", "a.test"]
    assert house.json("plan", "show", "a.test")["note"] == "asked to be last"


def test_where_it_stands(house):
    house.add_mailbox("joe@b.test", "Correct-horse-1")
    plan = house.json("plan", "set", "b.test", "--phase", "announced")
    assert (plan["phase"], plan["next"], plan["mailboxes"]) == ("announced", "filter", 1)
    assert house.json("plan", "set", "b.test", "--phase", "filtering")["next"] == "copy"
    assert "not hosted" in house.refused("plan", "set", "b.test", "--phase", "done")
    house.json("domain", "switch", "b.test", "hosted")
    assert house.json("plan", "show", "b.test")["phase"] == "hosted"
    assert "hosted here already" in house.refused("plan", "set", "b.test", "--phase", "announced")
    plan = house.json("plan", "set", "b.test", "--phase", "done")
    assert (plan["phase"], plan["next"], plan["day"]) == ("done", "nothing", "2026-12-24")


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "24.12.2026", "tomorrow--", "tomorrow", ""])
def test_days_that_are_none(house, day):
    done = house.try_cli("plan", "set", "a.test", "--day", day)
    assert done.returncode == 2 and "--day: expected a day such as 2026-12-24" in done.stderr
