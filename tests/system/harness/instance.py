# SPDX-License-Identifier: Apache-2.0
"""One instance of Postern: its folder, its processes, its command line and its doors."""
import atexit
import contextlib
import datetime
import functools
import imaplib
import json
import os
import poplib
import pwd
import re
import shutil
import signal
import smtplib
import ssl
import struct
import subprocess
import tempfile
import time

from . import ports
from .wait import wait_until

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD_DIR = os.path.abspath(os.environ.get("POSTERN_BUILD", os.path.join(ROOT, "build")))
CRASH = re.compile(r"AddressSanitizer|LeakSanitizer|MemorySanitizer|runtime error:|bug at |room\.crashed")
KILLED = "room.crashed"         # said by the supervisor for rooms that a test killed, too: see expect_crashes
# Ends of waits, for a slow machine: nothing is measured by them. Stopping has three phases of eight seconds.
READY_SECONDS, STOP_SECONDS, CLI_SECONDS, DOOR_SECONDS = 60, 30, 60, 60
COUNT_SECONDS = 10              # a room that does not answer the supervisor within a second has no counters in the status


class CliError(AssertionError):
    """The command line did not exit 0."""

    def __init__(self, args, done):
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        super().__init__(f"postern {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")


class SanitizerReport(AssertionError):
    """The log holds a crash that no test asked for."""


def _account():
    """Whom to run as: None where we are not root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam(os.environ.get("POSTERN_TEST_USER", "nobody"))


def _reaches(account, path):
    return subprocess.run(["test", "-x", path], user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", check=False).returncode == 0


def is_alive(pid):
    """More than a zombie that nobody has collected yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@functools.cache
def binary():
    """A copy, where the account that it runs as cannot reach the tree: below /root, say."""
    path = os.path.abspath(os.environ.get("POSTERN_BIN", os.path.join(BUILD_DIR, "src", "postern")))
    account = _account()
    if not account or not os.path.exists(path) or _reaches(account, path):
        return path
    folder = tempfile.mkdtemp(prefix="postern-bin-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    return shutil.copy(path, folder)


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Instance:
    """as_root: the supervisor keeps root and drops each room's rights itself (run.user). conf: {"option": value}."""

    def __init__(self, conf=None, as_root=False, host="mail.example.test", directory=None):
        self.port_base = ports.free_base()
        self.host, self.conf = host, dict(conf or {})
        self.account = None if as_root else _account()
        self.top = None
        if directory is None:
            self.top = tempfile.mkdtemp(prefix="postern-", dir="/tmp")
            os.chmod(self.top, 0o755)
            if self.account:
                os.chown(self.top, self.account.pw_uid, self.account.pw_gid)
            directory = os.path.join(self.top, "instance")
        self.dir = directory
        self.log_path = directory + ".log"
        self._clock_ms = 0
        self._write_clock()
        self.process, self._log = None, None
        self.crashes_expected = False
        self.customers = set()

    # -- time ----------------------------------------------------------------

    def _clock_path(self):
        return self.dir + ".clock"

    def _write_clock(self):
        # In place: the rooms have the file mapped, and eight bytes are written as one.
        with open(self._clock_path(), "r+b" if os.path.exists(self._clock_path()) else "wb", buffering=0) as f:
            f.write(struct.pack("=q", self._clock_ms))

    def now(self):
        """The instance's wall clock, seconds since 1970."""
        return time.time() + self._clock_ms / 1000

    def travel(self, **delta):
        """Moves the instance's wall clock (all rooms at once): travel(days=5), travel(seconds=-3)."""
        self._clock_ms += int(datetime.timedelta(**delta).total_seconds() * 1000)
        self._write_clock()

    def travel_to(self, when):
        """To a datetime with a time zone."""
        self._clock_ms += int((when.timestamp() - self.now()) * 1000)
        self._write_clock()

    # -- processes -----------------------------------------------------------

    def _spawn(self, args, **more):
        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        env["HOME"] = self.top or "/tmp"
        env["LC_ALL"] = "C.UTF-8"       # the command line speaks English
        env["POSTERN_CLOCK_FILE"] = self._clock_path()
        if self.account:
            more |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return subprocess.Popen([binary(), *args], env=env, cwd="/", **more)

    def _run(self, args, stdin=None, seconds=CLI_SECONDS):
        data = stdin.encode() if isinstance(stdin, str) else stdin
        process = self._spawn(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(data or b"", timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(f"postern {' '.join(args)} took more than {seconds} s\n{self.log_tail()}") from None
        return subprocess.CompletedProcess(args, process.returncode, out.decode(errors="replace"),
                                           err.decode(errors="replace"))

    def init(self):
        args = ["init", self.dir, "--port-base", str(self.port_base), "--host", self.host]
        done = self._run(args)
        if done.returncode:
            raise CliError(args, done)
        for name, value in self.conf.items():
            self.set_option(name, value)
        return self

    def set_option(self, name, value):
        """Changes a line of postern.conf, or adds it; in force at the next start or reload."""
        path = os.path.join(self.dir, "postern.conf")
        with open(path, encoding="utf-8") as f:
            lines = [line for line in f if not re.match(rf"\s*{re.escape(name)}\s*=", line)]
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(lines + [f"{name} = {value}\n"])

    def start(self, wait=True):
        assert self.process is None, "it runs already"
        self._log = open(self.log_path, "ab")
        self.process = self._spawn(["run", self.dir], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                                   start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"postern run ended with {self.process.returncode}\n{self.log_tail()}")
        done = self._run(["-d", self.dir, "status", "--json"])
        if done.returncode:
            return False
        rooms = json.loads(done.stdout).get("rooms", [])
        return bool(rooms) and all(r["state"] == "ready" for r in rooms)

    def wait_ready(self, seconds=READY_SECONDS):
        try:
            wait_until(self._is_ready, seconds, "all rooms to be ready", every=0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log_tail()}") from None

    def stop(self):
        """SIGTERM; everything must be gone in time and in order."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"postern run did not stop in {STOP_SECONDS} s\n{self.log_tail()}") from None
        self._forget_process()
        assert code == 0, f"postern run ended with {code}\n{self.log_tail()}"

    def restart(self):
        self.stop()
        return self.start()

    def _forget_process(self):
        self.process = None
        if self._log:
            self._log.close()
            self._log = None

    def group_pids(self):
        """Supervisor and rooms: all processes of the session that start() opened and that have not ended."""
        pids = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.getsid(int(name)) == self.process.pid and is_alive(name):
                    pids.append(int(name))
            except OSError:
                pass
        return pids

    def kill_all(self):
        """kill -9 of supervisor and all rooms at once; the last of them is gone when it returns."""
        if self.process is None:
            return
        self.crashes_expected = True

        def ended():
            pids = self.group_pids()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not pids
        wait_until(ended, 30, "all processes to end")
        self.process.wait(30)
        self._forget_process()

    def kill(self, role, index=0, wait=True):
        """kill -9 of one room; waits until the supervisor has it back."""
        self.crashes_expected = True
        pid = self.wait_back(role, None, index)
        os.kill(pid, signal.SIGKILL)
        if wait:
            self.wait_back(role, pid, index)
        return pid

    @contextlib.contextmanager
    def stopped(self, role, index=0):
        """One room stands still in here: what it is asked has its answer behind it, or, where something else sends it on, late."""
        pid = self.room(role, index)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def wait_back(self, role, old_pid, index=0, seconds=READY_SECONDS):
        """The process that a room has now."""
        def back():
            done = self.try_cli("status", "--json")     # not answered where it is admind that was killed in the middle
            for room in json.loads(done.stdout)["rooms"] if done.returncode == 0 else ():
                if (room["role"], room["index"], room["state"]) == (role, index, "ready") and room["pid"] != old_pid:
                    return room["pid"]
            return None
        return wait_until(back, seconds, f"{role} to come back", every=0.05)

    def close(self, check=True):
        """Stops, checks the log, deletes the folder (kept with POSTERN_KEEP=1)."""
        try:
            if self.process and self.process.poll() is not None and check:
                raise AssertionError(f"postern run is gone ({self.process.returncode})\n{self.log_tail()}")
            if check:
                self.stop()
                self.check_log()
        finally:
            try:
                self.kill_all()
            finally:
                ports.release(self.port_base)
                if self.top and not os.environ.get("POSTERN_KEEP"):
                    shutil.rmtree(self.top, ignore_errors=True)

    # -- what it says ----------------------------------------------------------

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=40):
        return "--- log ---\n" + "\n".join(self.log().splitlines()[-lines:])

    def log_size(self):
        return len(self.log())

    def wait_log(self, pattern, seconds=30, since=0):
        return wait_until(lambda: re.search(pattern, self.log()[since:]), seconds, f"{pattern!r} in the log")

    def check_log(self):
        """No sanitizer report; no crash but of rooms that the test killed."""
        for line in self.log().splitlines():
            if CRASH.search(line) and not (self.crashes_expected and KILLED in line):
                raise SanitizerReport(f"{line}\n{self.log_tail(80)}")

    # -- the command line ------------------------------------------------------

    def try_cli(self, *args, stdin=None, seconds=CLI_SECONDS):
        """The finished process, whatever its exit code."""
        return self._run(["-d", self.dir, *map(str, args)], stdin, seconds)

    def cli(self, *args, stdin=None, seconds=CLI_SECONDS):
        """What it prints; CliError where it does not exit 0."""
        done = self.try_cli(*args, stdin=stdin, seconds=seconds)
        if done.returncode:
            raise CliError(args, done)
        return done.stdout

    def json(self, *args, stdin=None, seconds=CLI_SECONDS):
        text = self.cli(*args, "--json", stdin=stdin, seconds=seconds)
        return json.loads(text) if text.strip() else None

    def partly(self, *args, stdin=None):
        """What a command printed of which some items were refused: it exits 1."""
        done = self.try_cli(*args, "--json", stdin=stdin)
        assert done.returncode == 1, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def refused(self, *args, stdin=None):
        """stderr of a command that must be refused with exit 1."""
        done = self.try_cli(*args, stdin=stdin)
        assert done.returncode == 1, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.stderr.strip(), f"{args}: refused without a reason"
        return done.stderr

    def write_file(self, name, text):
        """A file beside the instance that its user can read (for imports); its path."""
        path = os.path.join(os.path.dirname(self.dir), name)
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        os.chmod(path, 0o644)
        return path

    def status(self):
        return self.json("status")

    def rooms(self):
        return self.status()["rooms"]

    def room(self, role, index=0):
        """Its row of the status, with its counters: one that was too busy to count is asked again."""
        end = time.monotonic() + COUNT_SECONDS
        while True:
            rows = [r for r in self.rooms() if (r["role"], r["index"]) == (role, index)]
            assert rows, f"no room {role}.{index}"
            if rows[0]["state"] != "ready" or rows[0].get("counters") or time.monotonic() > end:
                return rows[0]

    def pids(self, role=None):
        return [r["pid"] for r in self.rooms() if role in (None, r["role"])]

    def memory(self):
        """{"smtpd.0": Pss in bytes, ...} from /proc, the supervisor too."""
        pids = {f"{r['role']}.{r['index']}": r["pid"] for r in self.rooms()} | {"supervisor": self.process.pid}
        result = {}
        for name, pid in pids.items():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                result[name] = int(re.search(r"^Pss:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024
        return result

    def add_customer(self, name="acme", pool="100G"):
        self.cli("customer", "add", name, "--pool", pool)
        self.customers.add(name)

    def add_domain(self, domain="example.test", mode="hosted", server=None, customer="acme", *more):
        if customer not in self.customers:
            self.add_customer(customer)
        args = ["--server", server] if server else []
        self.cli("domain", "add", domain, "--customer", customer, "--mode", mode, *args, *more)

    def add_mailbox(self, address, password, *more):
        """password None: without one."""
        if password is None:
            self.cli("mailbox", "add", address, *more)
        else:
            self.cli("mailbox", "add", address, "--password-stdin", *more, stdin=password + "\n")

    # -- its doors -------------------------------------------------------------

    def port(self, service):
        return self.port_base + {"smtp": 25, "submission": 465, "imaps": 993, "pop3s": 995, "https": 443,
                                 "http": 80, "sieve": 4190}[service]

    def smtp(self, timeout=DOOR_SECONDS):
        return smtplib.SMTP("127.0.0.1", self.port("smtp"), local_hostname="client.test", timeout=timeout)

    def submission(self, user=None, password=None, timeout=DOOR_SECONDS):
        smtp = smtplib.SMTP_SSL("127.0.0.1", self.port("submission"), local_hostname="client.test", timeout=timeout,
                                context=tls_context())
        if user:
            smtp.login(user, password)
        return smtp

    def imap(self, user=None, password=None, timeout=DOOR_SECONDS):
        imap = imaplib.IMAP4_SSL("127.0.0.1", self.port("imaps"), ssl_context=tls_context(), timeout=timeout)
        if user:
            imap.login(user, password)
        return imap

    def pop3(self, user=None, password=None, timeout=DOOR_SECONDS):
        pop3 = poplib.POP3_SSL("127.0.0.1", self.port("pop3s"), context=tls_context(), timeout=timeout)
        if user:
            pop3.user(user)
            pop3.pass_(password)
        return pop3

    def flip_behind(self, marker, shard=0):
        """The byte behind each place of a text in a shard's segments: damage, and the second time its repair."""
        folder = os.path.join(self.dir, "data", f"store.{shard}", "segments")
        found = 0
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "r+b") as f:
                data = f.read()
                for match in re.finditer(re.escape(marker.encode()), data):
                    f.seek(match.end())
                    f.write(bytes([data[match.end()] ^ 0xff]))
                    found += 1
        assert found, "the text is nowhere in the segments"

    def mail(self, user, password, mailbox="INBOX"):
        """All messages of a mailbox, as bytes, in UID order."""
        imap = self.imap(user, password)
        try:
            ok, text = imap.select(f'"{mailbox}"', readonly=True)
            assert ok == "OK", text
            ok, data = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")
            assert ok == "OK", data
            return [item[1] for item in data if isinstance(item, tuple)]
        finally:
            imap.logout()

    def wait_mail(self, user, password, count, mailbox="INBOX", seconds=60):
        """The messages, once there are count of them."""
        def enough():
            found = self.mail(user, password, mailbox)
            return found if len(found) >= count else None
        return wait_until(enough, seconds, f"{count} messages in {mailbox} of {user}", every=0.1)

