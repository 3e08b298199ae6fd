import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_ns_ipc import IpcNamespace

from haconiwa_core.testing import needs_program, needs_root, run

pytestmark = [needs_root, needs_program("ipcmk")]

LIST = ["cat", "/proc/sysvipc/msg", "/proc/sysvipc/shm"]


@pytest.fixture
def queue() -> Iterator[str]:
    """A message queue of the host."""
    identifier = subprocess.run(["ipcmk", "-Q"], check=True, capture_output=True, text=True).stdout.split()[-1]
    yield identifier
    subprocess.run(["ipcrm", "-q", identifier], check=True)


def test_the_hosts_objects_are_not_seen(queue: str) -> None:
    def queues(*features: IpcNamespace) -> list[str]:
        return [line.split()[1] for line in run(*features, command=LIST).stdout.splitlines() if "perms" not in line]

    assert queue in queues()
    assert queues(IpcNamespace()) == []


def test_objects_end_with_the_namespace() -> None:
    def identifiers() -> str:
        return Path("/proc/sysvipc/shm").read_text()

    before = identifiers()
    outcome = run(IpcNamespace(), command=["sh", "-c", "ipcmk -M 4096 >&2 && cat /proc/sysvipc/shm"])
    assert len(outcome.stdout.splitlines()) == 2
    assert identifiers() == before
