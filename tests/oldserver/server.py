# SPDX-License-Identifier: Apache-2.0
"""Postfix and Dovecot with their configuration, queue, mail and logs under one folder.

Ports are base + 24 (LMTP), 25 (SMTP), 110, 143, 993, 995, all on 127.0.0.1. Root is needed because Postfix
starts as root; the daemons drop to the users that Debian's packages made. Those must be able to reach the folder:
where they cannot (a home of mode 0700), its contents lie under /var/lib/postern-oldserver and it is a link to them.
"""
import ctypes
import grp
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import mailbox

OFFSETS = {"lmtp": 24, "smtp": 25, "pop3": 110, "imap": 143, "imaps": 993, "pop3s": 995}
PORTS_OF = {"postfix": ("smtp",), "dovecot": ("imap", "imaps", "pop3", "pop3s", "lmtp")}
POSTFIX_LIB = "/usr/lib/postfix/sbin"
MAIL_UID = 5000                 # owns the mail; needs no name
ELSEWHERE = "/var/lib/postern-oldserver"    # for folders that the daemons' users cannot reach, as in a private home
SOCKET_PATH_MAX = 60            # longer folders are reached by a short symbolic link (sun_path holds 108 bytes)

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {dir}/postfix
queue_directory = {dir}/queue
data_directory = {dir}/postfix-data
maillog_file = {dir}/logs/postfix.log
maillog_file_prefixes = {dir}
myhostname = {host}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 127.0.0.1
biff = no
append_dot_mydomain = no
alias_maps =
alias_database =
local_transport = error:no local mail here
default_transport = error:this server sends no mail elsewhere
relay_domains =
message_size_limit = 104857600
mailbox_size_limit = 0
virtual_mailbox_domains = hash:{dir}/postfix/domains
virtual_mailbox_maps = hash:{dir}/postfix/mailboxes
virtual_alias_maps = hash:{dir}/postfix/aliases
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
minimal_backoff_time = 5s
maximal_backoff_time = 30s
queue_run_delay = 5s
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = {dir}/tls/cert.pem
smtpd_tls_key_file = {dir}/tls/key.pem
smtpd_tls_session_cache_database =
"""

MASTER_CF = """\
127.0.0.1:{smtp} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

DOVECOT_CONF = """\
protocols = imap pop3 lmtp
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/run
instance_name = oldserver-{base}
log_path = {dir}/logs/dovecot.log
ssl = yes
ssl_cert = <{dir}/tls/cert.pem
ssl_key = <{dir}/tls/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_username_chars =
first_valid_uid = {uid}
mail_location = {location}
mail_max_userip_connections = 1000
passdb {{
  driver = passwd-file
  args = {dir}/master-users
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={dir}/mail/%d/%n
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0600
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"""


class OldServerError(Exception):
    """What went wrong, for a person."""


def sha512_crypt(password):
    """{SHA512-CRYPT}$6$..., as Dovecot's own tool makes it."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype, crypt.argtypes = ctypes.c_char_p, (ctypes.c_char_p, ctypes.c_char_p)
    return "{SHA512-CRYPT}" + crypt(password.encode(), b"$6$" + secrets.token_hex(8).encode()).decode()


def _write(path, text, mode=0o644):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


def _write_old(path, text):
    """Postfix sleeps until a file that it reads was last changed two seconds ago."""
    _write(path, text)
    past = time.time() - 10
    os.utime(path, (past, past))


def _run(*args):
    with tempfile.TemporaryFile() as out:       # no pipe: a daemon would keep it open
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60, check=False)
        out.seek(0)
        if done.returncode:
            raise OldServerError(f"{' '.join(args)}: {out.read().decode(errors='replace').strip()}")


def _alive(pid):
    """The process is there and more than a zombie that nobody has collected yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


class OldServer:
    """users: {address: password}. aliases: {address: [targets]}. format: maildir, mdbox or sdbox."""

    def __init__(self, directory, port_base=None, users=None, aliases=None, format="maildir", separator=".",
                 master=("master", "master-secret"), host="old.example.test"):
        self.asked_dir = os.path.abspath(directory)
        self.real_dir = self._reachable_dir()
        self.users, self.aliases = dict(users or {}), {k: list(v) for k, v in (aliases or {}).items()}
        self.port_base, self.format, self.separator = port_base, format, separator
        self.master, self.host, self.mail_uid = tuple(master), host, MAIL_UID
        self._hashes, self._serial = {}, 0
        if port_base is None:
            self._load()
        self.ports = {name: self.port_base + offset for name, offset in OFFSETS.items()}
        self.dir = self._short_dir()

    @classmethod
    def open(cls, directory):
        """The server whose state lies in directory already."""
        return cls(directory)

    # -- state ---------------------------------------------------------------

    def _short_dir(self):
        if len(self.real_dir) <= SOCKET_PATH_MAX:
            return self.real_dir
        return "/tmp/oldserver-" + hashlib.sha256(self.real_dir.encode()).hexdigest()[:12]

    def _reachable_dir(self):
        """The folder itself, or one elsewhere that it becomes a symbolic link to."""
        if os.path.islink(self.asked_dir):
            return os.path.realpath(self.asked_dir)
        above = os.path.dirname(os.path.realpath(self.asked_dir))
        while above != "/":
            if not os.stat(above).st_mode & 0o001:
                return os.path.join(ELSEWHERE, hashlib.sha256(self.asked_dir.encode()).hexdigest()[:12])
            above = os.path.dirname(above)
        return self.asked_dir

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def maildir(self, user):
        name, _, domain = user.rpartition("@")
        return self.path("mail", domain, name, "Maildir")

    def next_serial(self, count):
        self._serial += count
        self._save()
        return self._serial - count

    def _load(self):
        try:
            with open(os.path.join(self.real_dir, "oldserver.json"), encoding="utf-8") as f:
                state = json.load(f)
        except FileNotFoundError:
            raise OldServerError(f"{self.real_dir} holds no old server") from None
        for key in ("port_base", "users", "aliases", "format", "separator", "host"):
            setattr(self, key, state[key])
        self.master, self._hashes, self._serial = tuple(state["master"]), state["hashes"], state["serial"]

    def _save(self):
        state = {key: getattr(self, key) for key in
                 ("port_base", "users", "aliases", "format", "separator", "host", "master")}
        state |= {"hashes": self._hashes, "serial": self._serial}
        _write(os.path.join(self.real_dir, "oldserver.json"), json.dumps(state, indent=1), 0o600)

    # -- configuration -------------------------------------------------------

    def _values(self):
        suffix = {"maildir": "maildir:~/Maildir", "mdbox": "mdbox:~/mdbox", "sdbox": "sdbox:~/sdbox"}
        return dict(self.ports, dir=self.dir, base=self.port_base, uid=self.mail_uid, host=self.host,
                    separator=self.separator, location=suffix[self.format])

    def _make_dirs(self):
        postfix, postdrop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        os.makedirs(self.real_dir, exist_ok=True)
        if self.real_dir != self.asked_dir and not os.path.islink(self.asked_dir):
            os.chmod(ELSEWHERE, 0o711)
            os.symlink(self.real_dir, self.asked_dir)
        os.chmod(self.real_dir, os.stat(self.real_dir).st_mode | 0o011)
        if self.dir != self.real_dir and not os.path.islink(self.dir):
            os.symlink(self.real_dir, self.dir)
        for name in ("postfix", "queue", "queue/pid", "logs", "tls", "run"):
            os.makedirs(self.path(name), 0o755, exist_ok=True)
        private = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()
        for name, mode, gid in [(f"queue/{n}", 0o700, 0) for n in private] + [
                ("queue/maildrop", 0o730, postdrop), ("queue/public", 0o710, postdrop), ("postfix-data", 0o700, 0)]:
            os.makedirs(self.path(name), exist_ok=True)
            os.chmod(self.path(name), mode)
            os.chown(self.path(name), postfix, gid)
        os.makedirs(self.path("mail"), exist_ok=True)
        os.chown(self.path("mail"), self.mail_uid, self.mail_uid)

    def _make_certificate(self):
        if not os.path.exists(self.path("tls/cert.pem")):
            _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                 "3650", "-subj", f"/CN={self.host}", "-keyout", self.path("tls/key.pem"), "-out",
                 self.path("tls/cert.pem"))
            os.chmod(self.path("tls/key.pem"), 0o600)

    def _hash(self, key, password):
        """Hashing costs some milliseconds: kept as long as the password stays."""
        tag = hashlib.sha256(f"{key}\0{password}".encode()).hexdigest()
        have = self._hashes.get(key)
        if not have or have[0] != tag:
            have = self._hashes[key] = [tag, sha512_crypt(password)]
        return have[1]

    def password_hash(self, user):
        """As it stands in the server's passwd-file: {SHA512-CRYPT}$6$..."""
        return self._hash(user, self.users[user])

    def _write_users(self):
        dovecot = grp.getgrnam("dovecot").gr_gid
        for name, entries in (("users", self.users), ("master-users", dict([self.master]))):
            _write(self.path(name), "".join(f"{u}:{self._hash(u, p)}\n" for u, p in entries.items()), 0o640)
            os.chown(self.path(name), 0, dovecot)

    def _write_maps(self):
        names = [*self.users, *self.aliases]
        tables = {"domains": {n.rpartition("@")[2]: "x" for n in names}, "mailboxes": {u: "x" for u in self.users},
                  "aliases": {a: ", ".join(t) for a, t in self.aliases.items()}}
        for name, table in tables.items():
            _write_old(self.path("postfix", name), "".join(f"{k} {v}\n" for k, v in table.items()))
        _run("postmap", "-c", self.path("postfix"), *(f"hash:{self.path('postfix', n)}" for n in tables))

    def configure(self):
        """Writes every file from what this object says; harmless to repeat."""
        if os.geteuid() != 0:
            raise OldServerError("Postfix starts as root: run this as root (or with sudo)")
        for program in ("postmap", "dovecot", "openssl"):
            if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                raise OldServerError(f"{program} is missing: apt install postfix dovecot-imapd dovecot-pop3d "
                                     "dovecot-lmtpd openssl")
        self._make_dirs()
        self._make_certificate()
        _write_old(self.path("postfix/main.cf"), MAIN_CF.format(**self._values()))
        _write_old(self.path("postfix/master.cf"), MASTER_CF.format(**self._values()))
        _write(self.path("dovecot.conf"), DOVECOT_CONF.format(**self._values()))
        self._write_users()
        self._write_maps()
        self._save()

    # -- processes -----------------------------------------------------------

    def _pid(self, which):
        file = self.path("queue/pid/master.pid") if which == "postfix" else self.path("run/master.pid")
        name = b"master" if which == "postfix" else b"dovecot"
        try:
            with open(file, encoding="ascii") as f:
                pid = int(f.read().split()[0])
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read()
        except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
            return None
        return pid if name in line and self.dir.encode() in line and _alive(pid) else None

    def status(self):
        """{"postfix": pid or None, "dovecot": pid or None}"""
        return {which: self._pid(which) for which in ("postfix", "dovecot")}

    def _is_free(self, name):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", self.ports[name]))
            except OSError:
                return False
        return True

    def _check_ports(self, which):
        for name in PORTS_OF[which]:
            if not self._is_free(name):
                raise OldServerError(f"port {self.ports[name]} ({name}) is in use")

    def _start_dovecot(self):
        self._check_ports("dovecot")
        _run("dovecot", "-c", self.path("dovecot.conf"))
        # Dovecot makes its run folder private to root; Postfix needs nothing in there.

    def _start_postfix(self):
        self._check_ports("postfix")
        _run(POSTFIX_LIB + "/master", "-c", self.path("postfix"), "-w")

    def _wait_ports(self, names, seconds=30):
        deadline = time.monotonic() + seconds
        for name in names:
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", self.ports[name]), timeout=2) as s:
                        if not name.endswith("s") and s.recv(1) == b"":
                            raise OSError
                        break
                except OSError:
                    if time.monotonic() > deadline:
                        raise OldServerError(f"no answer on port {self.ports[name]} ({name}); see "
                                             f"{self.path('logs')}") from None
                    time.sleep(0.02)

    def start(self, only=None):
        self.configure()
        status = self.status()
        try:
            self._start(only, status)
        except OldServerError:
            for which, pid in status.items():
                if not pid:
                    self._end(which, signal.SIGTERM)    # nothing is left half started
            raise
        return self

    def _start(self, only, status):
        if only in (None, "dovecot") and not status["dovecot"]:
            self._start_dovecot()
        if only in (None, "postfix") and not status["postfix"]:
            self._start_postfix()
        self._wait_ports({None: ("imap", "smtp"), "dovecot": ("imap",), "postfix": ("smtp",)}[only])

    def _end(self, which, sig):
        pid = self._pid(which)
        if not pid:
            return
        os.kill(pid, sig)
        deadline = time.monotonic() + 20
        while _alive(pid):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        # Its children have the ports, too, and end behind it.
        while time.monotonic() < deadline and not all(self._is_free(name) for name in PORTS_OF[which]):
            time.sleep(0.01)

    def stop(self, only=None):
        for which in ("postfix", "dovecot"):
            if only in (None, which):
                self._end(which, signal.SIGTERM)

    def restart(self, only=None):
        self.stop(only)
        return self.start(only)

    def remove(self):
        """Stops it and deletes all its state."""
        self.stop()
        if self.dir != self.real_dir and os.path.islink(self.dir):
            os.unlink(self.dir)
        if os.path.islink(self.asked_dir):
            os.unlink(self.asked_dir)
        shutil.rmtree(self.real_dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- contents ------------------------------------------------------------

    def add_user(self, address, password):
        self.users[address] = password
        self.configure()

    def add_alias(self, address, targets):
        self.aliases[address] = list(targets)
        self.configure()

    def fill(self, user, total, folders=mailbox.DEFAULT_FOLDERS, seed=1, size=None):
        """Generated messages into the user's folders; {folder: count}. The same seed gives the same bytes."""
        if user not in self.users:
            raise OldServerError(f"{user} is no user of this server")
        return mailbox.fill(self, user, total, folders, seed, size)

    def queue_length(self):
        """Messages that Postfix still has to deliver."""
        return sum(len(files) for name in ("incoming", "active", "deferred", "maildrop")
                   for _, _, files in os.walk(self.path("queue", name)))
