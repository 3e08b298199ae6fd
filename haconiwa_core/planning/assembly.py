"""Make a plan of ordered steps: divide them among host and processes, with the gates between, and lower them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from haconiwa_core import linux
from haconiwa_core.facts import CgroupPlace, Namespace
from haconiwa_core.linux.constants import (
    CLONE_NEWCGROUP,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CloneFlag,
)
from haconiwa_core.operation import Operation
from haconiwa_core.planning.baseline import CGROUP
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import CORE, Gate, Plan, PlannedStep
from haconiwa_core.program import RESERVED_SLOTS, Assembler, Instruction
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.hooks.hook import Hook

_EVENT_BEFORE = {
    Stage.ROOT: "before_root",
    Stage.SESSION: "after_root",
    Stage.EXEC: "before_exec",
}
"""The events that happen in the child before a stage begins."""

_MAY_FORBID = (Stage.FILTER, Stage.CONFINE)
"""Stages after which a filter may forbid to look at the clock."""

_NOT_BY_CLONE = CLONE_NEWCGROUP | CLONE_NEWTIME
"""Kinds that clone3 could make but that need work before (time) or after (cgroup) they exist."""


def assembled(
    planning: Planning, steps: tuple[PlannedStep, ...], hooks: tuple[Hook, ...] = (), *, hold: bool = False
) -> Plan:
    """Return the plan of steps that are in order.

    Args:
        planning: with all facts.
        steps: of all features and of the core.
        hooks: of all features and of the definition; the child waits where one of them wants it to.
        hold: the child waits once more before EXEC.
    """
    processes, gates = _processes(planning, steps, {hook.event for hook in hooks if hook.event}, hold)
    assembler = Assembler(RESERVED_SLOTS)
    program: list[tuple[Instruction, ...]] = []
    owners: list[PlannedStep] = []
    for process in processes:
        operations: list[Operation] = []
        for planned in process:
            lowered = planned.operations()
            operations += lowered
            owners += [planned] * len(lowered)
        program.append(assembler.assemble(operations))
    return Plan(
        planning.container,
        planning.host,
        _merged(steps, processes),
        gates,
        assembler.program(program),
        tuple(owners),
        tuple(planning.inputs),
        (*planning.warnings, *_notes(planning)),
        planning.facts,
        hooks,
        tuple(planning.warnings),
    )


def _processes(
    planning: Planning, steps: tuple[PlannedStep, ...], events: set[str], hold: bool
) -> tuple[list[list[PlannedStep]], tuple[Gate, ...]]:
    """Return the steps of each process that the launcher makes, and the gates of all of them."""
    flags = _new_kinds(planning)
    timed = planning.entry == "start"
    processes: list[list[PlannedStep]] = []
    gates: list[Gate] = []
    enter = [planned for planned in steps if planned.step.stage is Stage.ENTER]
    adopted = False
    place = planning.facts.get(CgroupPlace)
    into = (CGROUP,) if place and place.unified else ()
    if enter:
        # Without rights on the host, a process must be in the new user namespace before it may
        # join others or set time offsets, and its files are out of reach once it cannot be looked into.
        adopted = not planning.privileged
        early = flags & (CLONE_NEWUSER if adopted else 0)
        flags &= ~early
        # Once a user namespace is joined, the host's control groups are out of reach; what is cloned stays in one.
        user = planning.user_namespace
        first = into if early or (user and user.joined) else ()
        into = () if first else into
        process = [_core(Stage.ENTER, linux.clone, early, *first)]
        if adopted:
            gates.append(Gate(Stage.ENTER, Stage.ADOPT))
            process.append(_core(Stage.ENTER, linux.wait_at_gate, Stage.ENTER))
            process += _clock(Stage.ENTER) if timed else ()
        if not early:
            process.append(_core(Stage.ENTER, linux.set_dumpable, False))
        process += enter
        process += _clock(Stage.CLONE) if timed and not _joins_time(enter) else ()
        processes.append(process)
    gates.append(Gate(Stage.ADOPT, None if adopted else Stage.ADOPT))
    child = [
        _core(Stage.CLONE, linux.clone, flags, *into),
        _core(Stage.CLONE, linux.wait_at_gate, Stage.ADOPT),
    ]
    keep = any(planned.step.stage is Stage.KEEP for planned in steps)
    for stage in Stage:
        if stage is Stage.KEEP and keep:
            gates.append(Gate(Stage.KEEP, Stage.KEEP))
            child.append(_core(Stage.ROOT, linux.wait_at_gate, Stage.KEEP))
        event = _EVENT_BEFORE.get(stage)
        held = hold and stage is Stage.EXEC
        if held or event in events:
            gates.append(Gate(stage, event=event or "", hold=held))
            child.append(_core(stage, linux.wait_at_gate, stage))
        if stage > Stage.CLONE and not stage.on_host:
            own = [planned for planned in steps if planned.step.stage is stage]
            if stage is Stage.SETTLE:
                own.insert(0, _core(stage, linux.set_dumpable, False))
            child += _clock(stage) if own and timed else ()
            child += own
            if any(planned.step.function is linux.hand_over_terminal for planned in own):
                gates.append(Gate(stage, terminal=True))
            timed = timed and not (own and (stage in _MAY_FORBID or _joins_time(own)))
    return [*processes, child], tuple(gates)


def _new_kinds(planning: Planning) -> int:
    """Return the flags of the namespaces that are made by clone3; a process that is attached makes none."""
    flags = CloneFlag(0)
    if planning.entry == "start":
        for namespace in planning.facts.all(Namespace):
            if not namespace.joined:
                flags |= namespace.flag & ~_NOT_BY_CLONE
    return flags


def _clock(stage: Stage) -> tuple[PlannedStep, ...]:
    return (_core(stage, linux.note_time, stage),)


def _joins_time(steps: Sequence[PlannedStep]) -> bool:
    """Return whether a process has another clock afterwards, of which the host does not know how far it is ahead."""
    return any(item.step.function is linux.join_namespace and item.step.arguments[1] == CLONE_NEWTIME for item in steps)


def _core(stage: Stage, function: Any, *arguments: Any) -> PlannedStep:
    return PlannedStep(CORE, Step(stage, function, *arguments))


def _merged(steps: tuple[PlannedStep, ...], processes: Sequence[Sequence[PlannedStep]]) -> tuple[PlannedStep, ...]:
    """Return host and child steps merged in the order of stages."""
    child = [planned for process in processes for planned in process]
    host = [planned for planned in steps if planned.step.stage.on_host]
    # Stable: the child's own order within a stage stays.
    return tuple(sorted([*host, *child], key=lambda planned: planned.step.stage))


def _notes(planning: Planning) -> Iterator[str]:
    kinds = {namespace.flag for namespace in planning.facts.all(Namespace)}
    if CLONE_NEWPID not in kinds and not planning.facts.get(CgroupPlace):
        yield "with neither pid namespace nor cgroup, ending it reaches its process group and adopted children only"
    if not planning.privileged:
        yield "started by an ordinary user: the supplementary groups stay those of the caller"
