# SPDX-License-Identifier: Apache-2.0
"""Rooms die while mail flows in: a 250 means one copy, whatever died meanwhile. Certificates are taken anew."""
import smtplib
import threading
import time

import pytest

from harness import wait_until

JOE, PASSWORD = "joe@example.test", "Correct-horse-1"


class Sender(threading.Thread):
    """Hands in numbered messages one after the other until told to stop; remembers which got 250."""

    def __init__(self, house, name):
        super().__init__()
        self.house, self.prefix = house, name
        self.acknowledged, self.refused, self.stop = [], [], False
        self.start()

    def send(self, smtp, marker):
        smtp.sendmail("a@elsewhere.test", [JOE], f"Subject: n\r\nX-Number: {marker}\r\n\r\nx\r\n".encode())
        self.acknowledged.append(marker)

    def run(self):
        smtp, number = None, 0
        while not self.stop:
            number += 1
            marker = f"{self.prefix}-{number}-"
            try:
                smtp = smtp or self.house.smtp(timeout=70)
                self.send(smtp, marker)
            except smtplib.SMTPResponseException as e:
                self.refused.append((marker, e.smtp_code, e.smtp_error))
            except smtplib.SMTPRecipientsRefused as e:
                self.refused.append((marker, e.recipients[JOE][0], b""))
            except OSError:     # smtpd itself died, or is not back yet
                self.refused.append((marker, 0, b""))
                smtp = None
                time.sleep(0.05)
        if smtp:
            smtp.close()


@pytest.fixture
def house(postern):
    postern.add_domain("example.test")
    postern.add_mailbox(JOE, PASSWORD)
    return postern


def flows(senders, count=8):
    """Until so many more are acknowledged."""
    def acknowledged():
        return sum(len(s.acknowledged) for s in senders)
    before = acknowledged()
    wait_until(lambda: acknowledged() >= before + count, 120, "mail to flow")


@pytest.mark.parametrize("role", ["store", "filter", "directory", "smtpd"])
def test_room_dies_while_mail_flows(house, role):
    senders = [Sender(house, name) for name in "abcd"]
    try:
        for _ in range(3):
            flows(senders)
            house.kill(role)
        flows(senders)
    finally:
        for sender in senders:
            sender.stop = True
        for sender in senders:
            sender.join(150)
            assert not sender.is_alive()
    stored = b"".join(m.split(b"\r\n\r\n")[0] + b"\r\n" for m in house.mail(JOE, PASSWORD)).decode()
    acknowledged = [marker for sender in senders for marker in sender.acknowledged]
    assert len(acknowledged) > 20
    for marker in acknowledged:
        assert stored.count(f"X-Number: {marker}\r\n") == 1, marker
    doubtful = [refusal for sender in senders for refusal in sender.refused]
    if role != "smtpd":     # the dialogue goes on: who waits is served when the room is back
        assert not [r for r in doubtful if r[1] >= 500], doubtful
        assert len(doubtful) < len(acknowledged)
    for marker, _, _ in doubtful:
        assert stored.count(f"X-Number: {marker}\r\n") <= 1, marker


def test_certificate_is_taken_anew(house):
    """Sessions go on with the old certificate, new ones get the new."""
    import os
    import ssl
    import subprocess

    def certificate(service):
        return ssl.get_server_certificate(("127.0.0.1", house.port(service)))

    before = certificate("submission")
    old = house.submission(JOE, PASSWORD)
    pem, key = os.path.join(house.dir, "tls/cert.pem"), os.path.join(house.dir, "tls/key.pem")
    owner = os.stat(key)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=fresh.example.test", "-keyout", key, "-out", pem], check=True, stderr=subprocess.DEVNULL)
    for path in (pem, key):
        os.chown(path, owner.st_uid, owner.st_gid)
    os.chmod(key, 0o600)
    house.cli("reload")
    assert certificate("submission") != before and certificate("pop3s") != before
    assert old.noop()[0] == 250
    old.quit()
