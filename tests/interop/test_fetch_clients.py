# SPDX-License-Identifier: Apache-2.0
"""Clients that take mail away or bring it: fetchmail and getmail (multidrop, too), curl, swaks, s-nail, neomutt."""
import os
import re
import shutil

import pytest

from letters import mail


def needs(name):
    return pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed")


@needs("fetchmail")
@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_fetchmail(account, protocol):
    for n in range(5):
        account.put(f"m{n}")
    port = account.imaps if protocol == "IMAP" else account.pop3s
    rc = account.write("fetchmailrc", f"""\
set no bouncemail
poll 127.0.0.1 protocol {protocol} port {port} auth password
  user "{account.user}" password "{account.password}" ssl sslproto TLS1.2+ no sslcertck
  mda "/bin/sh -c 'cat >> {account.home}/got; echo >> {account.home}/got'" no rewrite fetchall
""")
    account.run("fetchmail", "-f", rc, "--pidfile", f"{account.home}/pid", "--nosyslog", "-i", f"{account.home}/ids")
    got = (account.home / "got").read_text()
    assert [f"Subject: m{n}" in got for n in range(5)] == [True] * 5
    assert account.subjects() == []                 # fetched, deleted, expunged
    account.run("fetchmail", "-f", rc, "--pidfile", f"{account.home}/pid", "--nosyslog", "-i", f"{account.home}/ids",
                codes=(1,))                         # 1: there is no mail


@needs("getmail")
@pytest.mark.parametrize("kind", ["SimpleIMAPSSLRetriever", "SimplePOP3SSLRetriever"])
def test_getmail(account, kind):
    account.maildir("box")
    for n in range(4):
        account.put(f"m{n}")
    port = account.imaps if "IMAP" in kind else account.pop3s
    account.write("getmailrc", f"""\
[retriever]
type = {kind}
server = 127.0.0.1
port = {port}
username = {account.user}
password = {account.password}
[destination]
type = Maildir
path = {account.home}/box/
[options]
read_all = false
delivered_to = false
received = false
""")
    for count in (4, 4):                            # the second run finds nothing new
        account.run("getmail", "--getmaildir", str(account.home), "--rcfile", "getmailrc")
        assert len(list((account.home / "box" / "new").iterdir())) == count
    account.put("m4")
    account.run("getmail", "--getmaildir", str(account.home), "--rcfile", "getmailrc")
    assert len(list((account.home / "box" / "new").iterdir())) == 5
    assert len(account.subjects()) == 5


@pytest.fixture
def drop(account):
    """A domain that account collects (M30): send() has mail for several of it, got() says what a client filed for whom."""
    domain = "drop" + account.user.split("@")[0] + ".test"
    server = account.server
    server.add_domain(domain)
    server.add_mailbox("box@" + domain, account.password)
    server.cli("domain", "set", domain, "--catch-all", "box@" + domain, "--multidrop", "on")
    (account.home / "filed").mkdir()
    shutil.chown(account.home / "filed", *(server.account.pw_uid, server.account.pw_gid) if server.account else (os.geteuid(),))
    account.filer = account.write("filer", f'file=$(mktemp {account.home}/filed/XXXXXXXX)\necho "$*" > $file\ncat >> $file\n')
    account.domain, account.box = domain, "box@" + domain

    def send(subject, *names):
        with server.smtp() as smtp:
            text = mail(subject).replace(b"To: mary@clients.test", f"To: one@{domain}\r\nCc: two@{domain}".encode())
            assert smtp.sendmail("joe@elsewhere.test", [f"{n}@{domain}" for n in names], text) == {}

    def got():
        filed = [f.read_text().split("\n", 1) for f in (account.home / "filed").iterdir()]
        return sorted((whom.strip().lower(), re.search("^Subject: (.*)$", text, re.M).group(1)) for whom, text in filed)
    account.send, account.got = send, got
    # To, Cc and Bcc; a Bcc alone; and a list elsewhere, which names none of them.
    send("three", "one", "two", "hidden")
    send("alone", "hidden")
    send("list", "two", "three")
    account.all = sorted([(f"{n}@{domain}", "three") for n in ("one", "two", "hidden")] + [(f"hidden@{domain}", "alone")] +
                         [(f"{n}@{domain}", "list") for n in ("two", "three")])
    return account


@needs("fetchmail")
@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_fetchmail_multidrop(drop, protocol):
    """Each recipient once, Bcc too, by the envelope that Delivered-To names."""
    rc = drop.write("fetchmailrc", f"""\
set no bouncemail
set postmaster "lost"
poll 127.0.0.1 protocol {protocol} port {drop.imaps if protocol == "IMAP" else drop.pop3s} auth password no dns
  envelope "Delivered-To" localdomains {drop.domain}
  user "{drop.box}" password "{drop.password}" ssl sslproto TLS1.2+ no sslcertck is * here
  mda "/bin/sh {drop.filer} %T" no rewrite fetchall
""")
    command = ("fetchmail", "-f", rc, "--pidfile", f"{drop.home}/pid", "--nosyslog", "-i", f"{drop.home}/ids")
    drop.run(*command)
    assert drop.got() == drop.all
    drop.run(*command, codes=(1,))
    assert drop.got() == drop.all


@needs("getmail")
@pytest.mark.parametrize("kind", ["MultidropIMAPSSLRetriever", "MultidropPOP3SSLRetriever"])
def test_getmail_multidrop(drop, kind):
    drop.write("getmailrc", f"""\
[retriever]
type = {kind}
server = 127.0.0.1
port = {drop.imaps if "IMAP" in kind else drop.pop3s}
username = {drop.box}
password = {drop.password}
envelope_recipient = delivered-to:1
[destination]
type = MDA_external
path = /bin/sh
arguments = ("{drop.filer}", "%(recipient)")
[options]
read_all = false
delivered_to = false
received = false
""")
    for _ in range(2):                              # the second run finds nothing new
        drop.run("getmail", "--getmaildir", str(drop.home), "--rcfile", "getmailrc")
        assert drop.got() == drop.all
    drop.send("more", "one", "hidden")
    drop.run("getmail", "--getmaildir", str(drop.home), "--rcfile", "getmailrc")
    assert drop.got() == sorted(drop.all + [(f"{n}@{drop.domain}", "more") for n in ("one", "hidden")])


@needs("curl")
def test_curl(account):
    auth = ["--user", f"{account.user}:{account.password}"]
    tls = ["-sS", "--insecure"]
    imap, pop3 = f"imaps://127.0.0.1:{account.imaps}", f"pop3s://127.0.0.1:{account.pop3s}"
    path = account.write("message", mail("by-curl").decode().replace("joe@elsewhere.test", account.user))
    account.run("curl", *tls, *auth, "-T", path, f"{imap}/INBOX")
    assert b'"INBOX"' in account.run("curl", *tls, *auth, f"{imap}/")
    assert b"Subject: by-curl" in account.run("curl", *tls, *auth, f"{imap}/INBOX;UID=1")
    assert account.run("curl", *tls, *auth, f"{imap}/INBOX;UID=1;SECTION=TEXT") == b"Hello\r\n"
    assert b"SEARCH 1" in account.run("curl", *tls, *auth, f"{imap}/INBOX?SUBJECT%20by-curl")
    account.run("curl", *tls, *auth, "-X", "CREATE New", f"{imap}/")
    assert b'"New"' in account.run("curl", *tls, *auth, f"{imap}/")
    assert b"Subject: by-curl" in account.run("curl", *tls, *auth, f"{pop3}/1")
    account.run("curl", *tls, *auth, "--mail-from", account.user, "--mail-rcpt", account.user, "-T", path,
                f"smtps://127.0.0.1:{account.submission}/client.test")
    account.server.wait_mail(account.user, account.password, 2)
    account.run("curl", *tls, "--user", f"{account.user}:wrong", f"{imap}/", codes=(67,))


@needs("swaks")
@pytest.mark.parametrize("how", ["PLAIN", "LOGIN"])
def test_swaks(account, how):
    account.run("swaks", "--server", "127.0.0.1", "--port", str(account.submission), "--tls-on-connect", "--auth", how,
                "--auth-user", account.user, "--auth-password", account.password, "--from", account.user, "--to",
                account.user, "--header", "Subject: by swaks", "--body", "Hello")
    account.server.wait_mail(account.user, account.password, 1)
    assert account.subjects() == ["by swaks"]


@needs("s-nail")
def test_s_nail(account):
    user = account.user.replace("@", "%40")
    rc = account.write("nailrc", f"""\
set v15-compat
set mta=smtps://{user}:{account.password}@127.0.0.1:{account.submission} smtp-auth=login
set from={account.user} hostname=client.test tls-verify=ignore
set folder=imaps://{user}:{account.password}@127.0.0.1:{account.imaps}/
""")
    account.run("s-nail", "-s", "by s-nail", account.user, stdin="Hello\n", MAILRC=rc, NAIL_NO_SYSTEM_RC="1")
    account.server.wait_mail(account.user, account.password, 1)
    assert account.subjects() == ["by s-nail"]
    out = account.run("s-nail", "-f", f"imaps://{user}:{account.password}@127.0.0.1:{account.imaps}/INBOX",
                      stdin="headers\ntype 1\nxit\n", MAILRC=rc, NAIL_NO_SYSTEM_RC="1")
    assert b"by s-nail" in out and b"Hello" in out


@needs("neomutt")
def test_neomutt(account):
    rc = account.write("muttrc", f"""\
set ssl_verify_host=no certificate_file={account.cert} ssl_usesystemcerts=no
set imap_user="{account.user}" imap_pass="{account.password}" smtp_pass="{account.password}"
set smtp_url="smtps://{account.user}@127.0.0.1:{account.submission}" smtp_authenticators="plain"
set from="{account.user}" realname="Client" hostname="client.test" use_envelope_from=no
set folder="imaps://127.0.0.1:{account.imaps}/" record="imaps://127.0.0.1:{account.imaps}/Sent" copy=yes
set header_cache="" message_cachedir="" history_file="" quit=yes
""")
    account.run("neomutt", "-n", "-F", rc, "-s", "by neomutt", account.user, stdin="Hello\n")
    account.server.wait_mail(account.user, account.password, 1)
    assert account.subjects() == ["by neomutt"]
    keys = "<flag-message><copy-message>=Drafts<enter><delete-message><sync-mailbox><quit>"
    command = f"neomutt -n -F {rc} -f imaps://127.0.0.1:{account.imaps}/INBOX -e 'set confirmappend=no delete=yes' -e 'push {keys}'"
    account.run("script", "-qec", command, "/dev/null", TERM="xterm")
    assert account.subjects() == [] and account.subjects("Drafts") == ["by neomutt"]
