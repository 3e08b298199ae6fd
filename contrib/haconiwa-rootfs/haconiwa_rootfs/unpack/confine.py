"""Leave all but one directory."""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call
from haconiwa_rootfs.unpack.contract import Limits

_PR_SET_PDEATHSIG = 1
_KINDS = c.CLONE_NEWNS | c.CLONE_NEWNET | c.CLONE_NEWIPC | c.CLONE_NEWUTS
_ATTRIBUTES = c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV | c.MOUNT_ATTR_NOEXEC
_CAPABILITIES = (
    0,  # CAP_CHOWN
    1,  # CAP_DAC_OVERRIDE
    3,  # CAP_FOWNER
    4,  # CAP_FSETID
    27,  # CAP_MKNOD
    31,  # CAP_SETFCAP
)
"""What the owners, modes and kinds of files need (capabilities(7))."""

_MS_PRIVATE = 1 << 18
_DESCRIPTORS = 64


def end_with_parent() -> None:
    """Be killed when the thread that started this process has ended; nobody else may look into it (prctl(2))."""
    system_call(Call.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL)
    system_call(Call.prctl, c.PR_SET_NO_NEW_PRIVS, 1)


def enter(directory: int) -> None:
    """Make a directory the root of a mount tree that has nothing else (pivot_root(2), open_tree(2)).

    Needs CAP_SYS_ADMIN, over the process's user namespace.

    Args:
        directory: a descriptor; all others that are of files of the host must have been closed.
    """
    os.fchdir(directory)
    os.close(directory)
    system_call(Call.unshare, _KINDS)
    # Of the new mount namespace: the working directory has been moved there.
    directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _set_attributes(c.AT_FDCWD, "/", c.AT_RECURSIVE, 0, _MS_PRIVATE)
    tree = system_call(Call.open_tree, directory, "", c.OPEN_TREE_CLONE | c.OPEN_TREE_CLOEXEC | c.AT_EMPTY_PATH)
    _set_attributes(tree, "", c.AT_EMPTY_PATH, _ATTRIBUTES, 0)
    system_call(Call.move_mount, tree, "", c.AT_FDCWD, ".", c.MOVE_MOUNT_F_EMPTY_PATH)
    os.fchdir(tree)
    system_call(Call.pivot_root, ".", ".")
    system_call(Call.umount2, ".", c.MNT_DETACH)
    os.chdir("/")
    os.close(tree)
    os.close(directory)
    _keep_capabilities()
    # What is imported from now on would come from the archive.
    sys.path.clear()
    sys.meta_path.clear()


def _keep_capabilities() -> None:
    """Give up what the files of an archive do not need (capset(2))."""
    header = struct.pack("Ii", c.LINUX_CAPABILITY_VERSION_3, 0)
    kept = sum(1 << number for number in _CAPABILITIES)
    system_call(Call.capset, header, struct.pack("6I", kept, kept, 0, 0, 0, 0))


def _set_attributes(directory: int, path: str, flags: int, attributes: int, propagation: int) -> None:
    data = struct.pack("QQQQ", attributes, 0, propagation, 0)
    system_call(Call.mount_setattr, directory, path, flags, data, len(data))


def limit(limits: Limits) -> None:
    """Bound what this process may use (setrlimit(2))."""
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, limits.size),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
