"""What layers show together, as overlayfs merges them: the topmost entry of a name, and directories of all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE = "user.overlay.opaque"


class Entry(NamedTuple):
    """A file of any kind.

    Args:
        path: from the root directory, "" for itself.
        parent: a descriptor of the directory that has it, valid until the next entry is taken.
        name: in there; "." for the root directory.
        status: of itself.
    """

    path: str
    parent: int
    name: str
    status: os.stat_result


def merged(layers: Sequence[str]) -> Iterator[Entry]:
    """Yield what layers show, in an order that depends on names alone; a directory comes before what is in it.

    Args:
        layers: their directories, the lowest first.
    """
    with _opened([(None, layer) for layer in reversed(layers)]) as roots:
        yield Entry("", roots[0], ".", os.fstat(roots[0]))
        yield from _below("", roots)


def _below(path: str, directories: Sequence[int]) -> Iterator[Entry]:
    """Yield what is in a directory, which several layers have, the topmost first."""
    holders: dict[str, list[tuple[int, os.stat_result]]] = {}
    for directory in directories:
        for name in os.listdir(directory):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            holders.setdefault(name, []).append((directory, status))
    for name in sorted(holders, key=os.fsencode):
        parent, status = holders[name][0]
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            continue  # A whiteout.
        entry = Entry(os.path.join(path, name), parent, name, status)
        yield entry
        if stat.S_ISDIR(status.st_mode):
            with _opened([(directory, name) for directory in _seen(holders[name])]) as inner:
                yield from _below(entry.path, _down_to_opaque(inner))


def _seen(holders: Sequence[tuple[int, os.stat_result]]) -> Iterator[int]:
    """Yield who has a directory of the name, down to who has something else there, which hides all below."""
    for directory, status in holders:
        if not stat.S_ISDIR(status.st_mode):
            return
        yield directory


def _down_to_opaque(directories: Sequence[int]) -> list[int]:
    for number, directory in enumerate(directories, 1):
        if _OPAQUE in os.listxattr(directory):
            return list(directories[:number])
    return list(directories)


@contextmanager
def _opened(places: Sequence[tuple[int | None, str]]) -> Iterator[list[int]]:
    opened: list[int] = []
    try:
        for above, name in places:
            opened.append(os.open(name, _DIRECTORY, dir_fd=above))
        yield opened
    finally:
        for directory in opened:
            os.close(directory)
