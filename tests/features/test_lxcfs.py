"""What a program finds in proc where lxcfs tells of its control group; without it, the host's values."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_lxcfs import Lxcfs
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_runtime import Result, Runtime

from haconiwa_core import Container, Feature
from haconiwa_core.testing import needs_program, needs_root

pytestmark = [needs_root, needs_program("lxcfs")]

SCRIPT = "awk '/^MemTotal/ { print $2 }' /proc/meminfo; cut -d. -f1 /proc/uptime"
MEGABYTES = 48


@pytest.fixture
def lxcfs(tmp_path: Path) -> Iterator[Path]:
    program = shutil.which("lxcfs")
    assert program is not None
    directory = tmp_path / "lxcfs"
    directory.mkdir()
    command = [program, "--foreground", "--pidfile", str(tmp_path / "pid"), str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not directory.is_mount():
                assert process.poll() is None, "lxcfs has ended"
                time.sleep(0.01)
            yield directory
        finally:
            process.terminate()


def inside(runtime: Runtime, *features: Feature) -> Result:
    own = (PidNamespace(), MountNamespace(), Mount(proc=True, sysfs=False), Cgroup(memory=f"{MEGABYTES}M"))
    container = Container("lxcfs-test", command=["sh", "-c", SCRIPT], features=[*own, *features])
    return runtime.run(container, check=True, isolation=True)


def test_memory_and_age_are_the_containers(lxcfs: Path) -> None:
    with Runtime() as runtime:
        hosts, result = inside(runtime), inside(runtime, Lxcfs(directory=str(lxcfs)))
    (memory, age), (hosts_memory, hosts_age) = (map(int, each.stdout.split()) for each in (result, hosts))
    assert memory == MEGABYTES << 10 < hosts_memory
    assert age < hosts_age


def test_the_matrix_tells_whose_files_they_are(lxcfs: Path) -> None:
    with Runtime() as runtime:
        isolation = inside(runtime, Lxcfs(directory=str(lxcfs))).isolation
    assert isolation is not None
    rows = [row for row in isolation if row.section == "lxcfs"]
    assert "/proc/meminfo" in {row.what for row in rows}
    assert {row.state for row in rows} == {"holds"}
