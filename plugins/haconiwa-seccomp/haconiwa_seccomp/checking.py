"""What a start still has to do after its filter is loaded, and what the filter answers to that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.errors import Problem
from haconiwa_core.linux import bpf
from haconiwa_core.program import Instruction, Kind
from haconiwa_core.stages import Stage
from haconiwa_seccomp.kernel import load_filter, load_filter_with_handler
from haconiwa_seccomp.libseccomp import number_of
from haconiwa_seccomp.policy import describe

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_LOADING = (load_filter, load_filter_with_handler)

_LAUNCHERS_OWN = ("brk", "exit_group", "getsockname", "mmap", "munmap", "sendmsg")
"""Calls by which a launcher lives, tells of a command that cannot be executed, and ends."""


def denied(plan: Plan) -> Iterator[Problem]:
    """Yield a problem for each call that has to be made after the filter is loaded, and is denied.

    Args:
        plan: with all its steps.
    """
    instructions = [instruction for process in plan.program.processes for instruction in process]
    first = next(place for place, planned in enumerate(plan.owners) if planned.step.function in _LOADING)
    step = plan.owners[first].step
    program = step.arguments[0]
    assert isinstance(program, bytes)
    hint = "allow it" + (", or load the filter later, with no_new_privs" if step.stage is Stage.FILTER else "")
    # The handler serves when the step is done.
    served = (bpf.USER_NOTIF,) if step.function is load_filter_with_handler else ()
    told: set[str] = set()
    for instruction, planned in zip(instructions[first + 1 :], plan.owners[first + 1 :], strict=True):
        name = instruction.number.name
        answers = bpf.answers(program, instruction.number, _known(instruction))
        problem = _problem(name, answers.difference(() if planned.step is step else served))
        if problem and name not in told:
            told.add(name)
            yield Problem(f"{problem}, but {planned.plugin} calls it later, in {planned.step.stage.name}", hint=hint)
    for name in _LAUNCHERS_OWN:
        answers = bpf.answers(program, number_of(name) or 0, (None,) * 6)
        problem = _problem(name, answers.difference(served))
        if problem and name not in told:
            yield Problem(f"{problem}, but the launcher may have to call it before the command runs", hint="allow it")


def _problem(name: str, answers: frozenset[int]) -> str:
    wrong = sorted(map(describe, answers - {bpf.ALLOW, bpf.LOG}))
    return f"the filter's answer to {name} is {' or '.join(wrong)}" if wrong else ""


def _known(instruction: Instruction) -> tuple[int | None, ...]:
    """Return the arguments that are known beforehand: no addresses, nothing that a slot will hold."""
    return tuple(value if kind is Kind.IMMEDIATE else None for kind, value in instruction.arguments)
