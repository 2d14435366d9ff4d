# SPDX-License-Identifier: Apache-2.0
"""The move of a domain, played on this machine.

python3 tools/tour DIR --binary build-release/src/postern [--user NAME] [--messages N] [--old-port-base N]
"""
import argparse
import collections
import email
import email.header
import email.policy
import json
import os
import smtplib
import socket
import sys
import time

from screen import Progress, bold, chapter, command, dim, done, number, say, size, table
from world import Correspondents, Old, Postern, Trouble, folders, read_mutf7, tour_numbers, wait_until

DOMAIN = "example.test"
USERS = {f"anna@{DOMAIN}": "Anna-gardens-1974", f"ben@{DOMAIN}": "Ben-bridges-1981", f"clara@{DOMAIN}": "Clara-rivers-1990"}
ALIASES = {f"info@{DOMAIN}": [f"anna@{DOMAIN}", f"ben@{DOMAIN}"], f"sales@{DOMAIN}": [f"clara@{DOMAIN}"]}
SHARES = {f"anna@{DOMAIN}": 0.6, f"ben@{DOMAIN}": 0.3, f"clara@{DOMAIN}": 0.1}


def free_base(start):
    """A port base whose ports nobody uses."""
    for base in range(start, 30000, 1000):
        try:
            for offset in (24, 25, 110, 143, 465, 993, 995):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue
    raise Trouble("no free ports on 127.0.0.1")


class Tour:
    def __init__(self, args):
        self.args = args
        self.new = Postern(args.binary, args.dir, args.user)
        self.old = Old(os.path.join(args.dir, "oldserver"))
        self.sent = []              # (number, recipient) of every message that got its 250
        self.state_path = os.path.join(args.dir, "tour.json")
        self.state = self.read_state()
        self.first_number = self.next_number = 1 + 100000 * self.state["runs"]

    def read_state(self):
        try:
            with open(self.state_path, encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return {"runs": 0, "played": False}

    def write_state(self, played):
        self.state = {"runs": self.state["runs"] + (not played), "played": played}
        with open(self.state_path, "w", encoding="utf-8") as f:
            json.dump(self.state, f)

    def there(self, *words):
        """Was it made by an earlier tour that did not get to its end?"""
        return self.new.run(*words).returncode == 0

    def postern(self, *words, stdin=None, show=None):
        """Shows a command and runs it."""
        command(["postern", "-d", self.args.shown_dir, *(show or map(str, words))])
        return self.new.json(*words, stdin=stdin)

    # -- 1 ---------------------------------------------------------------------------------------------

    def old_server(self):
        chapter(1, "The old server")
        say(f"{DOMAIN} lives on an ordinary mail server: Debian's Postfix and Dovecot, with their own configuration, queue "
            "and mail under this instance's folder. Three people have had their mail there for a year.")
        if self.old.is_made():
            self.old.again()
        else:
            base = self.args.old_port_base or free_base(self.new.ports()["smtp"] - 25 + 1000)
            self.old.start(base, USERS, ALIASES)
            bar, there = Progress("filling the mailboxes "), 0
            for user, share in SHARES.items():
                there += sum(self.old.fill(user, int(self.args.messages * share), 1).values())
                bar.show(there, self.args.messages, f"{number(there)} messages", last=True)
            bar.end()
        total = 0
        rows = []
        for user, password in USERS.items():
            imap = self.old.imap(user, password)
            found = folders(imap)
            imap.logout()
            total += sum(found.values())
            rows.append([user, number(len(found)), number(sum(found.values()))])
        table(rows, ["mailbox", "folders", "messages"])
        done(f"The old server answers: SMTP {self.old.ports['smtp']}, IMAP {self.old.ports['imap']}, {number(total)} messages.")

    # -- 2 ---------------------------------------------------------------------------------------------

    def gateway(self):
        chapter(2, "Postern stands in front")
        say("Nothing moves yet. The domain's MX would now point at Postern, which takes the mail, looks at it, and passes it "
            "on to the old server. People notice nothing.")
        if not self.there("customer", "show", "acme"):
            self.postern("customer", "add", "acme", "--pool", "100G")
        if self.there("domain", "show", DOMAIN):
            self.postern("domain", "switch", DOMAIN, "gateway")
        else:
            self.postern("domain", "add", DOMAIN, "--customer", "acme", "--mode", "gateway", "--server",
                         f"127.0.0.1:{self.old.ports['smtp']}")
        with self.correspondents(pause=0.01) as people:
            wait_until(lambda: len(people.accepted) >= 60 or people.errors, 60, "60 messages")
        self.take(people)
        wait_until(lambda: self.new.queued() == 0, 60, "the queue to be empty")
        arrived = wait_until(self.all_at_old, 30, "the messages at the old server")
        done(f"{number(len(self.sent))} messages sent to Postern, {number(arrived)} arrived at the old server.")

    def correspondents(self, **how):
        return Correspondents(self.new.ports()["smtp"], list(USERS), self.next_number, **how)

    def take(self, people):
        if people.errors:
            raise Trouble(f"a sender was turned away: {people.errors[0]}")
        self.sent += people.accepted
        self.next_number = people.next_number

    def numbers(self, imap):
        return collections.Counter({n: c for n, c in tour_numbers(imap).items() if n >= self.first_number})

    def all_at_old(self):
        found = sum(sum(self.numbers(self.old.imap(u, p)).values()) for u, p in USERS.items())
        return found if found >= len(self.sent) else None

    # -- 3 ---------------------------------------------------------------------------------------------

    def write_file(self, name, text):
        path = os.path.join(self.args.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        if self.new.account and os.geteuid() == 0:
            os.chown(path, self.new.account.pw_uid, self.new.account.pw_gid)
        return path

    def accounts(self):
        chapter(3, "Accounts and aliases come over")
        say("The old server's passwd-file has one line a user. Postern takes the hashes as they are, so nobody needs a new "
            "password; each is put into today's form (Argon2id) when its owner logs in for the first time. A file with a "
            "mistake changes nothing:")
        known = self.old.accounts()
        lines = "".join(f"{user} {hashed}\n" for user, hashed in known["accounts"].items())
        broken = self.write_file("broken-accounts.txt", lines + "dora@@example.test secret\n")
        command(["postern", "-d", self.args.shown_dir, "import", "accounts", "broken-accounts.txt", "--domain", DOMAIN])
        refused = self.new.run("import", "accounts", broken, "--domain", DOMAIN)
        if refused.returncode == 0:
            raise Trouble("the broken file was taken")
        for line in refused.stderr.strip().splitlines()[:3]:
            print("  " + dim(line))
        if self.there("mailbox", "show", next(iter(USERS))):
            done("The mailboxes are here already.")
            return
        accounts = self.write_file("accounts.txt", lines)
        self.postern("import", "accounts", accounts, "--domain", DOMAIN,
                     show=["import", "accounts", "accounts.txt", "--domain", DOMAIN])
        aliases = self.write_file("aliases.txt", "".join(
            f"{name.split('@')[0]}: {', '.join(t.split('@')[0] for t in to)}\n" for name, to in known["aliases"].items()))
        self.postern("import", "aliases", aliases, "--domain", DOMAIN,
                     show=["import", "aliases", "aliases.txt", "--domain", DOMAIN])
        done(f"{len(known['accounts'])} mailboxes with their old passwords, {len(known['aliases'])} aliases.")

    # -- 4 ---------------------------------------------------------------------------------------------

    def start_move(self):
        return self.postern("move", "start", DOMAIN, "--from", f"imap://127.0.0.1:{self.old.ports['imap']}", "--tls",
                            "starttls", "--master-user", "master", "--password-stdin", stdin="master-secret\n")

    def watch_move(self, title):
        bar = Progress(title)
        while True:
            status = self.new.json("move", "status", DOMAIN)
            rate = status.get("messages_per_second") or 0
            note = f"{number(status['messages_done'])} of {number(status['messages_total'])}"
            if status["messages_new"]:
                note += f", {number(int(rate))}/s, {size(status['bytes_new'])}"
            over = status["state"] != "running"
            bar.show(status["messages_done"], status["messages_total"] if status["messages_total"] or over else 1, note, over)
            if over:
                break
            if bar.seconds() > 1800:
                raise Trouble("the copy takes too long")
            time.sleep(0.1)
        bar.end()
        if status["state"] != "done" or status["messages_failed"]:
            errors = "; ".join(m["error"] for m in status["mailboxes"] if m["error"])
            raise Trouble(f"the copy ended as {status['state']}: {errors or status['messages_failed']}")
        return status, bar.seconds()

    def copy(self):
        chapter(4, "The old mail is copied, while it is in use")
        say("Postern logs in to the old server's IMAP as its master user and copies every mailbox: folders, flags, keywords, "
            "dates, byte for byte. It only reads there. New mail goes on arriving at the old server meanwhile.")
        with self.correspondents(connections=1, pause=0.2) as people:
            self.start_move()
            status, seconds = self.watch_move("copying               ")
        self.take(people)
        done(f"{number(status['messages_new'])} messages, {size(status['bytes_new'])} in {seconds:.1f} s. "
             f"{number(len(people.accepted))} new ones came in meanwhile.")
        wait_until(lambda: self.new.queued() == 0, 60, "the queue to be empty")
        say("\nA second run looks at everything and fetches only what is new:")
        self.start_move()
        status, seconds = self.watch_move("copying again         ")
        done(f"{number(status['messages_done'])} messages looked at, {number(status['messages_new'])} copied, {seconds:.1f} s.")

    # -- 5 ---------------------------------------------------------------------------------------------

    def switch(self):
        chapter(5, "The switch, with mail flowing")
        say("One command turns the domain from forwarding to hosting, for the very next message. Four senders write without "
            "a pause while it happens.")
        with self.correspondents(pause=0.01) as people:
            time.sleep(1.5)
            began = time.monotonic()
            self.postern("domain", "switch", DOMAIN, "hosted")
            took = time.monotonic() - began
            time.sleep(1.5)
        self.take(people)
        done(f"Switched in {took * 1000:.0f} ms; {number(len(people.accepted))} messages were accepted around it.")
        wait_until(lambda: self.new.queued() == 0, 60, "the queue to be empty")
        say("\nA last run fetches what reached the old server between the last copy and the switch:")
        self.start_move()
        status, seconds = self.watch_move("copying the rest      ")
        done(f"{number(status['messages_new'])} messages, {seconds:.1f} s.")
        self.count_once()

    def count_once(self):
        missing = double = 0
        for user, password in USERS.items():
            found = self.numbers(self.new.imap(user, password))
            want = collections.Counter(count for count, to in self.sent if to == user)
            missing += sum((want - found).values())
            double += sum((found - want).values())
        if missing or double:
            raise Trouble(f"of {len(self.sent)} accepted messages {missing} are missing, {double} are there twice")
        done(f"Every one of the {number(len(self.sent))} messages that Postern accepted during this tour is in its mailbox "
             "here exactly once.")

    # -- 6 ---------------------------------------------------------------------------------------------

    def proof(self):
        chapter(6, "The proof")
        say("Both sides are read again, message by message: SHA-256 of the bytes, size, and date.")
        result = self.postern("move", "proof", DOMAIN)
        rows = []
        for box in result["mailboxes"]:
            if box["error"]:
                raise Trouble(f"{box['address']}: {box['error']}")
            for index, folder in enumerate(box["folders"]):
                rows.append([box["address"] if index == 0 else "", folder["name"], number(folder["there"]),
                             number(folder["here"]), number(folder["missing"])])
        table(rows, ["mailbox", "folder", "there", "the same here", "missing"])
        if not result["complete"]:
            raise Trouble(f"{result['messages_missing']} messages are not here")
        done(f"All {number(result['messages_there'])} messages of the old server are here, byte for byte.")

    # -- 7 ---------------------------------------------------------------------------------------------

    def read(self):
        chapter(7, "The same mail, in its new place")
        user, password = next(iter(USERS.items()))
        port = self.new.ports()["imap"]
        say(f"{user} opens her mail at 127.0.0.1:{port} (IMAP over TLS) with the password she always had:")
        imap = self.new.imap(user, password)
        rows = [[read_mutf7(name), number(count)] for name, count in sorted(folders(imap).items())]
        table(rows, ["folder", "messages"])
        _, count = imap.select("Sent", readonly=True)
        last = int(count[0])
        _, data = imap.fetch(f"{max(1, last - 2)}:{last}", "(FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])")
        say("\nThe last three in Sent:")
        for item in data:
            if isinstance(item, tuple):
                message = email.message_from_bytes(item[1], policy=email.policy.default)
                print(f"    {str(message['from'])[:34]:34}  {str(message['subject'])[:50]}")
        imap.logout()
        with smtplib.SMTP("127.0.0.1", self.new.ports()["smtp"], local_hostname="elsewhere.test", timeout=30) as smtp:
            smtp.sendmail("a@elsewhere.test", [f"info@{DOMAIN}"], "Subject: Hello to both\r\n\r\nFrom the alias.\r\n")
        done(f"A message to the alias info@{DOMAIN} is in two mailboxes now.")

    # -- the end ---------------------------------------------------------------------------------------

    def logins(self):
        ports = self.new.ports()
        print(f"\n{bold('It is all running. Try it:')}\n")
        table([[user, password] for user, password in USERS.items()], ["login", "password"])
        print()
        table([["IMAP (TLS)", f"127.0.0.1:{ports['imap']}"], ["POP3 (TLS)", f"127.0.0.1:{ports['pop3']}"],
               ["submission (TLS)", f"127.0.0.1:{ports['submission']}"], ["SMTP", f"127.0.0.1:{ports['smtp']}"],
               ["old server, IMAP", f"127.0.0.1:{self.old.ports['imap']}"]])
        first, password = next(iter(USERS.items()))
        sudo = "" if os.geteuid() == 0 else "sudo "
        print()
        for text, line in (
                ("read a folder", f"curl -k --user {first}:{password} imaps://127.0.0.1:{ports['imap']}/"),
                ("look inside", f"{self.args.binary} -d {self.args.dir} status"),
                ("the way back", f"{self.args.binary} -d {self.args.dir} domain switch {DOMAIN} gateway"),
                ("stop Postern", f"{self.args.binary} -d {self.args.dir} stop"),
                ("stop the old server", f"{sudo}{OLD_SERVER_SHOWN} stop {self.old.dir}")):
            print(f"    {text:20} {dim(line)}")
        print(f"\n  The instance is {self.args.dir}, its log {self.new.log_path}.")


OLD_SERVER_SHOWN = "tests/oldserver/oldserver"


def arguments():
    parser = argparse.ArgumentParser(prog="tour", description=__doc__.splitlines()[0])
    parser.add_argument("dir", help="folder of a running instance")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--user", help="whom the instance runs as, where the caller is root")
    parser.add_argument("--messages", type=int, default=4000, help="how much old mail there is")
    parser.add_argument("--old-port-base", type=int, metavar="N", help="where the old server listens, 25 at N + 25 and so on")
    args = parser.parse_args()
    args.shown_dir = os.path.relpath(args.dir) if not os.path.relpath(args.dir).startswith("..") else args.dir
    return args


def main():
    tour = Tour(arguments())
    try:
        if tour.state["played"]:
            tour.old.again()
            say("The tour was played here before; what it made is running again. To see it once more, stop Postern and "
                f"remove {tour.args.dir}.")
        else:
            began = time.monotonic()
            tour.write_state(played=False)
            for part in (tour.old_server, tour.gateway, tour.accounts, tour.copy, tour.switch, tour.proof, tour.read):
                part()
            tour.write_state(played=True)
            print(f"\n  The whole move took {time.monotonic() - began:.0f} seconds.")
        tour.logins()
    except Trouble as e:
        print(f"\nThe tour stops here: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe tour was interrupted.", file=sys.stderr)
        return 130
    return 0


sys.exit(main())
