# SPDX-License-Identifier: Apache-2.0
"""Clients that take mail away or bring it: fetchmail, getmail, curl, swaks, s-nail, neomutt."""
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
