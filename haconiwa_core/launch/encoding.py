"""A program as bytes: what a resident launcher is sent. Native byte order, 8-aligned."""

from __future__ import annotations

import struct
from itertools import pairwise

from haconiwa_core.launch.interpreter import ADDRESS, IMMEDIATE, NO_SLOT, SLOT, Fields

TYPE_CHECKING = False  # As in `haconiwa_core`: the zygote decodes.
if TYPE_CHECKING:
    from typing import Any

    from haconiwa_core.program import Program

_MAGIC = 0x31574348
_HEADER = struct.Struct("=6I")
_PROCESS = struct.Struct("=I4x")
_INSTRUCTION = struct.Struct("=6q6s?xqiiii4i2I")
_EFFECT = struct.Struct("=4Iq")
_RELOCATION, _EXPECTATION, _LOAD = range(3)
_ARGUMENTS = 6
_MAXIMUM_ACCEPTED = 4
_MAXIMUM_SLOTS = 2048

Decoded = tuple[tuple[tuple[Fields, ...], ...], bytes, int]
"""The processes of a program, its data, and the number of its slots."""


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
                effects.append(_EFFECT.pack(_EXPECTATION, IMMEDIATE, place, length, expected))
            for place, slot in instruction.loads:
                effects.append(_EFFECT.pack(_LOAD, SLOT, place, 0, slot))
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


def decode(content: bytes) -> Decoded:
    """Return what a launcher needs of a program; the names of its slots are not among its bytes.

    Raises:
        ValueError: it is no program, or one of its indices or offsets leads out of its tables.
    """
    try:
        magic, *counts, data_size, slot_count = _HEADER.unpack(content[: _HEADER.size])
        offset = _HEADER.size
        tables: list[list[tuple[Any, ...]]] = []
        for form, count in zip((_PROCESS, _INSTRUCTION, _EFFECT), counts, strict=True):
            tables.append(list(form.iter_unpack(content[offset : offset + count * form.size])))
            offset += count * form.size
    except struct.error as error:
        raise ValueError("malformed program") from error
    ends, instructions, effects = tables
    bounds = [0, *(end for (end,) in ends)]
    if not (
        magic == _MAGIC
        and slot_count <= _MAXIMUM_SLOTS
        and offset + data_size == len(content)
        and len(bounds) > 1
        and bounds[-1] == len(instructions)
        and all(start < end for start, end in pairwise(bounds))
        and all(_is_effect(effect, data_size, slot_count) for effect in effects)
        and all(_is_instruction(fields, len(effects), data_size, slot_count) for fields in instructions)
    ):
        raise ValueError("malformed program")
    decoded = [_instruction(fields, effects) for fields in instructions]
    return tuple(tuple(decoded[start:end]) for start, end in pairwise(bounds)), content[offset:], slot_count


def _is_effect(effect: tuple[int, ...], data_size: int, slot_count: int) -> bool:
    form, kind, place, length, value = effect
    if form == _EXPECTATION:
        return place + length <= data_size and 0 <= value <= data_size - length
    if form == _RELOCATION:
        return place + 8 <= data_size and _is_operand(kind, value, data_size, slot_count)
    return form == _LOAD and place + 4 <= data_size and _is_operand(SLOT, value, data_size, slot_count)


def _is_instruction(fields: tuple[Any, ...], effect_count: int, data_size: int, slot_count: int) -> bool:
    *numbers, kinds, _, _, _, into, when, unless = fields[: _ARGUMENTS + 7]
    return (
        all(_is_operand(*operand, data_size, slot_count) for operand in zip(kinds, numbers, strict=True))
        and all(NO_SLOT <= slot < slot_count for slot in (into, when, unless))
        and sum(fields[-2:]) <= effect_count
    )


def _is_operand(kind: int, value: int, data_size: int, slot_count: int) -> bool:
    if kind == ADDRESS:
        return 0 <= value <= data_size
    return kind == IMMEDIATE or (kind == SLOT and 0 <= value < slot_count)


def _instruction(fields: tuple[Any, ...], effects: list[tuple[Any, ...]]) -> Fields:
    *numbers, kinds, exact, returns, number, into, when, unless = fields[: _ARGUMENTS + 7]
    *accept, first, count = fields[_ARGUMENTS + 7 :]
    own = effects[first : first + count]
    return (
        number,
        tuple(zip(kinds, numbers, strict=True)),
        into,
        returns if exact else None,
        tuple(error for error in accept if error),
        tuple((place, (kind, value)) for form, kind, place, _, value in own if form == _RELOCATION),
        tuple((place, value, length) for form, _, place, length, value in own if form == _EXPECTATION),
        tuple((place, value) for form, _, place, _, value in own if form == _LOAD),
        when,
        unless,
    )
