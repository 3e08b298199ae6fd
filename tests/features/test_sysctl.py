"""Kernel parameters where the container's /proc lies or its user is mapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_mount import Mount
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_sysctl import Sysctl
from system.world import libc, own_mounts

from haconiwa_core.errors import SetupError
from haconiwa_core.testing import needs_program, needs_root, run, started

pytestmark = [needs_root, needs_program("busybox")]

MAPPED = UserNamespace(uid_map=[IdRange(0, 100000, 10)], gid_map=[IdRange(0, 100000, 10)])
VALUES = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.lo.rp_filter": 2,
    "kernel.sem": "1 32000 32 128",
    "kernel.shmmni": 77,
    "fs.mqueue.queues_max": 7,
}
OF_USERS = {"user.max_net_namespaces": 3, "user.max_inotify_watches": 5}


def files(values: dict[str, int | str], top: str = "/proc/sys") -> list[Path]:
    return [Path(top, *name.split(".")) for name in values]


def shown(values: dict[str, int | str]) -> list[list[str]]:
    return [str(value).split() for value in values.values()]


def on_host(values: dict[str, int | str]) -> list[str]:
    return [file.read_text() for file in files(values)]


def test_a_false_proc_is_not_written(root: Path) -> None:
    """The root's own /proc has files of these names, and is seen by the command."""
    for file in files(VALUES, str(root / "proc/sys")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("false\n")
    before = on_host(VALUES)
    features = (NetNamespace(), IpcNamespace(), MountNamespace(), Chroot(str(root), read_only=False), Sysctl(VALUES))
    with started(*features, command=["/bin/sleep", "600"]) as running:
        assert [file.read_text() for file in files(VALUES, f"/proc/{running.pid}/root/proc/sys")] == ["false\n"] * 5
        joined = (NetNamespace(join=running.pid), IpcNamespace(join=running.pid))
        outcome = run(*joined, command=["cat", *map(str, files(VALUES))])
    assert [line.split() for line in outcome.stdout.splitlines()] == shown(VALUES)
    assert on_host(VALUES) == before


@pytest.mark.parametrize("name", ["net", "ipv4", "ip_forward"])
def test_a_link_below_a_false_proc_leads_nowhere(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "victim").write_text("precious")
    place = {"net": "sys", "ipv4": "sys/net", "ip_forward": "sys/net/ipv4"}[name]
    (root / "proc" / place).mkdir(parents=True)
    (root / "proc" / place / name).symlink_to(tmp_path / "victim")
    features = (NetNamespace(), MountNamespace(), Chroot(str(root)), Sysctl({"net.ipv4.ip_forward": 1}))
    assert run(*features, command=["/bin/true"]).exit_status == 0
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("chroot", [False, True])
def test_a_user_namespace(root: Path, chroot: bool) -> None:
    values = {**VALUES, **OF_USERS}
    before = on_host(values)
    around = [Chroot(str(root)), Mount(proc=True)] if chroot else []
    features = (MAPPED, NetNamespace(), IpcNamespace(), PidNamespace(), MountNamespace(), *around, Sysctl(values))
    outcome = run(*features, command=["cat", *map(str, files(values))])
    assert [line.split() for line in outcome.stdout.splitlines()] == shown(values)
    assert on_host(values) == before


def test_a_namespace_that_others_own() -> None:
    """A process of a user namespace has no rights over a network that was there before it."""
    before = on_host({"net.ipv4.ip_forward": 1})
    with started(NetNamespace()) as first, pytest.raises(SetupError) as caught:
        run(MAPPED, NetNamespace(join=first.pid), Sysctl({"net.ipv4.ip_forward": 1}), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("sysctl", "IDENTITY")
    assert "EACCES" in caught.value.reason
    assert "belongs to a user namespace that is not its own" in caught.value.remedy
    assert on_host({"net.ipv4.ip_forward": 1}) == before


@contextmanager
def covered(path: str, source: Path) -> Iterator[None]:
    """Let this process see something else at a path."""
    with own_mounts():
        libc("mount", str(source).encode(), path.encode(), None, 0x1000, None)
        yield


def test_a_mount_over_parameters_of_the_host_is_not_crossed(tmp_path: Path) -> None:
    (tmp_path / "ipv4").mkdir()
    (tmp_path / "ipv4/ip_forward").write_text("precious")
    with covered("/proc/sys/net", tmp_path), pytest.raises(SetupError) as caught:
        run(NetNamespace(), Sysctl({"net.ipv4.ip_forward": 1}), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("sysctl", "IDENTITY")
    assert (tmp_path / "ipv4/ip_forward").read_text() == "precious"
    assert "something is mounted over" in caught.value.remedy


def test_what_is_no_procfs_is_not_asked(tmp_path: Path) -> None:
    for name in ("kernel/cap_last_cap", "kernel/random/boot_id", "net/ipv4/ip_forward"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(Path("/proc/sys", name).read_text())
    with covered("/proc/sys", tmp_path), pytest.raises(SetupError) as caught:
        run(NetNamespace(), Sysctl({"net.ipv4.ip_forward": 77}), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("sysctl", "PREPARE")
    assert "mount the host's procfs on /proc" in caught.value.remedy
    assert (tmp_path / "net/ipv4/ip_forward").read_text() != "77"
