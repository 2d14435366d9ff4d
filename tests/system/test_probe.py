# SPDX-License-Identifier: Apache-2.0
"""Unknown recipients of a gateway (M35): the customer's own server is asked, and its answer is remembered."""
import smtplib

import pytest
from harness import wait_until

DOMAIN, JOE = "example.test", "joe@example.test"
pytestmark = pytest.mark.root


def rcpt(postern, address):
    with postern.smtp() as smtp:
        smtp.ehlo()
        assert smtp.mail("a@elsewhere.test")[0] == 250
        return smtp.rcpt(address)


@pytest.mark.parametrize("tls", ["opportunistic", "none", "required"])
def test_asks_the_old_server(postern, make_old_server, tls):
    server = make_old_server({JOE: "Joe-old-secret-1"}, {f"info@{DOMAIN}": [JOE]}).start()
    postern.add_domain(DOMAIN, "gateway", f"127.0.0.1:{server.ports['smtp']}", "acme", "--recipients", "ask",
                       "--server-tls", tls)
    assert rcpt(postern, JOE)[0] == 250
    assert rcpt(postern, f"info@{DOMAIN}")[0] == 250
    code, text = rcpt(postern, f"nobody@{DOMAIN}")
    assert code == 550 and text.startswith(b"5.1.1"), text
    with postern.smtp() as smtp:        # nothing but the question went there, and mail for whom it knows passes
        smtp.sendmail("a@elsewhere.test", [JOE], "Subject: through\r\n\r\nhello\r\n")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@elsewhere.test", [f"nobody@{DOMAIN}"], "Subject: no\r\n\r\n")
    wait_until(lambda: server.queue_length() == 0, 60, "the old server to deliver")


def test_a_server_that_does_not_answer(postern, make_old_server):
    """Down while somebody unknown is asked about: 450 where the domain says so, and the truth once it is up."""
    server = make_old_server({JOE: "Joe-old-secret-1"}).start()
    postern.add_domain(DOMAIN, "gateway", f"127.0.0.1:{server.ports['smtp']}", "acme", "--when-down", "later")
    server.stop("postfix")
    assert rcpt(postern, JOE)[0] // 100 == 4
    server.start("postfix")
    wait_until(lambda: rcpt(postern, JOE)[0] == 250, 40, "the address to be known", every=0.5)
