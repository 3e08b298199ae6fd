"""The rights of Landlock: their bits, and the version of the interface that has each (<linux/landlock.h>)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import TypeVar


class FileAccess(IntFlag):
    """LANDLOCK_ACCESS_FS_*."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


class PortAccess(IntFlag):
    """LANDLOCK_ACCESS_NET_*."""

    BIND_TCP = 1 << 0
    CONNECT_TCP = 1 << 1


class ScopeFlag(IntFlag):
    """LANDLOCK_SCOPE_*."""

    ABSTRACT_UNIX_SOCKET = 1 << 0
    SIGNAL = 1 << 1


F = TypeVar("F", FileAccess, PortAccess, ScopeFlag)


def union(kind: type[F], names: Iterable[str]) -> F:
    """Return rights by their names, which are those of a definition."""
    rights = kind(0)
    for name in names:
        rights |= kind[name.upper()]
    return rights


ALL = union(FileAccess, FileAccess.__members__)

OF_FILES = union(FileAccess, ("execute", "write_file", "read_file", "truncate", "ioctl_dev"))
"""The rights that can be granted on what is no directory."""

_CONTENT = ("write_file", "truncate")
_ENTRIES = ("make_reg", "make_dir", "make_sym", "make_fifo", "make_sock", "remove_file", "remove_dir", "refer")

GROUPS = {
    "read": union(FileAccess, ("read_file", "read_dir")),
    "write": union(FileAccess, (*_CONTENT, *_ENTRIES)),
    # The kernel opens for reading what it executes.
    "execute": union(FileAccess, ("execute", "read_file")),
}
"""What the options that are lists of paths grant."""

SINCE = {FileAccess.REFER: 2, FileAccess.TRUNCATE: 3, FileAccess.IOCTL_DEV: 5}
"""Versions of the interface; what is not here is as old as Landlock."""
OPTIONS_SINCE = {"bind_tcp": 4, "connect_tcp": 4, "scope": 6}
