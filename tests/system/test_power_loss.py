# SPDX-License-Identifier: Apache-2.0
"""The power goes while mail flows (D02): a file system in a file is shut down without flushing its journal, which loses
what was not synced, and mounted again. What was acknowledged is there, once. POSTERN_LONG=1: 50 rounds.
"""
import fcntl
import os
import random
import subprocess
import tempfile
import time

import pytest

from harness import Instance, wait_until
from test_durability import JOE, PASSWORD, Load, assert_law, assert_store_is_whole, numbers

ROUNDS = 50 if os.environ.get("POSTERN_LONG") else 4
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587d, 2


def run(*args):
    return subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Disk:
    def __init__(self, top):
        self.image, self.at = os.path.join(top, "image"), os.path.join(top, "disk")
        os.mkdir(self.at)
        with open(self.image, "wb") as f:
            f.truncate(256 << 20)
        self.usable = run("mkfs.ext4", "-q", "-F", self.image) and self.mount()
        if self.usable:
            os.chmod(self.at, 0o777)

    def mount(self):
        return run("mount", "-o", "loop", self.image, self.at)

    def unmount(self):
        wait_until(lambda: run("umount", self.at), 20, "the disk to be let go", every=0.1)

    def power_off(self):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, NO_LOG_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(fd)


@pytest.fixture
def disk():
    top = tempfile.mkdtemp(prefix="power-", dir="/tmp")
    os.chmod(top, 0o755)
    it = Disk(top)
    if not it.usable:
        subprocess.run(["rm", "-r", top], check=False)
        pytest.skip("a disk of its own needs root and a loop device")
    yield it
    subprocess.run(["umount", "-l", it.at], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["rm", "-r", top], check=False)


def test_acknowledged_mail_survives(disk):
    rng = random.Random(os.environ.get("POSTERN_SEED", "1"))
    postern = Instance(directory=os.path.join(disk.at, "instance"))
    # The log is on the other disk: it tells what happened after the power went.
    postern.log_path = os.path.join(os.path.dirname(disk.image), "instance.log")
    open(postern.log_path, "wb").close()
    os.chmod(postern.log_path, 0o666)
    load = None
    try:
        postern.init().start()
        postern.add_domain("example.test")
        postern.add_mailbox(JOE, PASSWORD)
        load = Load(postern).start()
        for _ in range(ROUNDS):
            before = len(load.acked)
            wait_until(lambda: len(load.acked) > before + 20, 30, "mail to flow")
            time.sleep(rng.uniform(0, 0.7))
            disk.power_off()
            postern.kill_all()
            disk.unmount()
            assert disk.mount()
            postern.start()
        load.stop()
        assert_law(load, numbers(postern))
        assert_store_is_whole(postern)
        postern.stop()
        done = postern._run(["check", postern.dir, "--json"])
        assert done.returncode == 0, done.stdout + done.stderr
        assert "store.tail.restored" in postern.log(), "what was not synced was lost each time, and came from the index"
    finally:
        if load:
            load.stopping.set()
        postern.close(check=False)
