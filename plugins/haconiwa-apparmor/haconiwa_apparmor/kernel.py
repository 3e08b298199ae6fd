"""Writing attributes of the process, whatever the container's own /proc is."""

from __future__ import annotations

import errno
import os
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Operation, Slot

_FILE = Slot("attribute")
_STATFS_SIZE = 120


@advises({0: "mount the host's procfs on /proc"})
@lowers
def open_procfs(*, into: Slot) -> Operations:
    """Open the host's /proc, and check that it is procfs (open(2), O_PATH; statfs(2), f_type)."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    yield Operation(Call.openat, (c.AT_FDCWD, b"/proc\0", flags, 0), result=into)
    yield Operation(Call.fstatfs, (into, Buffer(_STATFS_SIZE, ((0, struct.pack("q", c.PROC_SUPER_MAGIC)),))))


@lowers
def write_own_attribute(procfs: Slot, path: str, content: str, shown: str) -> Operations:
    """Write a file of the calling thread's directory in procfs, and read it back (proc(5)).

    Args:
        procfs: what `open_procfs` has opened; it is closed.
        path: below /proc/thread-self.
        content: what is written, in one write(2).
        shown: what the file must hold then.
    """
    # thread-self is an ordinary symbolic link to PID/task/TID.
    resolve = c.RESOLVE_BENEATH | c.RESOLVE_NO_MAGICLINKS | c.RESOLVE_NO_XDEV
    how = struct.pack("QQQ", os.O_RDWR | os.O_CLOEXEC, 0, resolve)
    file = os.fsencode(f"thread-self/{path}") + b"\0"
    written, expected = content.encode(), shown.encode()
    yield Operation(Call.openat2, (procfs, file, how, len(how)), result=_FILE)
    yield Operation(Call.write, (_FILE, written, len(written)), returns=len(written))
    # Room for one byte more, so that more is noticed.
    size = len(expected) + 1
    yield Operation(Call.pread64, (_FILE, Buffer(size, ((0, expected),)), size, 0), returns=len(expected))
    yield Operation(Call.close, (_FILE,))
    yield Operation(Call.close, (procfs,))


@advises(
    {
        errno.EACCES: "the profile of the caller does not allow to change to this one",
        errno.ENOENT: "the host has not loaded it: see aa-status(8), and apparmor_parser(8) to load it",
        errno.EPERM: "the profile of the caller does not allow to change to this one",
        0: "it is loaded in another mode, or the caller's own profile stays beside it: see aa-status(8)",
    }
)
@lowers
def set_exec_profile(procfs: Slot, profile: str, mode: str) -> Operations:
    """Choose the AppArmor profile that the next program is executed under, and read it back (aa_change_onexec(2)).

    Args:
        procfs: what `open_procfs` has opened; it is closed.
        profile: its name.
        mode: in which it must be.
    """
    yield from write_own_attribute(procfs, "attr/apparmor/exec", f"exec {profile}", f"{profile} ({mode})\n")
