"""What is taken from lxcfs, and that it is from there."""

from __future__ import annotations

import errno
import struct

from haconiwa_core import linux
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    STATFS_SIZE,
)
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Operation, Slot

FUSE_SUPER_MAGIC = 0x65735546

PATHS = {
    "proc": ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime"),
    "sysfs": ("devices/system/cpu",),
}
"""What lxcfs has of a file system, by its type."""

_ATTRIBUTES = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
_ABSENT = (
    "lxcfs does not run there: install and start it (apt-get install lxcfs; systemctl start lxcfs),"
    " or say in lxcfs.directory where it is mounted"
)


@lowers
@advises({errno.ENOENT: _ABSENT, errno.ENOTDIR: _ABSENT, errno.ENOTCONN: "lxcfs has ended: start it again", 0: _ABSENT})
def open_lxcfs_tree(path: str, *, into: Slot) -> Operations:
    """Take a file or directory of lxcfs as a detached, read-only tree, and check that it is on FUSE (statfs(2)).

    Args:
        path: absolute, on the host.
        into: slot for the tree's descriptor.
    """
    yield from linux.open_tree(path, False, _ATTRIBUTES, into=into)
    yield Operation(Call.fstatfs, (into, Buffer(STATFS_SIZE, ((0, struct.pack("q", FUSE_SUPER_MAGIC)),))))
