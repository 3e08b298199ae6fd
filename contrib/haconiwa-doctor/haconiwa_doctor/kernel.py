"""The calls that checks try, most of them for the calling process alone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
from pathlib import Path

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.bpf import ALLOW, INSTRUCTION, RETURN
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call

_CLONE_ARGUMENTS = struct.Struct("11Q")
_MOUNT_ATTRIBUTES = struct.Struct("QQQQ")
_MOUNT_ATTR_IDMAP = 0x00100000
_MOUNT_POINT = "/proc"
"""Where children mount what they try: a directory that there is everywhere, and whose content they do not need."""


def unshare(flags: int) -> None:
    """Leave shared namespaces for new ones (unshare(2))."""
    system_call(Call.unshare, flags)


def map_self(user: int, group: int) -> None:
    """Map ids of the caller, which has just made a user namespace, to 0 of it (user_namespaces(7)).

    Args:
        user: the caller's uid before.
        group: its gid before.
    """
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def become_root() -> None:
    """Take user and group 0 of the caller's own user namespace."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def make_mounts_private() -> None:
    """Keep what is mounted in the caller's new mount namespace from any other (mount_setattr(2))."""
    how = _MOUNT_ATTRIBUTES.pack(0, 0, c.MS_PRIVATE, 0)
    system_call(Call.mount_setattr, c.AT_FDCWD, "/", c.AT_RECURSIVE, how, len(how))


def new_mount(kind: str, **options: str) -> int:
    """Make a detached instance of a file system and return its descriptor (fsopen(2), fsmount(2))."""
    context = system_call(Call.fsopen, kind, c.FSOPEN_CLOEXEC)
    for key, value in options.items():
        system_call(Call.fsconfig, context, c.FSCONFIG_SET_STRING, key, value, 0)
    system_call(Call.fsconfig, context, c.FSCONFIG_CMD_CREATE, 0, 0, 0)
    return system_call(Call.fsmount, context, c.FSMOUNT_CLOEXEC, 0)


def attach(mount: int, path: str = _MOUNT_POINT) -> None:
    """Attach a detached mount (move_mount(2))."""
    system_call(Call.move_mount, mount, "", c.AT_FDCWD, path, c.MOVE_MOUNT_F_EMPTY_PATH)


def mount_overlay() -> None:
    """Mount an overlay whose layers lie on a new tmpfs: in a mount namespace of the caller's own only."""
    attach(new_mount("tmpfs"))
    for name in ("lower", "upper", "work"):
        os.mkdir(f"{_MOUNT_POINT}/{name}")
    layers = {f"{name}dir": f"{_MOUNT_POINT}/{name}" for name in ("lower", "upper", "work")}
    os.close(new_mount("overlay", **layers))


def map_mount(namespace: int) -> None:
    """Map the ids of a new tmpfs as a user namespace does (MOUNT_ATTR_IDMAP in mount_setattr(2)).

    Args:
        namespace: its descriptor.
    """
    how = _MOUNT_ATTRIBUTES.pack(_MOUNT_ATTR_IDMAP, 0, 0, namespace)
    system_call(Call.mount_setattr, new_mount("tmpfs"), "", c.AT_EMPTY_PATH, how, len(how))


def clone(flags: int = 0, cgroup: int = 0) -> None:
    """Make a child that ends at once, and reap it (clone3(2)).

    Args:
        flags: CLONE_*.
        cgroup: descriptor of a control group for CLONE_INTO_CGROUP.
    """
    block = _CLONE_ARGUMENTS.pack(flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, cgroup)
    pid = system_call(Call.clone3, block, len(block))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def ask_pidfd() -> None:
    """Ask the kernel about a process by its descriptor (PIDFD_GET_INFO in ioctl(2))."""
    information = bytearray(struct.pack("Q", c.PIDFD_INFO_EXIT).ljust(c.PIDFD_INFO_SIZE, b"\0"))
    fcntl.ioctl(os.pidfd_open(os.getpid()), c.PIDFD_GET_INFO, information)


def signal_pidfd() -> None:
    """Send no signal to the caller by its descriptor (pidfd_send_signal(2))."""
    signal.pidfd_send_signal(os.pidfd_open(os.getpid()), 0)


def open_in_root() -> None:
    """Open a path that cannot lead out of its root (openat2(2))."""
    how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS)
    os.close(system_call(Call.openat2, os.open("/", os.O_PATH), "/", how, len(how)))


def close_on_exec() -> None:
    """Mark descriptors close-on-exec, all at once (close_range(2))."""
    system_call(Call.close_range, 3, c.ALL_DESCRIPTORS, c.CLOSE_RANGE_CLOEXEC)


def load_filter() -> None:
    """Load a filter of system calls that allows everything, as one may who can gain no privileges (seccomp(2))."""
    system_call(Call.prctl, c.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = ctypes.create_string_buffer(INSTRUCTION.pack(RETURN, 0, 0, ALLOW))
    system_call(Call.seccomp, 1, 0, struct.pack("HxxxxxxQ", 1, ctypes.addressof(program)))
