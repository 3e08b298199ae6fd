"""The program's file, which the container cannot write to, and the duty of reaping."""

from __future__ import annotations

import errno
import struct

from haconiwa_core import linux
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Operation, Slot


@lowers
@advises({errno.ENOENT: "install Debian's package tini, or name another program"})
def open_program(path: str, *, into: Slot) -> Operations:
    """Open a program in a detached, read-only mount of its own (open_tree(2), mount_setattr(2)).

    /proc/PID/exe of who executes it leads to this mount and no other: it cannot be written through that, whatever
    rights the process has that follows it, and no process is in the mount's namespace that could change it.

    Args:
        path: absolute path on the host.
        into: slot for the descriptor.
    """
    attributes = c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV
    yield from linux.open_tree(path, False, attributes, into=into)


@lowers
def adopt_orphans() -> Operations:
    """Become the parent of descendants whose own parent ends, as the first process of a pid namespace is.

    It is read back, and execve(2) keeps it (PR_SET_CHILD_SUBREAPER in prctl(2)).
    """
    yield Operation(Call.prctl, (c.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    adopts = Buffer(4, ((0, struct.pack("i", 1)),))
    yield Operation(Call.prctl, (c.PR_GET_CHILD_SUBREAPER, adopts, 0, 0, 0))
