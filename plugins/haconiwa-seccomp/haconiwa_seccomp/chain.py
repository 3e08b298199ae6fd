"""Filters that are put one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from haconiwa_core.linux.bpf import (
    ARCHITECTURE,
    ARCHITECTURE_OFFSET,
    EQUAL,
    GREATER,
    GREATER_OR_EQUAL,
    INSTRUCTION,
    JUMP,
    LOAD,
    NUMBER_OFFSET,
    RETURN,
)

X32_BIT = 0x40000000
"""In the numbers of calls of x32, which has x86_64's architecture number."""

MAXIMUM_SIZE = 4096 * 8
"""Bytes that the kernel takes as one filter."""


def chained(parts: Sequence[bytes], following: int, last: int) -> bytes:
    """Return the filter that asks several, one after the other, until one decides.

    Args:
        parts: the filters.
        following: what a part answers that leaves the decision to the next one.
        last: the answer if no part decides.
    """
    program = bytearray()
    for part in parts:
        length = len(part) // INSTRUCTION.size
        for place, instruction in enumerate(INSTRUCTION.iter_unpack(part)):
            passes_on = instruction[0] == RETURN and instruction[3] == following
            program += INSTRUCTION.pack(*((JUMP, 0, 0, length - place - 1) if passes_on else instruction))
    return bytes(program) + INSTRUCTION.pack(RETURN, 0, 0, last)


def above(number: int, answer: int, following: int) -> bytes:
    """Return a filter that decides about this machine's calls with higher numbers than one."""
    instructions = (
        (LOAD, 0, 0, ARCHITECTURE_OFFSET),
        (EQUAL, 0, 4, ARCHITECTURE),
        (LOAD, 0, 0, NUMBER_OFFSET),
        (GREATER_OR_EQUAL, 2, 0, X32_BIT),
        (GREATER, 0, 1, number),
        (RETURN, 0, 0, answer),
        (RETURN, 0, 0, following),
    )
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in instructions)
