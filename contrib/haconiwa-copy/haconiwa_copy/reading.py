"""The side that reads: a file, or a directory and all that is below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from haconiwa_copy.entries import Entry, entry_of
from haconiwa_copy.places import Place, open_entry, reopen
from haconiwa_core.errors import HaconiwaError

DEEPEST = 200
"""Directories within each other that are copied: each is kept open on both sides meanwhile."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read(place: Place, path: str, *, follow: bool) -> Iterator[Entry]:
    """Yield what is to be copied, the path's own entry first.

    Args:
        place: where the path starts.
        path: a final "/" or "/." follows a symbolic link, too.
        follow: copy what a symbolic link leads to if the path ends in one; else the link itself.

    Raises:
        HaconiwaError: there is nothing on the path, or it cannot be looked at.
    """
    last = os.path.basename(path)
    try:
        top = place.open(path, 0 if follow or last in ("", ".", "..") else os.O_NOFOLLOW)
    except OSError as error:
        raise HaconiwaError(f"{place.prefix}{path}: {error.strerror}") from error
    yield from _entries(top, os.path.basename(os.path.normpath(path)), place.prefix + path, 0)


def _entries(entry: int, name: str, path: str, depth: int) -> Iterator[Entry]:
    """Yield the entries of one that is open, and close it."""
    try:
        status = os.fstat(entry)
        if stat.S_ISDIR(status.st_mode):
            yield from _directory(entry, name, path, depth, status)
        elif stat.S_ISREG(status.st_mode):
            yield entry_of("file", name, status, reopen(entry, os.O_RDONLY))
        elif stat.S_ISLNK(status.st_mode):
            yield entry_of("link", f"{name}\0{os.readlink('', dir_fd=entry)}", status)
        else:
            yield Entry("lack", f"{path}: {_KINDS[stat.S_IFMT(status.st_mode)]}")
    except OSError as error:
        yield Entry("lack", f"{path}: {error.strerror}")
    finally:
        os.close(entry)


def _directory(entry: int, name: str, path: str, depth: int, status: os.stat_result) -> Iterator[Entry]:
    if depth == DEEPEST:
        yield Entry("lack", f"{path}: it lies deeper than {DEEPEST} directories")
        return
    directory = reopen(entry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield entry_of("directory", name, status)
        for inner in sorted(os.listdir(directory)):
            place = f"{path.rstrip('/')}/{inner}"
            try:
                found = open_entry(directory, inner, os.O_PATH)
            except OSError as error:
                yield Entry("lack", f"{place}: {error.strerror}")
            else:
                yield from _entries(found, inner, place, depth + 1)
        yield Entry("up")
    finally:
        os.close(directory)
