"""Programs as bytes: what is read is what was written, and nothing else is a program."""

import random

import pytest
from hypothesis import given, strategies as st

from haconiwa_core.launch.encoding import decode, encode
from haconiwa_core.launch.interpreter import ADDRESS, IMMEDIATE, SLOT
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Buffer, Data, Operation, Slot
from haconiwa_core.program import Assembler
from haconiwa_core.testing import plan_of
from haconiwa_core.testing.launchers import MALFORMED

CONTENT = st.binary(max_size=20)
SLOT_NAME = st.builds(Slot, st.sampled_from(["first", "second", "third"]))
NUMBER = st.integers(-(2**63), 2**63 - 1)


@st.composite
def buffers(draw):
    size = draw(st.integers(1, 64))
    place = draw(st.integers(0, size - 1))
    expect = draw(st.sampled_from([(), ((place, bytes(size - place)),)]))
    return Buffer(size, expect, draw(st.binary(max_size=size)), draw(st.none() | SLOT_NAME) if size >= 4 else None)


def relocated(inner):
    pairs = st.lists(st.tuples(st.sampled_from([0, 8, 16]), inner), max_size=3).map(tuple)
    return st.builds(Data, st.binary(min_size=24, max_size=32), pairs)


ARGUMENT = NUMBER | CONTENT | SLOT_NAME | buffers() | relocated(CONTENT | SLOT_NAME | buffers() | relocated(SLOT_NAME))
OPERATION = st.builds(
    Operation,
    st.sampled_from(Call),
    st.lists(ARGUMENT, max_size=6).map(tuple),
    result=st.none() | SLOT_NAME,
    accept=st.lists(st.integers(1, 200), max_size=4).map(tuple),
    returns=st.none() | NUMBER,
    when=st.none() | SLOT_NAME,
    unless=st.none() | SLOT_NAME,
)


@given(st.lists(st.lists(OPERATION, min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_decoded_is_what_was_encoded(processes):
    assembler = Assembler(["stdin"])
    program = assembler.program([assembler.assemble(operations) for operations in processes])
    assert decode(encode(program)) == (program.processes, program.data, len(program.slots))


def test_a_plans_program():
    program = plan_of().program
    assert decode(encode(program)) == (program.processes, program.data, len(program.slots))


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_program(content):
    with pytest.raises(ValueError, match="malformed program"):
        decode(content)


VALID = encode(plan_of().program)


def test_whatever_is_decoded_stays_within_its_tables():
    """Bytes of a program are changed at random; most of what matters lies at its beginning."""
    dice = random.Random(1)
    refused = 0
    for _ in range(2000):
        content = bytearray(VALID)
        for _ in range(dice.randint(1, 3)):
            content[dice.randrange(dice.choice([400, len(content)]))] = dice.randrange(256)
        try:
            processes, data, slot_count = decode(bytes(content))
        except ValueError:
            refused += 1
            continue
        assert all(processes)
        for fields in (fields for process in processes for fields in process):
            check(fields, len(data), slot_count)
    assert 0 < refused < 2000


def check(fields, size, slot_count):
    _, operands, into, _, _, relocations, expectations, loads, when, unless = fields
    for kind, value in (*operands, *(operand for _, operand in relocations)):
        assert kind == IMMEDIATE or 0 <= value < {ADDRESS: size + 1, SLOT: slot_count}[kind]
    assert all(-1 <= slot < slot_count for slot in (into, when, unless))
    assert all(0 <= slot < slot_count and place + 4 <= size for place, slot in loads)
    assert all(place + 8 <= size for place, _ in relocations)
    for output, expected, length in expectations:
        assert max(output, expected) + length <= size
        assert expected >= 0
