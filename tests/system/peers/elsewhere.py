# SPDX-License-Identifier: Apache-2.0
"""An instance and the rest of the world."""
import contextlib

from harness import Instance

from .dns import FakeDns

FAR = ("far.test", "a.test")


@contextlib.contextmanager
def instance_with_elsewhere(sink):
    """A running instance that hosts example.test; far.test and a.test are elsewhere, at sink."""
    records = {}
    for domain in FAR:
        records |= {(domain, "MX"): [(10, f"mx.{domain}")], (f"mx.{domain}", "A"): ["127.0.0.1"]}
    with FakeDns(records) as dns:
        it = Instance(conf={"dns.servers": dns.address, "relay.private_mx": "true", "relay.port": str(sink.port),
                            "queue.retry_first": "1s", "queue.retry_max": "1s"})
        try:
            it.init().start()
            it.add_domain("example.test")
            yield it
            it.close()
        except BaseException:
            it.close(check=False)
            raise
