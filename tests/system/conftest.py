# SPDX-License-Identifier: Apache-2.0
"""Fixtures: `postern`, a running instance for one test; `shared_postern`, one for a test file; `old_server`."""
import contextlib
import os
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from harness import Instance, free_base  # noqa: E402
from harness import ports  # noqa: E402
from oldserver import OldServer  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.call_failed = outcome.get_result().failed


def _show_log(instance, request):
    if getattr(request.node, "call_failed", False):
        print(instance.log_tail(100), file=sys.stderr)


@pytest.fixture
def postern(request):
    """A running instance. Options: @pytest.mark.parametrize("postern", [{"conf": {...}}], indirect=True)."""
    instance = Instance(**getattr(request, "param", {}))
    try:
        instance.init().start()
        yield instance
        _show_log(instance, request)
    except BaseException:
        instance.close(check=False)
        raise
    instance.close()


@pytest.fixture(scope="module")
def shared_postern():
    """One running instance for all tests of a file; they use domains of their own."""
    instance = Instance()
    try:
        instance.init().start()
        yield instance
    except BaseException:
        instance.close(check=False)
        raise
    instance.close()


@pytest.fixture
def make_postern():
    """A function that makes instances (not started); all are closed behind the test."""
    with contextlib.ExitStack() as made:        # where one is not well, the others are closed all the same
        def make(**options):
            instance = Instance(**options)
            made.callback(lambda: instance.close(check=instance.process is not None))
            return instance
        yield make


@pytest.fixture
def make_old_server():
    """A function that makes old servers (not started); all are removed behind the test."""
    if os.geteuid() != 0:
        pytest.skip("the old server needs root")
    with contextlib.ExitStack() as made:
        def make(users=None, aliases=None, **options):
            base = free_base()
            made.callback(ports.release, base)
            server = OldServer(tempfile.mkdtemp(prefix="old-", dir="/tmp"), base, users, aliases, **options)
            made.callback(server.remove)
            return server
        yield make


@pytest.fixture
def old_server(make_old_server):
    """A running old server with joe@ and mary@example.test, passwords Joe-old-secret-1 and Mary-old-secret-1."""
    users = {"joe@example.test": "Joe-old-secret-1", "mary@example.test": "Mary-old-secret-1"}
    return make_old_server(users, {"info@example.test": ["joe@example.test", "mary@example.test"]}).start()
