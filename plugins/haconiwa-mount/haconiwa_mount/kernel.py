"""File systems that show the kernel, and what of them a container should not see or change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from haconiwa_core import linux
from haconiwa_core.linux.constants import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    MountAttribute,
)
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.steps import Step
from haconiwa_mount.below_root import mounting

_QUIET = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
"""What proc and sysfs tell about the host: its memory, keys, hardware, timing."""

READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What a write to proc changes for the whole host."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


class KernelFilesystem(NamedTuple):
    """A file system that is made new for the container.

    Args:
        kind: its type.
        target: where it is mounted.
        shows: the kind of namespace that it shows, or "".
        attributes: of the mount.
        options: (key, value) pairs.
        magic: its number in statfs(2), checked after mounting where a false one would be harmful.
    """

    kind: str
    target: str
    shows: str = ""
    attributes: MountAttribute = _QUIET
    options: tuple[tuple[str, str], ...] = ()
    magic: int | None = None

    def steps(self) -> Iterator[Step]:
        """Make and mount it, on a real directory only: a root's symbolic link leads nowhere."""
        made = Slot(f"mount-{self.target}")
        yield mounting(linux.make_filesystem, self.kind, self.options, self.attributes, into=made)
        yield mounting(linux.attach_below_root, made, self.target, False)
        if self.magic is not None:
            yield mounting(linux.verify_filesystem, self.target, self.magic)


KERNEL_FILESYSTEMS = {
    "proc": KernelFilesystem("proc", "/proc", "pid", magic=PROC_SUPER_MAGIC),
    "sysfs": KernelFilesystem("sysfs", "/sys", "net", _QUIET | MOUNT_ATTR_RDONLY, magic=SYSFS_MAGIC),
    "devpts": KernelFilesystem(
        "devpts",
        "/dev/pts",
        attributes=MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
        options=(("ptmxmode", "0666"), ("mode", "0620")),
    ),
    "shm": KernelFilesystem("tmpfs", "/dev/shm", options=(("mode", "1777"), ("size", "64M"))),  # noqa: S108 - inside
    "mqueue": KernelFilesystem("mqueue", "/dev/mqueue", "ipc"),
}
"""By option of the feature."""

DEV = KernelFilesystem("tmpfs", "/dev", options=(("mode", "0755"), ("size", "64k")))


def devices(planning: Planning, with_terminals: bool) -> Iterator[Step]:
    """Make a minimal /dev.

    The host's devices are bound, read-only so that their modes cannot be changed: a user
    namespace may not make device files, and one way serves both.
    """
    yield from DEV.steps()
    attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
    for name in DEVICES:
        tree = Slot(f"device-{name}")
        yield Step(planning.trees_from, linux.open_tree, f"/dev/{name}", False, attributes, into=tree)
        yield mounting(linux.attach_below_root, tree, f"/dev/{name}", False)
    links = {**LINKS, "ptmx": "pts/ptmx"} if with_terminals else LINKS
    for name, target in links.items():
        yield mounting(linux.make_symlink, target, f"/dev/{name}")
