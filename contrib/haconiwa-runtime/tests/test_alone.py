"""Without any feature a container is a process, and runs all the same."""

import pytest
from haconiwa_runtime import PayloadError, Runtime

from haconiwa_core import Container
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import needs_root

pytestmark = needs_root


@pytest.fixture
def runtime(tmp_path):
    with Runtime(store=Store(tmp_path)) as runtime:
        yield runtime


def test_run(runtime):
    result = runtime.run(Container("c", ["sh", "-c", "cat; echo bad >&2; exit 3"]), input=b"text")
    assert (result.exit_status, result.stdout, result.stderr, result.reason) == (3, b"text", b"bad\n", "exited")


def test_check(runtime):
    with pytest.raises(PayloadError) as caught:
        runtime.run(Container("c", ["false"]), check=True)
    assert caught.value.result.exit_status == 1


def test_start(runtime):
    running = runtime.start(Container("c", ["sleep", "1000"]))
    assert running.state == "running"
    assert running.stop(timeout=5) == 128 + 15
