"""Run instructions: the loop that stands between a plan and the kernel.

It imports nothing while it runs and knows no system call: everything that it does is in the
instructions. The same loop runs a host step in the supervisor's process and a whole program in
a container's child.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import NamedTuple

from haconiwa_core.program import NO_SLOT, Instruction, Kind, Value

OUTPUT_DIFFERS = -1
"""The kernel's output is not what the plan expects (a failed read-back)."""
RESULT_DIFFERS = -2
"""The call succeeded with another result than the plan demands (end of file, a short write)."""

SKIPPED = -1
"""What a skipped instruction leaves in its result slot."""

Kernel = Callable[..., int]
"""Takes a system call's number and six arguments; returns the result, or the negative errno."""


class Failure(NamedTuple):
    """Which instruction failed, and its errno, OUTPUT_DIFFERS or RESULT_DIFFERS."""

    instruction: int
    code: int


def linux_kernel() -> Kernel:
    """Return the running kernel, called through syscall(2) of the C library.

    The GIL is held during a call (`PyDLL`): a clone from a process with other threads would
    otherwise leave the child with a lock that nobody releases.
    """
    library = ctypes.PyDLL(None, use_errno=True)
    call = library.syscall
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long] * 7
    errno_of = ctypes.get_errno

    def kernel(number: int, *arguments: int) -> int:
        result: int = call(number, *arguments)
        return result if result >= 0 else -errno_of()

    return kernel


class Memory:
    """A program's data at a fixed address."""

    def __init__(self, data: bytes) -> None:
        self._buffer = ctypes.create_string_buffer(data, len(data) + 1)
        self.address = ctypes.addressof(self._buffer)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`."""
        return ctypes.string_at(self.address + offset, length)

    def read_int(self, offset: int) -> int:
        """Return the 4-byte integer at `offset`."""
        return ctypes.c_int.from_address(self.address + offset).value

    def write(self, offset: int, value: int) -> None:
        """Write `value`, 8 bytes wide."""
        ctypes.c_int64.from_address(self.address + offset).value = value


def run(
    instructions: Sequence[Instruction],
    memory: Memory,
    slots: list[int],
    kernel: Kernel,
    first: int = 0,
) -> Failure | None:
    """Run instructions from `first` on; return the first failure, or None when all are done."""
    for index in range(first, len(instructions)):
        instruction = instructions[index]
        if _is_skipped(instruction, slots):
            if instruction.result != NO_SLOT:
                slots[instruction.result] = SKIPPED
            continue
        for offset, value in instruction.relocations:
            memory.write(offset, _resolve(value, memory, slots))
        arguments = [_resolve(value, memory, slots) for value in instruction.arguments]
        result = kernel(instruction.number, *arguments)
        if instruction.result != NO_SLOT:
            slots[instruction.result] = result
        if result < 0:
            if -result in instruction.accept:
                continue
            return Failure(index, -result)
        if instruction.returns is not None and result != instruction.returns:
            return Failure(index, RESULT_DIFFERS)
        for output, expected, length in instruction.expectations:
            if memory.read(output, length) != memory.read(expected, length):
                return Failure(index, OUTPUT_DIFFERS)
        for output, slot in instruction.loads:
            slots[slot] = memory.read_int(output)
    return None


def _resolve(value: Value, memory: Memory, slots: list[int]) -> int:
    kind, number = value
    if kind == Kind.ADDRESS:
        return memory.address + number
    return slots[number] if kind == Kind.SLOT else number


def _is_skipped(instruction: Instruction, slots: list[int]) -> bool:
    if instruction.when != NO_SLOT and slots[instruction.when] < 0:
        return True
    return instruction.unless != NO_SLOT and slots[instruction.unless] >= 0
