# SPDX-License-Identifier: Apache-2.0
"""A copy of an instance as it was at one moment (docs/OPERATING.md) has everything that was accepted before it."""
import os
import shutil
import signal
import threading

from harness import wait_until

PASSWORD = "Correct-Horse-7-Battery"
JOE = "joe@example.test"


def message(number):
    return f"From: a@b.test\r\nSubject: number {number}\r\n\r\nBody of message {number}.\r\n".encode()


def stands_still(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0] in "TZ"


def snapshot(source, target):
    """What a snapshot of the file system shows: nobody writes while it is taken."""
    pids = source.group_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: all(stands_still(pid) for pid in pids), 20, "all processes to stand still")
        shutil.rmtree(target.dir + "/data")
        shutil.copytree(source.dir + "/data", target.dir + "/data")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    if target.account:
        for top, folders, names in os.walk(target.dir + "/data"):
            for name in [".", *folders, *names]:
                os.chown(os.path.join(top, name), target.account.pw_uid, target.account.pw_gid)


def under_load(smtp, first, work):
    """Does work while messages from number first on flow in."""
    over, numbers = threading.Event(), []

    def send():
        while not over.is_set():
            smtp.sendmail("a@b.test", [JOE], message(first + len(numbers)))
            numbers.append(first + len(numbers))
    sender = threading.Thread(target=send)
    sender.start()
    try:
        work()
    finally:
        over.set()
        sender.join()


def test_a_snapshot_of_a_running_instance_is_a_backup(make_postern):
    one, two = make_postern().init().start(), make_postern().init()
    one.add_domain("example.test")
    one.add_mailbox(JOE, PASSWORD)
    smtp = one.smtp()
    for number in range(20):
        smtp.sendmail("a@b.test", [JOE], message(number))
    under_load(smtp, 20, lambda: snapshot(one, two))
    smtp.quit()
    two.cli("check")
    two.start()
    found = b"".join(two.mail(JOE, PASSWORD))
    for number in range(20):
        assert found.count(f"Subject: number {number}\r\n".encode()) == 1
    two.smtp().sendmail("a@b.test", [JOE], message("new"))
    assert any(b"number new" in m for m in two.mail(JOE, PASSWORD))
    assert two.json("store", "check")["faults"] == 0


def test_an_index_that_is_lost_is_made_again(make_postern):
    one = make_postern().init().start()
    one.add_domain("example.test")
    one.add_mailbox(JOE, PASSWORD)
    for number in range(5):
        one.smtp().sendmail("a@b.test", [JOE], message(number))
    before = one.mail(JOE, PASSWORD)
    assert "stop it first" in one.refused("check")
    one.stop()
    for name in os.listdir(one.dir + "/data/store.0"):
        if name.startswith("store.db"):
            os.unlink(f"{one.dir}/data/store.0/{name}")
    assert "--rebuild makes it anew" in one.refused("check")
    assert "the index was made anew" in one.cli("check", "--rebuild")
    one.start()
    assert one.mail(JOE, PASSWORD) == before
