"""Classic BPF as seccomp(2) runs it: what a filter answers, and how filters are put one after the other."""

from __future__ import annotations

import operator
import os
import struct
from collections.abc import Sequence
from functools import lru_cache

ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[os.uname().machine]
"""The AUDIT_ARCH_* number of this machine."""

X32_BIT = 0x40000000
"""In the numbers of calls of x32, which has x86_64's architecture number."""

MAXIMUM_SIZE = 4096 * 8
"""Bytes that the kernel takes as one filter."""

ALLOW, LOG, TRACE, USER_NOTIF = 0x7FFF0000, 0x7FFC0000, 0x7FF00000, 0x7FC00000
ERRNO, TRAP, KILL_THREAD, KILL_PROCESS = 0x00050000, 0x00030000, 0x00000000, 0x80000000
ACTION_MASK, DATA_MASK = 0xFFFF0000, 0x0000FFFF

_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_TESTS = {0x15: operator.eq, 0x25: operator.gt, 0x35: operator.ge, 0x45: operator.and_}
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16


def answers(
    program: bytes, number: int, arguments: Sequence[int | None], architecture: int = ARCHITECTURE
) -> frozenset[int]:
    """Return what a filter answers to a system call: SECCOMP_RET_* with their data.

    Args:
        program: the filter.
        number: of the call.
        arguments: of the call, at most six; with None for one that is not known there may be several answers.
        architecture: AUDIT_ARCH_* of the call.

    Raises:
        ValueError: the filter has an instruction that libseccomp does not make.
    """
    words: dict[int, int | None] = {_NUMBER: number & 0xFFFFFFFF, _ARCHITECTURE: architecture}
    for index, argument in enumerate([*arguments, *[0] * (6 - len(arguments))]):
        offset = _ARGUMENTS + 8 * index
        words[offset] = None if argument is None else argument & 0xFFFFFFFF
        words[offset + 4] = None if argument is None else argument >> 32 & 0xFFFFFFFF
    instructions = _instructions(program)
    found: set[int] = set()
    paths: list[tuple[int, int | None]] = [(0, 0)]
    while paths:
        place, value = paths.pop()
        code, if_true, if_false, operand = instructions[place]
        place += 1
        if code == _RETURN:
            found.add(operand)
        elif code == _LOAD:
            paths.append((place, words[operand]))
        elif code == _AND:
            paths.append((place, None if value is None else value & operand))
        elif code == _JUMP:
            paths.append((place + operand, value))
        elif code not in _TESTS:
            raise ValueError(f"no instruction of a filter: {code:#x}")
        elif value is None:
            paths += [(place + if_true, None), (place + if_false, None)]
        else:
            paths.append((place + (if_true if _TESTS[code](value, operand) else if_false), value))
    return frozenset(found)


@lru_cache(maxsize=1)
def _instructions(program: bytes) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(_INSTRUCTION.iter_unpack(program))


def chained(parts: Sequence[bytes], following: int, last: int) -> bytes:
    """Return the filter that asks several, one after the other, until one decides.

    Args:
        parts: the filters.
        following: what a part answers that leaves the decision to the next one.
        last: the answer if no part decides.
    """
    program = bytearray()
    for part in parts:
        length = len(part) // _INSTRUCTION.size
        for place, instruction in enumerate(_INSTRUCTION.iter_unpack(part)):
            passes_on = instruction[0] == _RETURN and instruction[3] == following
            program += _INSTRUCTION.pack(*((_JUMP, 0, 0, length - place - 1) if passes_on else instruction))
    return bytes(program) + _INSTRUCTION.pack(_RETURN, 0, 0, last)


def above(number: int, answer: int, following: int) -> bytes:
    """Return a filter that decides about this machine's calls with higher numbers than one."""
    instructions = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (0x15, 0, 4, ARCHITECTURE),
        (_LOAD, 0, 0, _NUMBER),
        (0x35, 2, 0, X32_BIT),
        (0x25, 0, 1, number),
        (_RETURN, 0, 0, answer),
        (_RETURN, 0, 0, following),
    )
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)
