"""What makes a function part of the vocabulary: it lowers itself to operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ParamSpec

from haconiwa_core.operation import Operation

P = ParamSpec("P")
Operations = Iterator[Operation]

_LOWERING = "haconiwa_lowering"


def lowers(function: Callable[P, Operations]) -> Callable[P, Operations]:
    """Mark a function that yields the operations which do what its name says.

    Such a function changes nothing when it is called; a launcher or `haconiwa_core.linux.execute`
    runs what it yields.
    """
    setattr(function, _LOWERING, True)
    return function


def is_lowering(function: Callable[..., object]) -> bool:
    """Return whether a function yields operations (True) or acts when it is called (False)."""
    return getattr(function, _LOWERING, False)
