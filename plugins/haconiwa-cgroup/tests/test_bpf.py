"""The program decides as the rules say: run by a machine of its own here, by the kernel in test_real.py."""

from __future__ import annotations

import struct

import pytest
from haconiwa_cgroup.bpf import Rule, device_program
from hypothesis import given, strategies as st

BITS = {"m": 1, "r": 2, "w": 4}


def run(program: bytes, context: bytes) -> int:
    """Interpret the instructions of the program (linux/bpf.h); any other is an error."""
    instructions = list(struct.iter_unpack("<BBhi", program))
    registers: dict[int, int] = {}
    place = 0
    while True:
        code, operands, offset, value = instructions[place]
        target, source = operands & 15, operands >> 4
        place += 1
        match code:
            case 0x61:
                assert source == 1
                registers[target] = struct.unpack_from("<I", context, offset)[0]
            case 0x57:
                registers[target] &= value
            case 0x77:
                registers[target] >>= value
            case 0xB7:
                registers[target] = value
            case 0xBF:
                registers[target] = registers[source]
            case 0x55:
                assert offset > 0
                place += offset if registers[target] != value else 0
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(hex(code))


def allowed(rules: list[Rule], kind: str, major: int, minor: int, access: set[str]) -> bool:
    return any(
        rule.kind == kind
        and rule.major in ("*", str(major))
        and rule.minor in ("*", str(minor))
        and access <= set(rule.access)
        for rule in rules
    )


NUMBERS = st.integers(0, 3)
PARTS = st.one_of(st.just("*"), NUMBERS.map(str))
ACCESS = st.sets(st.sampled_from("rwm"), min_size=1)
RULES = st.builds(Rule, st.sampled_from("bc"), PARTS, PARTS, ACCESS.map("".join))


@given(st.lists(RULES, max_size=6), st.sampled_from("bc"), NUMBERS, NUMBERS, ACCESS)
def test_it_decides_as_the_rules_say(rules: list[Rule], kind: str, major: int, minor: int, access: set[str]) -> None:
    word = sum(BITS[letter] for letter in access) << 16 | {"b": 1, "c": 2}[kind]
    verdict = run(device_program(rules), struct.pack("<3I", word, major, minor))
    assert verdict == allowed(rules, kind, major, minor, access)


@pytest.mark.parametrize("numbers", [(136, 1048575), (4095, 0)])
def test_large_numbers(numbers: tuple[int, int]) -> None:
    program = device_program([Rule("c", *map(str, numbers), "r")])
    assert run(program, struct.pack("<3I", 2 << 16 | 2, *numbers)) == 1
    assert run(program, struct.pack("<3I", 2 << 16 | 2, numbers[0], numbers[1] + 1)) == 0
