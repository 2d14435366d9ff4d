# SPDX-License-Identifier: Apache-2.0
"""The tour of ./quickstart, on the instance of a test: it gets to its end, and a second run harms nothing."""
import os
import subprocess
import time

import pytest
from harness.instance import ROOT, binary

USER = os.environ.get("POSTERN_TEST_USER", "nobody")
pytestmark = pytest.mark.root


def tour(postern, *more):
    return subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tools", "tour"), postern.dir, "--binary", binary(), "--user",
                           USER, *more], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def old_of_tour(postern):
    """Stops and removes the old server that the tour starts."""
    if os.geteuid() != 0:
        pytest.skip("the old server needs root")
    yield
    from oldserver import OldServer
    directory = os.path.join(postern.dir, "oldserver")
    if os.path.lexists(directory):
        OldServer.open(directory).remove()


def test_tour(postern, old_of_tour):
    first = tour(postern, "--messages", "300")
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr
    for words in ("exactly once", "byte for byte", "It is all running"):
        assert words in first.stdout, first.stdout[-3000:]
    before = postern.mail("anna@example.test", "Anna-gardens-1974")
    began = time.monotonic()
    second = tour(postern)
    assert second.returncode == 0, second.stdout + second.stderr
    assert time.monotonic() - began < 10 and "anna@example.test" in second.stdout
    assert postern.mail("anna@example.test", "Anna-gardens-1974") == before
