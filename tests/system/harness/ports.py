# SPDX-License-Identifier: Apache-2.0
"""Port bases for instances and old servers, so that tests can run beside each other."""
import fcntl
import os
import socket

OFFSETS = (24, 25, 80, 110, 143, 443, 465, 993, 995, 4190)
LOCKS = "/tmp/postern-test-ports"
_held = {}


def _is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def _lock(base):
    os.makedirs(LOCKS, exist_ok=True)
    try:
        os.chmod(LOCKS, 0o1777)
    except PermissionError:
        pass
    fd = os.open(f"{LOCKS}/{base}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    except OSError:
        os.close(fd)
        return None


def free_base():
    """A base whose ports are free and that no other test process took; held until release or exit."""
    first = int(os.environ.get("POSTERN_TEST_PORT_BASE", "10000"))
    for base in (first + thousand * 1000 + step * 5 for step in range(6) for thousand in range(10)):
        if base in _held:
            continue
        fd = _lock(base)
        if fd is None:
            continue
        if all(_is_free(base + offset) for offset in OFFSETS):
            _held[base] = fd
            return base
        os.close(fd)
    raise RuntimeError("no free port base")


def release(base):
    fd = _held.pop(base, None)
    if fd is not None:
        os.close(fd)
