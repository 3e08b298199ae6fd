"""Real containers. That nothing is open in them is what tests/security/test_hardened.py shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from haconiwa_hardened import IDS, Hardened

from haconiwa_core.errors import SetupError
from haconiwa_core.testing import busybox_root, needs_program, needs_root, run, started

pytestmark = [needs_root, needs_program("busybox")]


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(busybox_root(tmp_path / "root"))


def test_a_shell_runs_as_root_of_its_own(root: str) -> None:
    script = "id -u; cat /proc/self/uid_map; echo x > /tmp/x && cat /tmp/x; echo y > /y; cat /proc/loadavg > /dev/null"
    outcome = run(Hardened(root=root), command=["/bin/sh", "-c", script])
    assert outcome.stdout.split() == ["0", "0", str(Hardened(root=root).ids), str(IDS), "x"]
    assert outcome.stderr.strip().endswith("/y: Read-only file system")


@pytest.mark.parametrize(("ids", "user"), [(300_000, 300_000), ("host", 0)])
def test_who_it_is_on_the_host(root: str, ids: int, user: int) -> None:
    with started(Hardened(root=root, ids=ids), command=["/bin/sleep", "600"]) as running:
        assert os.stat(f"/proc/{running.pid}").st_uid == user


@pytest.mark.parametrize(("network", "same"), [("own", False), ("host", True)])
def test_the_network(root: str, network: str, same: bool) -> None:
    feature = Hardened(root=root, network=network)
    with started(feature, command=["/bin/sleep", "600"]) as running:
        inodes = [os.stat(f"/proc/{pid}/ns/net").st_ino for pid in (running.pid, "self")]
        assert (inodes[0] == inodes[1]) is same


def test_a_root_without_mount_points_says_what_to_make(tmp_path: Path) -> None:
    """User 0 of the container is not its owner, and cannot make them."""
    (tmp_path / "bin").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    with pytest.raises(SetupError) as caught:
        run(Hardened(root=str(tmp_path)), command=["/bin/true"])
    assert caught.value.plugin == "mount"
    assert "make the mount point beforehand" in caught.value.remedy
