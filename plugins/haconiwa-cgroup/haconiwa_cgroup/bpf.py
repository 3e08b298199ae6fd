"""A BPF program that decides which devices a control group may use (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE).

The kernel runs it whenever a process of the group opens or makes a device; 1 allows, 0 refuses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call

_PROG_LOAD, _PROG_ATTACH, _OBJ_GET_INFO_BY_FD, _PROG_QUERY = 5, 8, 15, 16
_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_F_ALLOW_MULTI = 2
_INSTRUCTION = struct.Struct("<BBhi")
_MOST_PROGRAMS = 64

_KINDS = {"b": 1, "c": 2}
_ACCESSES = {"m": 1, "r": 2, "w": 4}
_ANY = "*"


class Rule(NamedTuple):
    """What is allowed of a device.

    Args:
        kind: "c" or "b".
        major, minor: numbers, or "*".
        access: some of "rwm": reading, writing, making a node.
    """

    kind: str
    major: str
    minor: str
    access: str

    def __str__(self) -> str:
        return f"{self.kind} {self.major}:{self.minor} {self.access}"


class _Code(IntEnum):
    LOAD_WORD = 0x61
    AND = 0x57
    SHIFT_RIGHT = 0x77
    MOVE = 0xB7
    MOVE_REGISTER = 0xBF
    JUMP_UNLESS_EQUAL = 0x55
    EXIT = 0x95


class _Register(IntEnum):
    RESULT, CONTEXT, KIND, ACCESS, MAJOR, MINOR, SCRATCH = range(7)


def attach_device_rules(group: str, rules: Sequence[Rule]) -> None:
    """Refuse a group all devices but those of the rules, until it is removed.

    Programs of the groups above it stay in force, too.

    Args:
        group: its directory, in a version 2 hierarchy.
        rules: what is allowed.

    Raises:
        OSError: EPERM without CAP_BPF or CAP_SYS_ADMIN, EINVAL where the kernel has no such programs.
    """
    program = _load(device_program(rules))
    try:
        directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            system_call(
                Call.bpf, _PROG_ATTACH, *_sized(struct.pack("4I", directory, program, _CGROUP_DEVICE, _F_ALLOW_MULTI))
            )
            if _id(program) not in _attached(directory):
                raise OSError(errno.EINVAL, f"the program is not in force in {group}")
        finally:
            os.close(directory)
    finally:
        os.close(program)


def device_program(rules: Sequence[Rule]) -> bytes:
    """Return the program that allows what the rules say; its only input is struct bpf_cgroup_dev_ctx."""
    return b"".join(
        (
            _instruction(_Code.LOAD_WORD, _Register.KIND, _Register.CONTEXT, offset=0),
            _instruction(_Code.MOVE_REGISTER, _Register.ACCESS, _Register.KIND),
            # The kind in the lower half, the access in the upper.
            _instruction(_Code.AND, _Register.KIND, value=0xFFFF),
            _instruction(_Code.SHIFT_RIGHT, _Register.ACCESS, value=16),
            _instruction(_Code.LOAD_WORD, _Register.MAJOR, _Register.CONTEXT, offset=4),
            _instruction(_Code.LOAD_WORD, _Register.MINOR, _Register.CONTEXT, offset=8),
            *(part for rule in rules for part in _allowing(rule)),
            _instruction(_Code.MOVE, _Register.RESULT, value=0),
            _instruction(_Code.EXIT),
        )
    )


def _allowing(rule: Rule) -> Iterator[bytes]:
    """Yield instructions that allow what a rule does, and go on behind themselves for anything else."""
    refused = sum(bit for name, bit in _ACCESSES.items() if name not in rule.access)
    tests = [(_Register.KIND, _KINDS[rule.kind])]
    tests += [(_Register.MAJOR, int(rule.major))] if rule.major != _ANY else []
    tests += [(_Register.MINOR, int(rule.minor))] if rule.minor != _ANY else []
    tests += [(_Register.SCRATCH, 0)]
    allow = (_instruction(_Code.MOVE, _Register.RESULT, value=1), _instruction(_Code.EXIT))
    yield _instruction(_Code.MOVE_REGISTER, _Register.SCRATCH, _Register.ACCESS)
    yield _instruction(_Code.AND, _Register.SCRATCH, value=refused)
    for left, (register, value) in zip(range(len(tests) - 1, -1, -1), tests, strict=True):
        yield _instruction(_Code.JUMP_UNLESS_EQUAL, register, offset=left + len(allow), value=value)
    yield from allow


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, source << 4 | target, offset, value)


def _load(program: bytes) -> int:
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"MIT")
    attributes = struct.pack(
        "2I2Q2IQ2I16s2I",
        *(_PROG_TYPE_CGROUP_DEVICE, len(program) // _INSTRUCTION.size),
        *(ctypes.addressof(code), ctypes.addressof(licence)),
        *(0, 0, 0, 0, 0, b"haconiwa", 0, _CGROUP_DEVICE),
    )
    return system_call(Call.bpf, _PROG_LOAD, *_sized(attributes))


def _id(program: int) -> int:
    # The type and the id are the first words of struct bpf_prog_info.
    info = ctypes.create_string_buffer(8)
    system_call(Call.bpf, _OBJ_GET_INFO_BY_FD, *_sized(struct.pack("2IQ", program, len(info), ctypes.addressof(info))))
    return int(struct.unpack("2I", info.raw)[1])


def _attached(directory: int) -> Sequence[int]:
    ids = (ctypes.c_uint32 * _MOST_PROGRAMS)()
    query = struct.pack("4IQ2I", directory, _CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), _MOST_PROGRAMS, 0)
    system_call(Call.bpf, _PROG_QUERY, *_sized(query))
    return list(ids)


def _sized(attributes: bytes) -> tuple[bytes, int]:
    return attributes, len(attributes)
