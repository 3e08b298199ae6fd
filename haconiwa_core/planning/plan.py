"""A plan: every step of one start in order, and the program that the child will run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.facts import Facts, Namespace
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.constants import (
    CAP_SYS_ADMIN,
    CLONE_NEWCGROUP,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CloneFlag,
)
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Buffer, Data, Operation, Slot
from haconiwa_core.program import RESERVED_SLOTS, Assembler, Instruction, Program
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

CORE = "core"

_NOT_BY_CLONE = CLONE_NEWCGROUP | CLONE_NEWTIME
"""Kinds that clone3 could make but that need work before (time) or after (cgroup) they exist."""


@dataclass(frozen=True)
class Input:
    """A file that the plan depends on: its path and the SHA-256 digest of its content."""

    path: str
    digest: str


@dataclass(frozen=True)
class PlannedStep:
    """A step and the plugin that asked for it ("core" for the core's own)."""

    plugin: str
    step: Step

    def operations(self) -> tuple[Operation, ...]:
        """Return the system calls of the step; none for a host function that is not lowered."""
        step = self.step
        if not is_lowering(step.function):
            return ()
        keywords = {"into": step.into} if step.into else {}
        return tuple(step.function(*step.arguments, **keywords))

    def describe(self) -> str:
        """Return the step as it is printed: `set_limit(7, 64, 64)`."""
        result = f"{self.step.into} = " if self.step.into else ""
        return f"{result}{describe_call(self.step)}"


@dataclass(frozen=True)
class Gate:
    """A point at which the child waits while host steps run.

    Args:
        stage: under which the child reports.
        host_stage: whose steps the host runs, or None.
    """

    stage: Stage
    host_stage: Stage | None


@dataclass(frozen=True)
class Plan:
    """All that one start will do: pure data, printable and comparable.

    Attributes:
        container: the definition.
        host: the facts that the plan was made for.
        steps: in the order in which they run.
        gates: where the child waits, in order.
        program: what the launcher runs.
        owners: for each instruction of the program, across its processes, the step it belongs to.
        inputs: files that planning has read.
        notes: what a person should know of this plan.
    """

    container: Container
    host: HostFacts
    steps: tuple[PlannedStep, ...]
    gates: tuple[Gate, ...]
    program: Program
    owners: tuple[PlannedStep, ...]
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]

    @staticmethod
    def build(
        container: Container,
        host: HostFacts,
        steps: tuple[PlannedStep, ...],
        facts: Facts,
        inputs: tuple[Input, ...],
    ) -> Plan:
        """Return the plan of ordered steps: split into host and child, with the gates between."""
        processes, gates = _processes(host, steps, facts)
        every_step = _with_clones(steps, processes)
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
            container,
            host,
            every_step,
            gates,
            assembler.program(program),
            tuple(owners),
            inputs,
            tuple(_notes(host, facts)),
        )

    def host_steps(self, stage: Stage) -> tuple[PlannedStep, ...]:
        """Return the steps of a host stage."""
        return tuple(planned for planned in self.steps if planned.step.stage is stage)

    def undo_steps(self) -> Iterator[PlannedStep]:
        """Yield the steps that leave something to undo, in the order in which they run."""
        return (planned for planned in self.steps if planned.step.undo)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as data that json can write."""
        return {
            "container": self.container.name,
            "host": self.host.to_json(),
            "inputs": [{"path": item.path, "sha256": item.digest} for item in self.inputs],
            "notes": list(self.notes),
            "steps": [
                {
                    "stage": planned.step.stage.name,
                    "plugin": planned.plugin,
                    "function": planned.step.function.__name__,
                    "arguments": plain(planned.step.arguments),
                    "into": planned.step.into.name if planned.step.into else None,
                    "undo": describe_call(planned.step.undo) if planned.step.undo else None,
                    "calls": [_call_to_json(operation) for operation in planned.operations()],
                }
                for planned in self.steps
            ],
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return (stage, plugin, step, undo) of every step, for a table."""
        return [
            (
                planned.step.stage.name,
                planned.plugin,
                planned.describe(),
                describe_call(planned.step.undo) if planned.step.undo else "",
            )
            for planned in self.steps
        ]


def _processes(
    host: HostFacts, steps: tuple[PlannedStep, ...], facts: Facts
) -> tuple[list[list[PlannedStep]], tuple[Gate, ...]]:
    """Return the steps of each process that the launcher makes, and the gates of all of them."""
    flags = CloneFlag(0)
    for namespace in facts.all(Namespace):
        if not namespace.joined:
            flags |= namespace.flag & ~_NOT_BY_CLONE
    processes: list[list[PlannedStep]] = []
    gates: list[Gate] = []
    host_stage = Stage.ADOPT
    enter = [planned for planned in steps if planned.step.stage is Stage.ENTER]
    if enter:
        # Without rights on the host, a process must be in the new user namespace before it may
        # join others or set time offsets.
        early = flags & (0 if host.has_capability(CAP_SYS_ADMIN) else CLONE_NEWUSER)
        flags &= ~early
        process = [_core(Stage.ENTER, linux.clone, early)]
        if early:
            gates.append(Gate(Stage.ENTER, Stage.ADOPT))
            process.append(_core(Stage.ENTER, linux.wait_at_gate, Stage.ENTER))
        else:
            process.append(_core(Stage.ENTER, linux.set_dumpable, False))
        processes.append(process + enter)
        host_stage = Stage.ENTER if early else Stage.ADOPT
    gates.append(Gate(Stage.ADOPT, None if host_stage is Stage.ENTER else Stage.ADOPT))
    child = [
        _core(Stage.CLONE, linux.clone, flags),
        _core(Stage.CLONE, linux.wait_at_gate, Stage.ADOPT),
        _core(Stage.SETTLE, linux.set_dumpable, False),
    ]
    keep = any(planned.step.stage is Stage.KEEP for planned in steps)
    for stage in Stage:
        if stage is Stage.KEEP and keep:
            gates.append(Gate(Stage.KEEP, Stage.KEEP))
            child.append(_core(Stage.ROOT, linux.wait_at_gate, Stage.KEEP))
        if stage > Stage.CLONE and not stage.on_host:
            child += [planned for planned in steps if planned.step.stage is stage]
    return [*processes, child], tuple(gates)


def _core(stage: Stage, function: Any, *arguments: Any) -> PlannedStep:
    return PlannedStep(CORE, Step(stage, function, *arguments))


def _with_clones(steps: tuple[PlannedStep, ...], processes: Sequence[Sequence[PlannedStep]]) -> tuple[PlannedStep, ...]:
    """Return host and child steps merged in the order of stages."""
    child = [planned for process in processes for planned in process]
    host = [planned for planned in steps if planned.step.stage.on_host]
    # Stable: the child's own order within a stage stays.
    return tuple(sorted([*host, *child], key=lambda planned: planned.step.stage))


def _notes(host: HostFacts, facts: Facts) -> Iterator[str]:
    if not any(namespace.flag == CLONE_NEWPID for namespace in facts.all(Namespace)):
        yield "without a pid namespace, ending the container reaches its process group and adopted children only"
    if not host.has_capability(CAP_SYS_ADMIN):
        yield "started by an ordinary user: the supplementary groups stay those of the caller"


def describe_call(step: Step) -> str:
    """Return a step's function and arguments as they are printed."""
    return f"{step.function.__name__}({', '.join(_short(argument) for argument in step.arguments)})"


def _short(argument: object) -> str:
    text = argument.name or "0" if isinstance(argument, Enum) else repr(argument)
    return text if len(text) <= 100 else f"{text[:97]}..."


def plain(value: Any) -> Any:
    """Return a step's argument as JSON has it: a slot as {"slot": name}, bytes as text."""
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, Slot):
        return {"slot": value.name}
    return os.fsdecode(value) if isinstance(value, bytes) else value


def _call_to_json(operation: Operation) -> dict[str, Any]:
    return {
        "call": operation.call.name,
        "arguments": [_argument_to_json(argument) for argument in operation.arguments],
        **({"when": operation.when.name} if operation.when else {}),
        **({"unless": operation.unless.name} if operation.unless else {}),
    }


def _argument_to_json(argument: Any) -> Any:
    if isinstance(argument, Buffer):
        return {"buffer": argument.size}
    if isinstance(argument, Data):
        return {"data": argument.content.hex()}
    if isinstance(argument, bytes):
        text = argument.removesuffix(b"\0")
        return text.decode() if text.isascii() and text.decode().isprintable() else {"data": argument.hex()}
    return plain(argument)
