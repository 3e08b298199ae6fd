"""The child notes when its stages begin, as part of its program, and tells it with its last report."""

import ctypes
import struct
from itertools import pairwise

import pytest
from core.support import Sample, plan_of, plugins_of

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.facts import Namespace
from haconiwa_core.launch.interpreter import Memory, run
from haconiwa_core.launch.processes import RECORD
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLOCK_MONOTONIC, CLONE_NEWNET, CLONE_NEWTIME, CLONE_NEWUSER
from haconiwa_core.linux.handshake import times_in
from haconiwa_core.linux.namespaces import join_namespace
from haconiwa_core.operation import Operation, Part, Slot
from haconiwa_core.planning.plan import CORE
from haconiwa_core.planning.planner import plan as planned
from haconiwa_core.program import Assembler
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import Executed, FakeKernel, host, plan_of as core_plan_of, planned_steps, run_program


def by_stage(plan):
    """Return the steps of the child by stage, but those by which it comes to be and waits."""
    found = {}
    for item in planned_steps(plan):
        if not item.step.stage.on_host and item.step.function not in (linux.clone, linux.wait_at_gate):
            found.setdefault(item.step.stage, []).append(item)
    return found


def noted(plan):
    return [stage for stage, items in by_stage(plan).items() if items[0].step.function is linux.note_time]


def with_step(stage, function=linux.set_file_mode_mask, *arguments):
    name = f"in-{stage.name.lower()}"
    return Sample(name, steps=[Step(stage, function, *(arguments or (0,)))])


def test_each_stage_begins_with_a_look_at_the_clock():
    plan = plan_of()
    stages = by_stage(plan)
    assert noted(plan) == list(stages)
    assert {Stage.SETTLE, Stage.SESSION, Stage.EXEC} <= set(stages)
    for stage, (first, *others) in stages.items():
        assert (first.plugin, first.step.arguments) == (CORE, (stage,))
        assert linux.note_time not in [item.step.function for item in others]


def test_the_intermediate_process_notes_when_it_clones():
    plan = plan_of(with_step(Stage.ENTER))
    assert noted(plan)[:2] == [Stage.CLONE, Stage.SETTLE]
    assert len(plan.program.processes) == 2
    numbers = [instruction.number for instruction in plan.program.processes[0]]
    assert numbers[-1] == Call.clock_gettime
    assert Call.clock_gettime not in numbers[:-1]


def test_it_notes_when_it_goes_on_after_its_own_gate():
    """An ordinary user's waits until its ids are mapped."""
    user = host(uid=1000, gid=1000, capabilities=0)
    facts = [Namespace("user", CLONE_NEWUSER), Namespace("time", CLONE_NEWTIME)]
    sample = Sample("both", facts=facts, steps=[Step(Stage.ENTER, linux.unshare, CLONE_NEWTIME)])
    plan = planned(Container("sample", ["true"], [sample.feature()]), user, plugins_of(sample))
    assert noted(plan)[:3] == [Stage.ENTER, Stage.CLONE, Stage.SETTLE]


@pytest.mark.parametrize("stage", [Stage.FILTER, Stage.CONFINE])
def test_after_a_filter_nothing_is_noted(stage):
    """It may forbid to look at the clock."""
    plan = plan_of(with_step(stage))
    later = [other for other in by_stage(plan) if other > stage]
    assert later
    assert noted(plan) == [other for other in by_stage(plan) if other <= stage]


def test_an_intermediate_that_joins_a_time_namespace_does_not_note_when_it_clones():
    plan = plan_of(with_step(Stage.ENTER, join_namespace, Slot("handle"), CLONE_NEWTIME))
    assert noted(plan)[0] is Stage.SETTLE


@pytest.mark.parametrize(("kind", "is_noted"), [(CLONE_NEWTIME, False), (CLONE_NEWNET, True)])
def test_in_a_time_namespace_that_the_child_joins_nothing_is_noted(kind, is_noted):
    """The host does not know how far its clock is ahead."""
    plan = plan_of(with_step(Stage.SETTLE, join_namespace, Slot("handle"), kind))
    assert noted(plan)[0] is Stage.SETTLE
    assert (len(noted(plan)) > 1) is is_noted


def test_an_attach_notes_nothing():
    assert noted(core_plan_of(entry="attach")) == []


def test_a_gate_is_passed_before_the_stage_begins():
    plan = core_plan_of(hold=True)
    functions = [item.step.function for item in planned_steps(plan) if item.step.stage is Stage.EXEC]
    assert functions[:2] == [linux.wait_at_gate, linux.note_time]


def test_the_report_tells_what_was_noted():
    told = []

    class Kernel(FakeKernel):
        def _write(self, descriptor, content, size):
            told.append(ctypes.string_at(content, size))
            return super()._write(descriptor, content, size)

    plan = plan_of(with_step(Stage.ENTER), with_step(Stage.LIMITS))
    kernel = Kernel()
    assert isinstance(run_program(plan, kernel), Executed)
    *others, report = told
    assert all(len(message) == RECORD.size for message in others)
    assert RECORD.unpack_from(report) == (Stage.EXEC, 0)
    times = times_in(report)
    assert list(times) == noted(plan)
    assert list(times.values()) == sorted(times.values())
    assert kernel.reports[-1] == Stage.EXEC


def test_the_time_is_the_kernels(real_clock):
    before, after = real_clock
    assert 0 < before <= after


@pytest.fixture
def real_clock():
    """What two looks of the vocabulary's at the clock note."""
    from haconiwa_core.launch.interpreter import linux_kernel

    assembler = Assembler()
    operations = [*linux.note_time(Stage.SETTLE), *linux.note_time(Stage.EXEC)]
    program = assembler.program([assembler.assemble(operations)])
    memory = Memory(program.data)
    assert run(program.processes[0], memory, [], linux_kernel()) is None
    times = times_in(memory.read(0, len(program.data)))
    assert list(times) == [Stage.SETTLE, Stage.EXEC]
    return times.values()


def test_a_message_without_times_tells_none():
    assert times_in(RECORD.pack(Stage.EXEC, 0)) == {}
    assert times_in(b"") == {}


def test_parts_of_equal_bytes_lie_in_the_same_place():
    """What one call fills, another passes on; bytes that are given as such lie elsewhere."""
    whole, other = bytes(16), bytes(8)
    calls = [
        Operation(Call.clock_gettime, (CLOCK_MONOTONIC, Part(whole, 8))),
        Operation(Call.write, (1, Part(whole), whole, Part(other), other)),
    ]
    assembler = Assembler()
    program = assembler.program([assembler.assemble(calls)])
    (_, (_, inner), *_), (_, (_, start), (_, interned), (_, another), (_, plain), *_) = (
        instruction.arguments for instruction in program.processes[0]
    )
    assert inner == start + 8
    places = sorted([(start, 16), (interned, 16), (another, 8), (plain, 8)])
    assert all(begin + size <= following for (begin, size), (following, _) in pairwise(places))
    memory = Memory(program.data)

    def kernel(number, *arguments):
        if number == Call.clock_gettime:
            ctypes.memmove(arguments[1], struct.pack("q", 7), 8)
        else:
            assert struct.unpack("qq", ctypes.string_at(arguments[1], 16)) == (0, 7)
            assert ctypes.string_at(arguments[2], 16) == whole
        return 0

    assert run(program.processes[0], memory, [], kernel) is None


def test_a_plan_tells_what_it_notes():
    calls = [call for step in plan_of().to_json()["steps"] for call in step["calls"]]
    looks = [call["arguments"] for call in calls if call["call"] == "clock_gettime"]
    reports = [call["arguments"] for call in calls if call["call"] == "write"]
    _, told, size = reports[-1]
    assert told == {"buffer": size, "at": 0}
    assert [clock for clock, _ in looks] == [CLOCK_MONOTONIC] * len(looks)
    assert {place["buffer"] for _, place in looks} == {size}
    assert all(0 < place["at"] < size for _, place in looks)
