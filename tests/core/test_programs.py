"""Operations, assembled and run on the real kernel by harmless calls."""

import ctypes
import errno
import os
import struct

import pytest
from hypothesis import given, strategies as st

from haconiwa_core.launch.interpreter import (
    OUTPUT_DIFFERS,
    RESULT_DIFFERS,
    SKIPPED,
    Memory,
    linux_kernel,
    run,
)
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Buffer, Data, Operation, Slot
from haconiwa_core.program import RESERVED_SLOTS, Assembler, Kind

KERNEL = linux_kernel()
NO_DESCRIPTOR = 1 << 30


@pytest.fixture
def pipe():
    """The two ends of a pipe that never blocks."""
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    yield ends
    for end in ends:
        os.close(end)


def execute(*operations, **slots):
    """Run operations; return the failure, the slots by name, and the calls that were made."""
    assembler = Assembler(slots)
    program = assembler.program([assembler.assemble(operations)])
    values = [slots.get(name, -1) for name in program.slots]
    calls = []

    def kernel(number, *arguments):
        calls.append(Call(number))
        return KERNEL(number, *arguments)

    failure = run(program.processes[0], Memory(program.data), values, kernel)
    return failure, dict(zip(program.slots, values, strict=True)), calls


CLOSE_NOTHING = Operation(Call.close, (NO_DESCRIPTOR,))


def test_operations_run_in_order_until_one_fails(pipe):
    write = Operation(Call.write, (pipe[1], b"ab", 2))
    failure, _, calls = execute(write, CLOSE_NOTHING, write)
    assert failure == (1, errno.EBADF)
    assert calls == [Call.write, Call.close]
    assert os.read(pipe[0], 9) == b"ab"


def test_an_accepted_errno_goes_on_and_is_the_result():
    accepting = Operation(Call.close, (NO_DESCRIPTOR,), result=Slot("it"), accept=(errno.EPERM, errno.EBADF))
    failure, slots, _ = execute(accepting)
    assert failure is None
    assert slots["it"] == -errno.EBADF


@pytest.mark.parametrize(("returns", "expected"), [(2, None), (None, None), (3, (0, RESULT_DIFFERS))])
def test_a_result_can_be_demanded(pipe, returns, expected):
    assert execute(Operation(Call.write, (pipe[1], b"ab", 2), returns=returns))[0] == expected


def test_end_of_file_is_a_result_and_no_errno():
    reader, writer = os.pipe()
    os.close(writer)
    assert execute(Operation(Call.read, (reader, Buffer(1), 1), returns=1))[0] == (0, RESULT_DIFFERS)
    os.close(reader)


@pytest.mark.parametrize(
    ("expect", "expected"),
    [(((0, b"abcd"),), None), (((2, b"cd"), (0, b"a")), None), (((1, b"x"),), (0, OUTPUT_DIFFERS))],
)
def test_output_is_compared_with_what_is_expected(pipe, expect, expected):
    os.write(pipe[1], b"abcd")
    assert execute(Operation(Call.read, (pipe[0], Buffer(4, expect), 4)))[0] == expected


def test_what_a_buffer_holds_before_the_call_reaches_the_kernel(pipe):
    assert execute(Operation(Call.write, (pipe[1], Buffer(4, initial=b"xy"), 4)))[0] is None
    assert os.read(pipe[0], 9) == b"xy\0\0"


def test_a_result_is_the_argument_of_a_later_call(tmp_path):
    path = os.fsencode(tmp_path / "file") + b"\0"
    flags = os.O_CREAT | os.O_WRONLY
    failure, slots, _ = execute(
        Operation(Call.openat, (-100, path, flags, 0o600), result=Slot("file")),
        Operation(Call.write, (Slot("file"), b"text", 4), returns=4),
        Operation(Call.close, (Slot("file"),)),
    )
    assert failure is None
    assert (tmp_path / "file").read_bytes() == b"text"
    assert slots["file"] > 2


def test_the_output_of_a_call_fills_a_slot(pipe):
    os.write(pipe[1], struct.pack("i", -70000))
    failure, slots, _ = execute(Operation(Call.read, (pipe[0], Buffer(4, into=Slot("number")), 4)))
    assert failure is None
    assert slots["number"] == -70000


CONDITIONS = [({"when": Slot("good")}, True), ({"when": Slot("bad")}, False)]
CONDITIONS += [({"unless": Slot("good")}, False), ({"unless": Slot("bad")}, True), ({"when": Slot("unknown")}, False)]
CONDITIONS += [({"when": Slot("good"), "unless": Slot("bad")}, True)]
CONDITIONS += [({"when": Slot("good"), "unless": Slot("good")}, False)]


@pytest.mark.parametrize(("condition", "runs"), CONDITIONS, ids=str)
def test_conditions(pipe, condition, runs):
    write = Operation(Call.write, (pipe[1], b"ab", 2), result=Slot("it"), **condition)
    failure, slots, calls = execute(write, good=0, bad=-errno.ENOENT, it=7)
    assert failure is None
    assert calls == [Call.write] * runs
    assert slots["it"] == (2 if runs else SKIPPED)


def test_a_skipped_open_skips_what_depends_on_it():
    first = Operation(Call.close, (NO_DESCRIPTOR,), result=Slot("a"), accept=(errno.EBADF,))
    second = Operation(Call.close, (NO_DESCRIPTOR,), result=Slot("b"), when=Slot("a"))
    third = Operation(Call.close, (NO_DESCRIPTOR,), when=Slot("b"))
    assert execute(first, second, third)[::2] == (None, [Call.close])


def test_addresses_and_slots_are_written_into_data(pipe):
    inner = Data(bytes(8), ((0, b"inner"),))
    block = Data(b"12345678" + bytes(16), ((8, Slot("number")), (16, inner)))
    content = struct.Struct("8sqq")
    assembler = Assembler(["number"])
    program = assembler.program([assembler.assemble([Operation(Call.write, (pipe[1], block, content.size))])])
    memory = Memory(program.data)
    assert run(program.processes[0], memory, [1 << 40], KERNEL) is None
    text, number, address = content.unpack(os.read(pipe[0], 64))
    assert (text, number) == (b"12345678", 1 << 40)
    innermost = ctypes.c_int64.from_address(address).value
    assert ctypes.string_at(innermost, 5) == b"inner"


def test_more_than_six_arguments_are_refused():
    with pytest.raises(ValueError, match="close: a system call takes at most 6"):
        Assembler().assemble([Operation(Call.close, (0,) * 7)])


def test_reserved_slots_come_first():
    assembler = Assembler(RESERVED_SLOTS)
    assembler.assemble([Operation(Call.close, (Slot("mine"),))])
    assert assembler.program([]).slots == (*RESERVED_SLOTS, "mine")


CONTENT = st.binary(max_size=40)
ARGUMENT = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    CONTENT,
    st.builds(Slot, st.sampled_from("abc")),
    st.builds(lambda size, initial: Buffer(size, initial=initial), st.integers(1, 64), st.binary(max_size=1)),
    CONTENT.map(Data),
)


@given(st.lists(st.lists(ARGUMENT, max_size=6), max_size=8))
def test_each_argument_reaches_the_kernel_as_it_was_given(calls):
    seen = []
    assembler = Assembler("abc")
    program = assembler.program([assembler.assemble([Operation(Call.close, tuple(call)) for call in calls])])
    memory = Memory(program.data)
    slots = [11, 22, 33]

    def kernel(number, *arguments):
        given = calls[len(seen)]
        seen.append(arguments)
        for argument, value in zip(given, arguments, strict=False):
            match argument:
                case int():
                    assert value == argument
                case Slot(name):
                    assert value == slots["abc".index(name)]
                case bytes():
                    assert ctypes.string_at(value, len(argument)) == argument
                case Data(content):
                    assert ctypes.string_at(value, len(content)) == content
                case Buffer():
                    assert ctypes.string_at(value, argument.size) == argument.initial.ljust(argument.size, b"\0")
                    # What the kernel fills is nobody else's: fill it.
                    ctypes.memset(value, 0xFF, argument.size)
        return 0

    assert run(program.processes[0], memory, slots, kernel) is None
    assert [len(arguments) for arguments in seen] == [6] * len(calls)


@given(st.lists(st.one_of(CONTENT, CONTENT.map(Data), st.integers(1, 9).map(Buffer))))
def test_every_place_in_the_data_is_aligned(arguments):
    assembler = Assembler()
    instructions = assembler.assemble([Operation(Call.close, (argument,)) for argument in arguments])
    places = [instruction.arguments[0] for instruction in instructions]
    assert all(place.kind is Kind.ADDRESS and place.value % 8 == 0 for place in places)
