"""Writing kernel parameters, whatever the container's own /proc is."""

from __future__ import annotations

import errno
import os
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.vocabulary import Operations, advises, lowers
from haconiwa_core.operation import Buffer, Operation, Slot

_FILE = Slot("sysctl")
_STATFS_SIZE = 120
_SPARE = 64
_FORBIDDEN = "it is read-only in the container's namespace, or this belongs to a user namespace that is not its own"


@lowers
@advises({0: "mount the host's procfs on /proc"})
def open_parameters(*, into: Slot) -> Operations:
    """Open the directory of the host's kernel parameters, and check that it lies on procfs (proc_sys(5), statfs(2))."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    yield Operation(Call.openat, (c.AT_FDCWD, b"/proc/sys\0", flags, 0), result=into)
    yield Operation(Call.fstatfs, (into, Buffer(_STATFS_SIZE, ((0, struct.pack("q", c.PROC_SUPER_MAGIC)),))))


@lowers
@advises(
    {
        errno.EACCES: _FORBIDDEN,
        errno.EINVAL: "the kernel does not take this value",
        errno.ENOENT: "the container's namespace has no such parameter: it is the host's, or its module is missing",
        errno.EPERM: _FORBIDDEN,
        errno.EXDEV: "something is mounted over the host's parameters",
        errno.EROFS: "the host's /proc/sys is mounted read-only",
        0: "write the value as sysctl(8) prints it",
    }
)
def set_parameter(parameters: Slot, path: str, value: str) -> Operations:
    """Set a kernel parameter of the process's namespaces and read it back (proc_sys(5)).

    Procfs looks parameters up in the namespaces of the process that opens the file, wherever it is mounted.

    Args:
        parameters: what `open_parameters` has opened.
        path: below that; no symbolic link and no other mount is followed.
        value: words; the kernel shows them with tabs between.
    """
    resolve = c.RESOLVE_BENEATH | c.RESOLVE_NO_SYMLINKS | c.RESOLVE_NO_MAGICLINKS | c.RESOLVE_NO_XDEV
    how = struct.pack("QQQ", os.O_RDWR | os.O_CLOEXEC, 0, resolve)
    content = "\t".join(value.split()).encode()
    shown = content + b"\n"
    yield Operation(Call.openat2, (parameters, os.fsencode(path) + b"\0", how, len(how)), result=_FILE)
    yield Operation(Call.write, (_FILE, content, len(content)), returns=len(content))
    # Room for more than is expected, so that more is noticed.
    size = len(shown) + _SPARE
    yield Operation(Call.pread64, (_FILE, Buffer(size, ((0, shown),)), size, 0), returns=len(shown))
    yield Operation(Call.close, (_FILE,))
