"""Run instructions: the loop that stands between a plan and the kernel.

It imports nothing while it runs and knows no system call: everything that it does is in the
instructions. The same loop runs a host step in the supervisor's process and a whole program in
a container's child. What it needs of the standard library every zygote holds in memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

IMMEDIATE, ADDRESS, SLOT = range(3)
"""How the number of an operand is read: as it is, as an offset into the data, as a slot's index."""

NO_SLOT = -1

OUTPUT_DIFFERS = -1
"""The kernel's output is not what the plan expects (a failed read-back)."""
RESULT_DIFFERS = -2
"""The call succeeded with another result than the plan demands (end of file, a short write)."""

SKIPPED = -1
"""What a skipped instruction leaves in its result slot."""

Kernel = Callable[..., int]
"""Takes a system call's number and six arguments; returns the result, or the negative errno."""


Failure = tuple[int, int]
"""Which instruction failed, and its errno, OUTPUT_DIFFERS or RESULT_DIFFERS."""

Operand = tuple[int, int]
"""The fields of a `program.Value`."""

Fields = tuple[
    int,
    tuple[Operand, ...],
    int,
    int | None,
    tuple[int, ...],
    tuple[tuple[int, Operand], ...],
    tuple[tuple[int, int, int], ...],
    tuple[tuple[int, int], ...],
    int,
    int,
]
"""The fields of a `program.Instruction`: the loop takes one, and the plain tuple of a decoded program."""


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
    instructions: Sequence[Fields],
    memory: Memory,
    slots: list[int],
    kernel: Kernel,
    first: int = 0,
) -> Failure | None:
    """Run instructions from `first` on; return the first failure, or None when all are done."""
    address = memory.address
    for index in range(first, len(instructions)):
        number, operands, into, returns, accept, relocations, expectations, loads, when, unless = instructions[index]
        if (when != NO_SLOT and slots[when] < 0) or (unless != NO_SLOT and slots[unless] >= 0):
            if into != NO_SLOT:
                slots[into] = SKIPPED
            continue
        for offset, (kind, value) in relocations:
            memory.write(offset, value if kind == IMMEDIATE else slots[value] if kind == SLOT else address + value)
        # Written out twice: a function call for each of six operands would double what a call costs.
        result = kernel(
            number,
            *[
                value if kind == IMMEDIATE else slots[value] if kind == SLOT else address + value
                for kind, value in operands
            ],
        )
        if into != NO_SLOT:
            slots[into] = result
        if result < 0:
            if -result in accept:
                continue
            return index, -result
        if returns is not None and result != returns:
            return index, RESULT_DIFFERS
        for output, expected, length in expectations:
            if memory.read(output, length) != memory.read(expected, length):
                return index, OUTPUT_DIFFERS
        for output, slot in loads:
            slots[slot] = memory.read_int(output)
    return None
