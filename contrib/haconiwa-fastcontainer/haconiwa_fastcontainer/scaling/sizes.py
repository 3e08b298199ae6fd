"""Sizes as definitions write them."""

from __future__ import annotations

_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def bytes_of(size: int | str) -> int:
    """Return a size in bytes; "1K" is 1024."""
    if isinstance(size, int):
        return size
    unit = size[-1:]
    return int(size[:-1]) << _UNITS[unit] if unit in _UNITS else int(size)
