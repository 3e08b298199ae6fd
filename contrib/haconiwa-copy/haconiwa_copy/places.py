"""Where paths start, and how what is below is opened: never out of a container, and never what stood there before."""

from __future__ import annotations

import os
import struct

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
)
from haconiwa_core.linux.host import system_call

_ONE_STEP = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS
_AT_FDCWD = -100


class Place:
    """The host, or a container below its root directory (openat2(2)).

    Args:
        root: a descriptor of the root directory, below which all paths and symbolic links lead; None for the host.
        prefix: of paths in messages.
    """

    def __init__(self, root: int | None = None, prefix: str = "") -> None:
        self._root = root
        self.prefix = prefix

    def open(self, path: str, flags: int = 0) -> int:
        """Open what a path leads to as a mere place in the tree (O_PATH).

        Args:
            path: of the host or inside the container; a relative one inside starts at its root.
            flags: O_DIRECTORY, O_NOFOLLOW.
        """
        if self._root is None:
            return _open(_AT_FDCWD, path, os.O_PATH | flags, 0)
        return _open(self._root, path, os.O_PATH | flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def open_entry(directory: int, name: str, flags: int, mode: int = 0) -> int:
    """Open an entry of an open directory, itself and not what a symbolic link leads to.

    Raises:
        OSError: among others ELOOP for a symbolic link, without O_PATH and O_NOFOLLOW.
    """
    return _open(directory, name, flags | os.O_NOFOLLOW, _ONE_STEP, mode)


def reopen(place: int, flags: int) -> int:
    """Open the very file or directory that a descriptor is a place of, whatever has its name by now (proc(5))."""
    return os.open(f"/proc/self/fd/{place}", flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)


def _open(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return system_call(Call.openat2, directory, path, how, len(how))
