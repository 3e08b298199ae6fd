"""Read files of the kernel that are a few numbers; what is not there, or has gone, is None."""

from __future__ import annotations

import os
from errno import ENODEV, EOPNOTSUPP

_SIZE = 1 << 16
_LARGE = 2**63 - 2**35
"""Version 1 of control groups shows no limit as the largest number of whole pages, of which the largest have 16 GiB."""


def text(path: str) -> str | None:
    """Return what a file holds, as far as 64 KiB of it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, _SIZE).decode("utf-8", "surrogateescape")
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None
    except OSError as error:
        # Of a pressure that the kernel keeps no account of, and of a group that is being removed.
        if error.errno not in (EOPNOTSUPP, ENODEV):
            raise
        return None


def number(path: str) -> int | None:
    """Return the number that a file holds; None for one that stands for no limit, too."""
    found = (text(path) or "").strip()
    return int(found) if found.isdigit() and int(found) <= _LARGE else None


def field(path: str, name: str) -> int | None:
    """Return a number of a file of lines like "name number"."""
    for line in (text(path) or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return None
