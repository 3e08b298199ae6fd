"""What makes a function part of the vocabulary: it lowers itself to operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec

from haconiwa_core.operation import Operation

P = ParamSpec("P")
Operations = Iterator[Operation]

_LOWERING = "haconiwa_lowering"
_ADVICE = "haconiwa_advice"


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


def advises(advice: Mapping[int, str]) -> Callable[[Callable[P, Operations]], Callable[P, Operations]]:
    """Tell what to do when a function of the vocabulary fails.

    Args:
        advice: by errno; 0 stands for what reads back differently.
    """

    def mark(function: Callable[P, Operations]) -> Callable[P, Operations]:
        setattr(function, _ADVICE, dict(advice))
        return function

    return mark


def advice_for(function: Callable[..., object], code: int) -> str:
    """Return what a function says of its failure with an errno, or ""."""
    advice: Mapping[int, str] = getattr(function, _ADVICE, {})
    return advice.get(code, "")
