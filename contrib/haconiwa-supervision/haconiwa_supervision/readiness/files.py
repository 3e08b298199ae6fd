"""Whether a file exists in a container, never following a link out of it (openat2(2))."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from haconiwa_core.linux import open_root
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

_syscall = ctypes.CDLL(None, use_errno=True).syscall
"""Releases the GIL, which a file system of the container's could else keep for ever."""


def lack_of_file(pid: int, started: int, path: str) -> str:
    """Return "" if a file exists, else why it does not.

    Args:
        pid: of the container's first process, below whose root the path is looked up.
        started: its start time.
        path: absolute; symbolic links count as what they lead to within the root.

    Raises:
        OSError: it cannot be known, as when the container has ended.
    """
    root = open_root(pid, started)
    try:
        how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        found = _syscall(ctypes.c_long(Call.openat2), root, os.fsencode(path), how, ctypes.c_size_t(len(how)))
        if found < 0:
            number = ctypes.get_errno()
            if number in _ABSENT:
                return os.strerror(number)
            raise OSError(number, os.strerror(number))
        os.close(found)
        return ""
    finally:
        os.close(root)
