"""A plan: every step of one start or attach in order, and the program that the child will run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from haconiwa_core.container import Container
from haconiwa_core.facts import Facts
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Buffer, Data, Operation, Part, Slot
from haconiwa_core.program import Assembler, Program
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.hooks.hook import Hook
    from haconiwa_core.linux.privileges import Privilege

CORE = "core"


class Input(NamedTuple):
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

    @cached_property
    def program(self) -> Program:
        """The step's system calls alone, for the host to run."""
        assembler = Assembler()
        return assembler.program([assembler.assemble(self.operations())])

    @property
    def privileges(self) -> tuple[Privilege, ...]:
        """The capabilities that the step needs; in the container's own user namespace its processes have them all."""
        from haconiwa_core.linux.privileges import privileges_of

        return privileges_of(self.step.function, self.operations())

    def describe(self) -> str:
        """Return the step as it is printed: `set_limit(7, 64, 64)`."""
        result = f"{self.step.into} = " if self.step.into else ""
        return f"{result}{describe_call(self.step)}"


class Gate(NamedTuple):
    """A point at which the child waits for the host.

    Args:
        stage: under which the child reports.
        host_stage: whose steps the host runs, or None.
        event: whose hooks run then, or "".
        hold: the host waits, too, until it is told to go on.
        terminal: the report brings the master of the container's terminal.
    """

    stage: Stage
    host_stage: Stage | None = None
    event: str = ""
    hold: bool = False
    terminal: bool = False


@dataclass(frozen=True)
class Plan:
    """All that one start or attach will do: pure data, printable and comparable.

    Attributes:
        container: the definition.
        host: the facts that the plan was made for.
        steps: in the order in which they run.
        gates: where the child waits, in order.
        program: what the launcher runs.
        owners: for each instruction of the program, across its processes, the step it belongs to.
        inputs: files that planning has read.
        notes: what a person should know of this plan, its warnings first.
        facts: what the features have published.
        hooks: of the features in the order of their sections, then the definition's own.
        warnings: what it does less than the definition asks for, with its consent; whoever starts it tells them.
    """

    container: Container
    host: HostFacts
    steps: tuple[PlannedStep, ...]
    gates: tuple[Gate, ...]
    program: Program
    owners: tuple[PlannedStep, ...]
    inputs: tuple[Input, ...]
    notes: tuple[str, ...]
    facts: Facts = field(compare=False)
    hooks: tuple[Hook, ...] = field(default=(), compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the child waits, when all is set up, to be told to execute its command."""
        return self.gates[-1].hold

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The container as its record keeps it."""
        return self.container.to_json()

    def host_steps(self, stage: Stage) -> tuple[PlannedStep, ...]:
        """Return the steps of a host stage."""
        return self._by_stage.get(stage, ())

    @cached_property
    def _by_stage(self) -> dict[Stage, tuple[PlannedStep, ...]]:
        groups = groupby(self.steps, key=lambda planned: planned.step.stage)
        return {stage: tuple(steps) for stage, steps in groups}

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
                    "privileges": [privilege._asdict() for privilege in planned.privileges],
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
    if isinstance(argument, Part):
        return {"buffer": len(argument.whole), "at": argument.offset}
    if isinstance(argument, Data):
        return {"data": argument.content.hex()}
    if isinstance(argument, bytes):
        text = argument.removesuffix(b"\0")
        return text.decode() if text.isascii() and text.decode().isprintable() else {"data": argument.hex()}
    return plain(argument)
