"""Assemble operations into a program: numbers, one block of data and a table of slots.

A program needs nothing of Python to run: a launcher is a loop over its instructions that knows
no system call by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from haconiwa_core.launch.interpreter import ADDRESS, IMMEDIATE, NO_SLOT, SLOT
from haconiwa_core.operation import Argument, Buffer, Operation, Part, Slot

_ALIGNMENT = 8
_MAXIMUM_ARGUMENTS = 6

RESERVED_SLOTS = ("stdin", "stdout", "stderr", "channel", "clone", "pidfd", "root", "target")
"""Slots that every program has, in this order."""


class Kind(IntEnum):
    """How the value of an argument or relocation is read."""

    IMMEDIATE = IMMEDIATE
    ADDRESS = ADDRESS
    SLOT = SLOT


class Value(NamedTuple):
    """A number, an offset into the program's data, or a slot's index."""

    kind: Kind
    value: int


class Relocation(NamedTuple):
    """Write `value` (8 bytes, native order) at `offset` of the data before the call."""

    offset: int
    value: Value


class Expectation(NamedTuple):
    """After the call, `length` bytes at `output` must equal those at `expected`."""

    output: int
    expected: int
    length: int


class Load(NamedTuple):
    """After the call, the 4 bytes at `output` are the value of `slot`."""

    output: int
    slot: int


class Instruction(NamedTuple):
    """One operation, lowered to numbers."""

    number: IntEnum
    arguments: tuple[Value, ...]
    result: int
    returns: int | None
    accept: tuple[int, ...]
    relocations: tuple[Relocation, ...]
    expectations: tuple[Expectation, ...]
    loads: tuple[Load, ...]
    when: int
    unless: int


class Program(NamedTuple):
    """What a launcher runs.

    Attributes:
        processes: one tuple of instructions for each process, each cloned by its first
            instruction from the process before it; the last one ends in exec.
        data: the block that addresses point into.
        slots: names of the slots, by index.
    """

    processes: tuple[tuple[Instruction, ...], ...]
    data: bytes
    slots: tuple[str, ...]


class _Effects(NamedTuple):
    relocations: list[Relocation]
    expectations: list[Expectation]
    loads: list[Load]


class Assembler:
    """Lays out data and slots while operations are added."""

    def __init__(self, slots: Iterable[str] = ()) -> None:
        self._data = bytearray()
        self._interned: dict[bytes, int] = {}
        self._shared: dict[bytes, int] = {}
        self._slots = {name: index for index, name in enumerate(slots)}

    def assemble(self, operations: Iterable[Operation]) -> tuple[Instruction, ...]:
        """Return the instructions for one process."""
        return tuple(map(self._instruction, operations))

    def program(self, processes: Sequence[tuple[Instruction, ...]]) -> Program:
        """Return the finished program."""
        return Program(tuple(processes), bytes(self._data), tuple(self._slots))

    def _instruction(self, operation: Operation) -> Instruction:
        if len(operation.arguments) > _MAXIMUM_ARGUMENTS:
            raise ValueError(f"{operation.call.name}: a system call takes at most {_MAXIMUM_ARGUMENTS} arguments")
        effects = _Effects([], [], [])
        values = tuple(self._value(argument, effects) for argument in operation.arguments)
        padding = (Value(Kind.IMMEDIATE, 0),) * (_MAXIMUM_ARGUMENTS - len(values))
        return Instruction(
            operation.call,
            values + padding,
            self._slot(operation.result),
            operation.returns,
            operation.accept,
            tuple(effects.relocations),
            tuple(effects.expectations),
            tuple(effects.loads),
            self._slot(operation.when),
            self._slot(operation.unless),
        )

    def _value(self, argument: Argument, effects: _Effects) -> Value:
        if isinstance(argument, int):
            return Value(Kind.IMMEDIATE, argument)
        if isinstance(argument, Slot):
            return Value(Kind.SLOT, self._slot(argument))
        if isinstance(argument, bytes):
            return Value(Kind.ADDRESS, self._intern(argument))
        if isinstance(argument, Buffer):
            start = self._place(argument.initial.ljust(argument.size, b"\0"))
            for offset, expected in argument.expect:
                effects.expectations.append(Expectation(start + offset, self._intern(expected), len(expected)))
            if argument.into:
                effects.loads.append(Load(start, self._slot(argument.into)))
            return Value(Kind.ADDRESS, start)
        if isinstance(argument, Part):
            return Value(Kind.ADDRESS, self._share(argument.whole) + argument.offset)
        if not argument.relocations:
            return Value(Kind.ADDRESS, self._intern(argument.content))
        start = self._place(argument.content)
        for offset, inner in argument.relocations:
            effects.relocations.append(Relocation(start + offset, self._value(inner, effects)))
        return Value(Kind.ADDRESS, start)

    def _slot(self, slot: Slot | None) -> int:
        if slot is None:
            return NO_SLOT
        return self._slots.setdefault(slot.name, len(self._slots))

    def _intern(self, content: bytes) -> int:
        """Place bytes that no call writes to; equal bytes share one place."""
        if content not in self._interned:
            self._interned[content] = self._place(content)
        return self._interned[content]

    def _share(self, content: bytes) -> int:
        """Place bytes that calls write to, once for all of them."""
        if content not in self._shared:
            self._shared[content] = self._place(content)
        return self._shared[content]

    def _place(self, content: bytes) -> int:
        self._data += bytes(-len(self._data) % _ALIGNMENT)
        start = len(self._data)
        self._data += content
        return start
