# SPDX-License-Identifier: Apache-2.0
"""The tour of ./quickstart, on the instance of a test: it gets to its end, and a second run harms nothing."""
import os
import subprocess

import pytest
from harness import free_base, ports
from harness.instance import ROOT, binary

USER = os.environ.get("POSTERN_TEST_USER", "nobody")
pytestmark = pytest.mark.root


def tour(postern, *more):
    return subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tools", "tour"), postern.dir, "--binary", binary(), "--user",
                           USER, *more], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def old_of_tour(postern):
    """Ports for the old server that the tour starts, which is stopped and removed behind it."""
    if os.geteuid() != 0:
        pytest.skip("the old server needs root")
    base = free_base()
    yield base
    from oldserver import OldServer
    directory = os.path.join(postern.dir, "oldserver")
    if os.path.lexists(directory):
        OldServer.open(directory).remove()
    ports.release(base)


def test_tour(postern, old_of_tour):
    first = tour(postern, "--messages", "300", "--old-port-base", str(old_of_tour))
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr
    for words in ("exactly once", "byte for byte", "It is all running"):
        assert words in first.stdout, first.stdout[-3000:]
    before = postern.mail("anna@example.test", "Anna-gardens-1974")
    second = tour(postern)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "was played here before" in second.stdout and "anna@example.test" in second.stdout
    assert "byte for byte" not in second.stdout, "it is not played again"
    assert postern.mail("anna@example.test", "Anna-gardens-1974") == before
