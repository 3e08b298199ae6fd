"""Classic BPF as seccomp(2) runs it: what a filter answers to a system call."""

from __future__ import annotations

import operator
import os
import struct
from collections.abc import Sequence
from functools import lru_cache

ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[os.uname().machine]
"""The AUDIT_ARCH_* number of this machine."""

ALLOW, LOG, TRACE, USER_NOTIF = 0x7FFF0000, 0x7FFC0000, 0x7FF00000, 0x7FC00000
ERRNO, TRAP, KILL_THREAD, KILL_PROCESS = 0x00050000, 0x00030000, 0x00000000, 0x80000000
ACTION_MASK, DATA_MASK = 0xFFFF0000, 0x0000FFFF

INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: the code, how many instructions to skip if true and if false, an operand."""

LOAD, AND, RETURN, JUMP = 0x20, 0x54, 0x06, 0x05
EQUAL, GREATER, GREATER_OR_EQUAL, SET = 0x15, 0x25, 0x35, 0x45
"""The codes of instructions that libseccomp makes."""

_TESTS = {EQUAL: operator.eq, GREATER: operator.gt, GREATER_OR_EQUAL: operator.ge, SET: operator.and_}
NUMBER_OFFSET, ARCHITECTURE_OFFSET, ARGUMENTS_OFFSET = 0, 4, 16
"""Where struct seccomp_data has them."""


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
    words: dict[int, int | None] = {NUMBER_OFFSET: number & 0xFFFFFFFF, ARCHITECTURE_OFFSET: architecture}
    for index, argument in enumerate([*arguments, *[0] * (6 - len(arguments))]):
        offset = ARGUMENTS_OFFSET + 8 * index
        words[offset] = None if argument is None else argument & 0xFFFFFFFF
        words[offset + 4] = None if argument is None else argument >> 32 & 0xFFFFFFFF
    instructions = _instructions(program)
    found: set[int] = set()
    paths: list[tuple[int, int | None]] = [(0, 0)]
    while paths:
        place, value = paths.pop()
        code, if_true, if_false, operand = instructions[place]
        place += 1
        if code == RETURN:
            found.add(operand)
        elif code == LOAD:
            paths.append((place, words[operand]))
        elif code == AND:
            paths.append((place, None if value is None else value & operand))
        elif code == JUMP:
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
    return tuple(INSTRUCTION.iter_unpack(program))
