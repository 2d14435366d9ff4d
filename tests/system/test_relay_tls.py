# SPDX-License-Identifier: Apache-2.0
"""TLS "verified" towards another server: what an authority of this machine signed for that name, and nothing else."""
import itertools
import os
import subprocess
import tempfile

import pytest

from harness import Instance, wait_until
from peers import FakeDns, FakeSmtp

numbers = itertools.count(1)
NAME = "mx.verified.test"


class Authority:
    def __init__(self, top, name):
        self.top, self.key, self.cert = top, f"{top}/{name}.key", f"{top}/{name}.pem"
        self.serial = itertools.count(1)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                      "-out", self.cert, "-days", "30", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sign(self, name, days=20):
        """(certificate, key) of a server; days below zero: not valid any more."""
        base = f"{self.top}/{os.path.basename(self.cert)}-{next(self.serial)}"
        with open(base + ".ext", "w", encoding="ascii") as f:
            f.write(f"subjectAltName=DNS:{name}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".key",
                      "-out", base + ".csr", "-subj", "/CN=server")
        when = ["-days", str(days)]
        if days < 0:
            # openssl x509 gives whole days from now; the CA command takes dates.
            open(base + ".index", "w", encoding="ascii").close()
            with open(base + ".cnf", "w", encoding="ascii") as f:
                f.write(f"[ca]\ndefault_ca=c\n[c]\ndatabase={base}.index\nnew_certs_dir={self.top}\nrand_serial=yes\n"
                        "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
            self._openssl("ca", "-batch", "-config", base + ".cnf", "-cert", self.cert, "-keyfile", self.key, "-in", base + ".csr",
                          "-out", base + ".pem", "-extfile", base + ".ext", "-notext", "-startdate", "20200101000000Z",
                          "-enddate", "20210101000000Z")
        else:
            self._openssl("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                          "-out", base + ".pem", "-extfile", base + ".ext", *when)
        return base + ".pem", base + ".key"


@pytest.fixture(scope="module")
def authorities():
    with tempfile.TemporaryDirectory(prefix="ca-", dir="/tmp") as top:
        os.chmod(top, 0o755)        # the rooms read it as another user
        yield Authority(top, "trusted"), Authority(top, "stranger")


@pytest.fixture(scope="module")
def instance(authorities):
    """An instance whose machine trusts the first authority."""
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = authorities[0].cert
    with FakeDns({(NAME, "A"): ["127.0.0.1"], (NAME, "AAAA"): []}) as dns:
        it = Instance(conf={"dns.servers": dns.address, "queue.retry_first": "1s", "queue.retry_max": "2s",
                            "queue.probe": "500ms", "relay.timeout": "5s"})
        try:
            it.init().start()
            yield it
            it.close()
        except BaseException:
            it.close(check=False)
            raise
        finally:
            os.environ.pop("SSL_CERT_FILE")
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


def send(instance, sink):
    domain = f"d{next(numbers)}.test"
    instance.add_domain(domain, "gateway", f"{NAME}:{sink.port}", "acme", "--server-tls", "verified")
    instance.add_mailbox(f"mary@{domain}", None)
    with instance.smtp() as smtp:
        smtp.sendmail("a@elsewhere.test", [f"mary@{domain}"], b"Subject: x\r\n\r\nbody\r\n")
    return domain


def test_what_the_authority_signed_is_taken(instance, authorities):
    with FakeSmtp(certificate=authorities[0].sign(NAME)) as sink:
        domain = send(instance, sink)
        wait_until(lambda: sink.messages, 60, "the message")
        assert sink.messages[0].tls and sink.messages[0].recipients == [f"mary@{domain}"]


@pytest.mark.parametrize("wrong", ["name", "expired", "stranger"])
def test_anything_else_is_refused(instance, authorities, wrong):
    trusted, stranger = authorities
    certificate = {"name": lambda: trusted.sign("other.verified.test"), "expired": lambda: trusted.sign(NAME, days=-1),
                   "stranger": lambda: stranger.sign(NAME)}[wrong]()
    with FakeSmtp(certificate=certificate) as sink:
        domain = send(instance, sink)

        def error():
            return next((m["error"] for m in instance.json("queue", "list", "--domain", domain)["items"] if m["error"]), None)
        assert "TLS" in wait_until(error, 60, "a first failed attempt")
        assert not sink.messages and not any(c.startswith(b"MAIL") for c in sink.commands)
        # The same server with a good certificate gets what waited.
        sink.context.load_cert_chain(*trusted.sign(NAME))
        wait_until(lambda: sink.messages, 60, "the message once the certificate is good")
        assert sink.messages[0].tls
