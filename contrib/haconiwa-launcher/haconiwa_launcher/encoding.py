"""A program as bytes: what the static launcher maps into memory and runs. Native byte order, 8-aligned."""

from __future__ import annotations

import struct

from haconiwa_core.program import Kind, Program

_MAGIC = 0x31574348
_HEADER = struct.Struct("=6I")
_PROCESS = struct.Struct("=I4x")
_INSTRUCTION = struct.Struct("=6q6s?xqiiii4i2I")
_EFFECT = struct.Struct("=4Iq")
_RELOCATION, _EXPECTATION, _LOAD = range(3)
_MAXIMUM_ACCEPTED = 4


def encode(program: Program) -> bytes:
    """Return the bytes of a program: a header with the lengths of four tables, the tables, the data."""
    processes: list[bytes] = []
    instructions: list[bytes] = []
    effects: list[bytes] = []
    for process in program.processes:
        for instruction in process:
            first = len(effects)
            for place, (kind, value) in instruction.relocations:
                effects.append(_EFFECT.pack(_RELOCATION, kind, place, 0, value))
            for place, expected, length in instruction.expectations:
                effects.append(_EFFECT.pack(_EXPECTATION, Kind.IMMEDIATE, place, length, expected))
            for place, slot in instruction.loads:
                effects.append(_EFFECT.pack(_LOAD, Kind.SLOT, place, 0, slot))
            padding = (0,) * (_MAXIMUM_ACCEPTED - len(instruction.accept))
            instructions.append(
                _INSTRUCTION.pack(
                    *(argument.value for argument in instruction.arguments),
                    bytes(argument.kind for argument in instruction.arguments),
                    instruction.returns is not None,
                    instruction.returns or 0,
                    instruction.number,
                    instruction.result,
                    instruction.when,
                    instruction.unless,
                    *instruction.accept,
                    *padding,
                    first,
                    len(effects) - first,
                )
            )
        processes.append(_PROCESS.pack(len(instructions)))
    lengths = (len(processes), len(instructions), len(effects), len(program.data), len(program.slots))
    header = _HEADER.pack(_MAGIC, *lengths)
    return b"".join((header, *processes, *instructions, *effects, program.data))
