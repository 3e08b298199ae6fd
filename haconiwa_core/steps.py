"""A step: one action on the kernel in one stage, as an importable function and plain arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage

Plain = None | bool | int | str | bytes | Slot | tuple["Plain", ...]
"""What a step's arguments are made of: data that can be printed, compared and stored."""

_PLAIN = (type(None), bool, int, str, bytes, Slot)


@dataclass(frozen=True, slots=True, init=False)
class Step:
    """One action on the kernel.

    Attributes:
        stage: when and where it runs.
        function: of `haconiwa_core.linux`; in a host stage any importable function.
        arguments: plain data; a Slot stands for a value known only during the start.
        into: the slot that takes what the function opens or returns, if anything.
        undo: the step that removes what this one leaves on the host; its function must be one of
            `haconiwa_core.linux.undo`, and take no slots but the instance's.
        lasting: the effect is meant to outlive the container; it is undone only if the start fails.
        after: plugins, or types of facts, whose steps of the same stage come first.
    """

    stage: Stage
    function: Callable[..., Any]
    arguments: tuple[Plain, ...]
    into: Slot | None
    undo: Step | None
    lasting: bool
    after: tuple[str | type, ...]

    def __init__(
        self,
        stage: Stage,
        function: Callable[..., Any],
        *arguments: Plain,
        into: Slot | None = None,
        undo: Step | None = None,
        lasting: bool = False,
        after: tuple[str | type, ...] = (),
    ) -> None:
        for argument in arguments:
            _check_plain(function, argument)
        values = (stage, function, arguments, into, undo, lasting, after)
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)


def _check_plain(function: Callable[..., Any], argument: object) -> None:
    if isinstance(argument, tuple):
        for part in argument:
            _check_plain(function, part)
    elif not isinstance(argument, _PLAIN):
        raise TypeError(
            f"{function.__name__}: a step's arguments are None, bool, int, str, bytes, Slot"
            f" and tuples of them, not {type(argument).__name__}"
        )
