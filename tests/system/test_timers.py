# SPDX-License-Identifier: Apache-2.0
"""What happens by the clock: jobs of all rooms are listed, begun when due, and remembered over a restart."""
import datetime

import pytest

from harness.wait import wait_until

PASSWORD = "Correct-Horse-7-Battery"


def jobs(postern, *words):
    return {job["name"]: job for job in postern.json("timer", *(words or ("list",)))["items"]}


def later(postern, name, **delta):
    """The job, which has run once that time is over: if not because of this command by itself, as each room looks every minute."""
    since = postern.now() + datetime.timedelta(**delta).total_seconds()
    postern.travel(**delta)
    jobs(postern, "run")
    job = jobs(postern)[name]
    assert since * 1000 - 1 <= job["last_ms"] <= postern.now() * 1000 + 1
    return job


def test_jobs_of_every_room(postern):
    listed = jobs(postern)
    assert {job["room"] for job in listed.values()} == {"directory", "queue", "store"}
    assert listed["audit.trim"]["every_s"] == 3600
    assert all(job["help"] for job in listed.values())
    assert "audit.trim" in postern.cli("timer", "list")


def test_a_job_runs_when_its_time_has_come(postern):
    postern.add_customer("old")                     # leaves an audit row
    # The job has run at the start already: it is not due, but for the row that came since it would have nothing to do.
    wait_until(lambda: jobs(postern)["audit.trim"].get("last_ms"), 10, "the first run")
    assert "audit.trim" not in jobs(postern, "run")
    later(postern, "audit.trim", days=399)
    assert "audit.trimmed" not in postern.log()     # younger than audit.keep
    postern.add_customer("young")
    ran = later(postern, "audit.trim", days=2)
    assert ran["next_ms"] - ran["last_ms"] == 3600_000
    assert postern.wait_log(r"audit\.trimmed.*rows=")
    assert "audit.trim" not in jobs(postern, "run")
    before = jobs(postern)["audit.trim"]["last_ms"]
    postern.restart()
    assert jobs(postern)["audit.trim"]["last_ms"] == before


def test_one_job_by_name(postern):
    since = jobs(postern, "run", "audit.trim")["audit.trim"]["last_ms"]
    postern.travel(minutes=1)
    ran = jobs(postern, "run", "audit.trim")
    assert list(ran) == ["audit.trim"] and ran["audit.trim"]["last_ms"] > since
    assert list(jobs(postern, "run", "store.forget")) == ["store.forget"]
    assert "audit.trin" in postern.refused("timer", "run", "audit.trin")


@pytest.mark.parametrize("postern", [{"conf": {"rooms.store": 2}}], indirect=True)
def test_several_shards_are_one_row(postern):
    assert [name for name in jobs(postern) if name.startswith("store.forget")] == ["store.forget"]


def test_the_queue_lives_by_the_same_clock(postern):
    """Mail to a server that is down goes back to its sender after five days, which pass at once."""
    postern.add_domain("example.test")
    postern.add_mailbox("joe@example.test", PASSWORD)
    postern.add_domain("gateway.test", "gateway", f"127.0.0.1:{postern.port_base + 99}", "acme", "--recipients", "any")
    with postern.submission("joe@example.test", PASSWORD) as smtp:
        smtp.sendmail("joe@example.test", ["ann@gateway.test"], "From: joe@example.test\r\nSubject: hello\r\n\r\nhello\r\n")
    wait_until(lambda: postern.status()["queued"] == 1, 10, "the message in the queue")
    later(postern, "queue.sweep", days=5, minutes=1)
    bounce = postern.wait_mail("joe@example.test", PASSWORD, 1)[0]
    assert b"ann@gateway.test" in bounce
    wait_until(lambda: postern.status()["queued"] == 0, 10, "an empty queue")
