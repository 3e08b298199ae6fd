"""Kernels that record or fail, to be handed to a start; the processes of the start inherit them."""

from __future__ import annotations

import errno
import mmap
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from haconiwa_core.launch.interpreter import NO_SLOT, Kernel, linux_kernel
from haconiwa_core.linux.calls import Call
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.program import Instruction
from haconiwa_core.stages import Stage

_ENTRY = struct.Struct("qq")
_SIZE = 1 << 16


class Recorder:
    """Notes every call and its result, in memory that the processes of a start share.

    What a clone returns to the process that makes it is left out: its clone notes its own.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._kernel = linux_kernel()

    def __call__(self, number: int, *arguments: int) -> int:
        """Make one system call; return its result, or the negative errno."""
        result = self._kernel(number, *arguments)
        if not (number == Call.clone3 and result > 0):
            self._note(number, result)
        return result

    def _note(self, number: int, result: int) -> None:
        count = int.from_bytes(self._memory[:8], "little") + 1
        self._memory[:8] = count.to_bytes(8, "little")
        self._memory[count * _ENTRY.size : (count + 1) * _ENTRY.size] = _ENTRY.pack(number, result)

    def calls(self) -> list[tuple[int, int]]:
        """Return (number, result) of every call so far."""
        count = int.from_bytes(self._memory[:8], "little")
        return list(_ENTRY.iter_unpack(self._memory[_ENTRY.size : (count + 1) * _ENTRY.size]))


@dataclass
class FailAt:
    """The call of this number, counted from 1, fails with EIO; it is not made."""

    call: int
    kernel: Kernel = field(default_factory=linux_kernel)
    count: int = 0

    def __call__(self, number: int, *arguments: int) -> int:
        """Make one system call; return its result, or the negative errno."""
        self.count += 1
        return -errno.EIO if self.count == self.call else self.kernel(number, *arguments)


def owners_of_calls(plan: Plan, results: Sequence[int]) -> list[PlannedStep]:
    """Return whose call each one of a start is.

    Args:
        plan: of the start.
        results: of the calls in their order, those that the host makes before there is a child first.
    """
    before = prepared(plan)
    return before + [plan.owners[index] for index in executed(plan, results[len(before) :])]


def prepared(plan: Plan) -> list[PlannedStep]:
    """Return whose call each one is that the host makes before there is a child."""
    return [planned for planned in plan.host_steps(Stage.PREPARE) for _ in planned.operations()]


def executed(plan: Plan, results: Sequence[int]) -> Iterator[int]:
    """Yield which instructions of the program were executed, given what each execution returned.

    This is a second reading of `when` and `unless`, beside the interpreter's.
    """
    slots = dict.fromkeys(range(len(plan.program.slots)), -1)
    remaining = iter(results)
    instructions: list[Instruction] = [item for process in plan.program.processes for item in process]
    for index, instruction in enumerate(instructions):
        when = instruction.when == NO_SLOT or slots[instruction.when] >= 0
        unless = instruction.unless == NO_SLOT or slots[instruction.unless] < 0
        result = next(remaining, None) if when and unless else -1
        if result is None:
            return
        if instruction.result != NO_SLOT:
            slots[instruction.result] = result
        if when and unless:
            yield index


def timeline(plan: Plan, start: Callable[[Recorder], object]) -> list[PlannedStep]:
    """Return whose call each one of a start is, in order, by watching one start.

    Args:
        plan: of the start.
        start: starts it with a kernel, and ends it.
    """
    recorder = Recorder()
    start(recorder)
    results = [result for _, result in recorder.calls()]
    before = len(prepared(plan))
    indices = list(executed(plan, results[before:]))
    numbers = [item.number for process in plan.program.processes for item in process]
    made = [number for number, _ in recorder.calls()[before:]]
    assert [numbers[index] for index in indices] == made[: len(indices)]
    return owners_of_calls(plan, results)
