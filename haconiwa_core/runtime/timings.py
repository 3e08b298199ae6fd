"""When each part of a start began and ended: noted while it runs, kept beside the record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from time import monotonic_ns
from typing import Literal, NamedTuple

from haconiwa_core.planning.plan import CORE, Plan
from haconiwa_core.runtime.store import Claim
from haconiwa_core.stages import Stage

FILE_NAME = "timings.json"
VERSION = 1

Lane = Literal["host", "child"]


class Span(NamedTuple):
    """A part of a start.

    Attributes:
        lane: whose work it is: that of the supervising process, or of the launcher and of what it clones.
        stage: to which it belongs.
        plugin: whose steps they are, several with commas between; "hooks" for those of an event.
        what: the step's function; of the child, whose steps are not timed one by one, "" for the stage as a
            whole, and "wait" for its waiting at a gate.
        begin, end: nanoseconds since the start began.
    """

    lane: Lane
    stage: str
    plugin: str
    what: str
    begin: int
    end: int


class Timeline:
    """What one start does, and when (CLOCK_MONOTONIC). The time for which it is held is left out.

    Args:
        plan: that is run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._began = self._last = monotonic_ns()
        self._host: list[tuple[Stage, str, str, int, int]] = []
        self._child: list[tuple[int, Stage, str]] = []
        self._held = 0

    def did(self, stage: Stage, plugin: str, what: str) -> None:
        """Note that the host has done something, which began when it had done what it did before."""
        begin, self._last = self._last, self._now()
        self._host.append((stage, plugin, what, begin, self._last))

    def child_goes_on(self, stage: Stage) -> None:
        """Note that a stage of the child begins."""
        self._child.append((self._now(), stage, ""))

    def child_waits(self, stage: Stage) -> None:
        """Note that the child waits at a gate, for which the host has waited."""
        self._last = self._now()
        self._child.append((self._last, stage, "wait"))

    def resumes(self) -> None:
        """Note that a start goes on which was held since the child waits."""
        self._held = self._now() - self._last

    def child_began(self, stages: Mapping[Stage, int], ahead: int) -> None:
        """Note when stages of the child have begun by its own clock, and that it is done with them all.

        Args:
            stages: CLOCK_MONOTONIC in nanoseconds.
            ahead: of this process's clock is that of the container.
        """
        for stage, time in stages.items():
            # It is held before EXEC; what enters the container's time namespace is the child that is cloned last.
            other = ahead if stage > Stage.CLONE else 0
            self._child.append((time - other - (self._held if stage is Stage.EXEC else 0), stage, ""))

    def ended(self) -> None:
        """Note that the command is executed."""
        self._child.append((self._now(), Stage.EXEC, "end"))

    def spans(self) -> tuple[Span, ...]:
        """Return the parts of a start that has succeeded, the host's before the child's, each in order."""
        spans = [self._span("host", *noted) for noted in self._host]
        for (begin, stage, what), (end, _, _) in pairwise(sorted(self._child)):
            spans.append(self._span("child", stage, "" if what else self._plugins_of(stage), what, begin, end))
        return tuple(spans)

    def write(self, claim: Claim) -> None:
        """Write the parts beside the record.

        Raises:
            RecordError: they cannot be written.
        """
        data = {"version": VERSION, "spans": self.spans()}
        claim.put(FILE_NAME, json.dumps(data, separators=(",", ":")).encode())

    def _plugins_of(self, stage: Stage) -> str:
        """Return the plugins that have steps in a stage; the core, which has some in each, where there are none."""
        plugins = dict.fromkeys(item.plugin for item in self._plan.steps if item.step.stage is stage)
        return ", ".join(name for name in plugins if name != CORE) or CORE

    def _span(self, lane: Lane, stage: Stage, plugin: str, what: str, begin: int, end: int) -> Span:
        return Span(lane, stage.name, plugin, what, begin - self._began, end - self._began)

    def _now(self) -> int:
        return monotonic_ns() - self._held
