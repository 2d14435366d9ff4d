# SPDX-License-Identifier: Apache-2.0
"""The house: what each room must not be able to do, crashes and their neighbours, stopping, reloading."""
import errno
import imaplib
import os
import pwd
import signal
import socket
import ssl
import subprocess
import time

import pytest

from harness import wait_until
from harness.instance import is_alive

ROOMS = ["store", "directory", "queue", "filter", "auth", "relay", "mover", "smtpd", "imapd", "pop3d", "sieved", "httpd", "admind"]
CONNECTS = {"relay", "mover"}
ADDRESS, PASSWORD = "joe@example.test", "Correct-horse-1"
MESSAGE = "From: a@elsewhere.test\r\nTo: joe@example.test\r\nSubject: %s\r\n\r\nHello\r\n"


def proc_status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def trials(postern, role):
    """What a room may not; one that is too busy to answer the supervisor within a second is asked again."""
    def tried():
        return next(r for r in postern.json("status", "--trials")["rooms"] if r["role"] == role).get("trials")
    return wait_until(tried, 30, f"{role} to try")


def test_every_room_is_there(shared_postern):
    assert sorted(r["role"] for r in shared_postern.rooms()) == sorted(ROOMS)
    assert all(r["state"] == "ready" and r["restarts"] == 0 for r in shared_postern.rooms())


@pytest.mark.parametrize("role", ROOMS)
def test_sandbox_refuses(shared_postern, role):
    """Each room attempts it from inside, while it runs."""
    tried = trials(shared_postern, role)
    for what in ("open", "create", "listen", "unix-socket", "setuid", "signal", "limits"):
        assert tried[what] in (errno.EPERM, errno.EACCES), f"{role} may {what}"
    if role not in CONNECTS:
        assert tried["connect"] in (errno.EPERM, errno.EACCES), f"{role} may connect"
    assert tried["fork"] in (errno.EPERM, errno.EAGAIN), f"{role} may fork"


@pytest.mark.parametrize("role", ROOMS)
def test_kernel_confirms_the_sandbox(shared_postern, role):
    status = proc_status(shared_postern.room(role)["pid"])
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert status["Threads"] == "1", "rooms have one thread"


@pytest.mark.parametrize("role", ROOMS)
def test_a_crash_leaves_the_neighbours(postern, role):
    postern.add_domain("example.test")
    postern.add_mailbox(ADDRESS, PASSWORD)
    before = {r["role"]: r["pid"] for r in postern.rooms()}
    postern.kill(role)
    after = {r["role"]: r["pid"] for r in postern.rooms()}
    assert after.pop(role) != before.pop(role)
    assert after == before
    with postern.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [ADDRESS], MESSAGE % role)
    assert len(postern.wait_mail(ADDRESS, PASSWORD, 1)) == 1
    pop3 = postern.pop3(ADDRESS, PASSWORD)
    assert pop3.stat()[0] == 1
    pop3.quit()


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def caught_at_its_start(postern, role):
    """Kills a room and stops the next process before it has started."""
    def started():
        """Those that run already: until then the supervisor waits for them itself."""
        with open(f"/proc/{postern.process.pid}/task/{postern.process.pid}/children", encoding="ascii") as f:
            return {pid for pid in map(int, f.read().split()) if b"room\0" + role.encode() in cmdline(pid)}

    def caught():
        old = postern.wait_back(role, None)
        os.kill(old, signal.SIGKILL)
        (pid,) = wait_until(lambda: started() - {old}, 30, f"the next {role}", every=0)
        os.kill(pid, signal.SIGSTOP)
        if postern.room(role)["state"] == "starting":
            return pid
        os.kill(pid, signal.SIGCONT)
        return 0
    postern.crashes_expected = True
    return wait_until(caught, 120, f"a {role} that starts")


def test_a_long_start_is_waited_for(postern):
    """A room that checks a large index takes its time; in the long form more than any call of ours may take."""
    postern.add_domain("example.test")
    pid = caught_at_its_start(postern, "store")
    try:
        time.sleep(130 if os.environ.get("POSTERN_LONG") else 1)
        assert postern.room("store")["state"] == "starting"
        assert "room.start.failed" not in postern.log()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert postern.wait_back("store", None) == pid
    postern.add_mailbox(ADDRESS, PASSWORD)
    if os.environ.get("POSTERN_LONG"):
        assert postern.log().count("room.start.slow") >= 4


def test_stop_is_clean(postern):
    pids = postern.pids()
    postern.stop()
    for pid in pids:
        assert not os.path.exists(f"/proc/{pid}"), "a room outlived its supervisor"
    log = postern.log()
    assert "supervisor.stopped" in log and "room.crashed" not in log and "room.stop.late" not in log


def test_rooms_end_with_a_killed_supervisor(postern):
    pids = postern.pids()
    os.kill(postern.process.pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(p) for p in pids), 30, "the rooms to end")
    postern.kill_all()
    postern.start()


def test_one_instance_a_folder(postern):
    second = postern._spawn(["run", postern.dir], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = second.communicate(timeout=30)[1].decode()
    assert second.returncode == 1
    assert "running already" in error
    assert all(r["state"] == "ready" for r in postern.rooms())


def test_port_in_use(make_postern):
    instance = make_postern()
    instance.init()
    with socket.create_server(("127.0.0.1", instance.port("imaps"))):
        done = instance._run(["run", instance.dir], seconds=30)
    assert done.returncode == 1
    assert "imap.listen" in done.stderr and str(instance.port("imaps")) in done.stderr and "in use" in done.stderr
    instance.start()


def peer_certificate(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True)


def new_certificate(postern):
    folder = os.path.join(postern.dir, "tls")
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    owner = os.stat(cert)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=new.example.test", "-keyout", key, "-out", cert], check=True, capture_output=True)
    for path in (cert, key):
        os.chown(path, owner.st_uid, owner.st_gid)


def test_reload_keeps_sessions(postern):
    postern.add_domain("example.test")
    postern.add_mailbox(ADDRESS, PASSWORD)
    imap = postern.imap(ADDRESS, PASSWORD)
    old = peer_certificate(postern.port("imaps"))
    new_certificate(postern)
    postern.set_option("smtp.max_recipients", 100)
    postern.cli("reload")
    assert all(peer_certificate(postern.port(service)) != old for service in ("imaps", "pop3s", "submission", "https"))
    assert imap.noop()[0] == "OK"
    with postern.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("a@elsewhere.test")
        codes = [smtp.rcpt(ADDRESS)[0] for _ in range(101)]
    assert codes[:100] == [250] * 100 and codes[100] == 452
    assert imap.logout()[0] == "BYE"


def test_bad_files_change_nothing(postern):
    """A half-written certificate, a key of another one, a damaged configuration: refused, the old stay."""
    folder = os.path.join(postern.dir, "tls")
    old = peer_certificate(postern.port("imaps"))
    with open(os.path.join(folder, "cert.pem"), encoding="ascii") as f:
        text = f.read()
    with open(os.path.join(folder, "cert.pem"), "w", encoding="ascii") as f:
        f.write(text[:len(text) // 2])
    assert "PEM" in postern.refused("reload")
    with open(os.path.join(folder, "cert.pem"), "w", encoding="ascii") as f:
        f.write(text)
    postern.set_option("smtp.max_recipients", "many")
    error = postern.refused("reload")
    assert "smtp.max_recipients" in error and "postern.conf:" in error
    assert peer_certificate(postern.port("imaps")) == old
    with postern.smtp() as smtp:
        assert smtp.noop()[0] == 250


def test_damaged_configuration_at_start(make_postern):
    instance = make_postern()
    instance.init()
    with open(os.path.join(instance.dir, "postern.conf"), encoding="utf-8") as f:
        lines = len(f.readlines())
    with open(os.path.join(instance.dir, "postern.conf"), "a", encoding="utf-8") as f:
        f.write("imap.timeout = soon\n")
    done = instance._run(["run", instance.dir], seconds=30)
    assert done.returncode == 1
    assert f"postern.conf:{lines + 1}" in done.stderr and "imap.timeout" in done.stderr and "expected" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping rights needs root to begin with")
def test_root_gives_its_rights_away(make_postern):
    nobody = pwd.getpwnam("nobody")
    instance = make_postern(as_root=True, conf={"run.user": "nobody"})
    instance.init().start()
    for room in instance.rooms():
        uids = set(proc_status(room["pid"])["Uid"].split())
        assert uids == {str(nobody.pw_uid)}, f"{room['role']} runs as {uids}"
    instance.add_domain("example.test")
    instance.add_mailbox(ADDRESS, PASSWORD)
    with instance.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [ADDRESS], MESSAGE % "root")
    assert len(instance.wait_mail(ADDRESS, PASSWORD, 1)) == 1
    instance.kill("store")
    assert len(instance.mail(ADDRESS, PASSWORD)) == 1
    assert isinstance(instance.imap(ADDRESS, PASSWORD), imaplib.IMAP4_SSL)
