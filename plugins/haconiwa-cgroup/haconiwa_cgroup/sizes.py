"""Sizes in bytes, as numbers or as texts like "256M"."""

from __future__ import annotations

from typing import Any

from haconiwa_core.options import Pattern

UNLIMITED = "max"
LARGEST = 2**63 - 1
"""Bytes that the kernel can count."""

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class SizePattern(Pattern):
    """A size as a text, which must not be larger than the kernel can count."""

    __slots__ = ()

    def complaint(self, value: Any) -> str:
        """Return what is wrong with a value, or ""."""
        if found := super().complaint(value):
            return found
        return f"must be at most {LARGEST} bytes, not {value}" if (parsed(value) or 0) > LARGEST else ""


def parsed(size: int | str) -> int | None:
    """Return a size in bytes; None for no limit.

    Args:
        size: a number, "max", or digits with K, M, G or T for powers of 1024.
    """
    if size == UNLIMITED:
        return None
    if isinstance(size, int):
        return size
    unit = _UNITS.get(size[-1], 1)
    return int(size.rstrip("KMGT")) * unit


def written(size: int | str) -> str:
    """Return a size as files of version 2 take it."""
    number = parsed(size)
    return UNLIMITED if number is None else str(number)
