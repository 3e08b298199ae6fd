"""Start a container: claim its name, run its plan, and stay its parent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import CgroupPlace, Counter, EndingSignal
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.interpreter import Kernel
from haconiwa_core.launch.local import Values, resolve
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.operation import Slot
from haconiwa_core.planning.plan import CORE, Plan, PlannedStep
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.launching import Launching
from haconiwa_core.runtime.processes import SETUP_FAILED
from haconiwa_core.runtime.record import Orphan, Process, Record, Status, Undo, boot_id, without_lasting
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.store import Claim
from haconiwa_core.stages import Stage


def start(
    plan: Plan,
    claim: Claim,
    streams: Mapping[str, int],
    kernel: Kernel | None = None,
    launcher: Launcher | None = None,
    orphan: Orphan = "end",
    moment: Callable[[str, int], None] | None = None,
    *,
    again: bool = False,
    size: tuple[int, int] = (0, 0),
) -> Running:
    """Start a planned container.

    Args:
        plan: for this host.
        claim: the instance's name; it is given up if the start fails.
        streams: descriptors for the standard streams that are inherited, by "stdin" ..., and of the pipes
            to who keeps the log, as "kept-stdout" and "kept-stderr".
        kernel: what runs the calls of the host's steps; the running kernel by default.
        launcher: what runs the program; a fork of this process by default.
        orphan: what `gc` does with the container when its supervisor is gone.
        moment: called at each event of the start; see `Launching`.
        again: the name's container has ended, and keeps its name and its record if this start fails.
        size: rows and columns that its terminal has at first, if it has one.

    Raises:
        SetupError: a step failed; everything done before is undone and the name is free.
    """
    return create(plan, claim, streams, kernel, launcher, orphan, moment, again=again, size=size).start()


def create(
    plan: Plan,
    claim: Claim,
    streams: Mapping[str, int],
    kernel: Kernel | None = None,
    launcher: Launcher | None = None,
    orphan: Orphan = "end",
    moment: Callable[[str, int], None] | None = None,
    *,
    again: bool = False,
    size: tuple[int, int] = (0, 0),
) -> Created:
    """Set a planned container up as far as its plan goes without being told to go on: to exec, unless it holds.

    The arguments and errors are those of `start`. Of what has set it up, nothing needs to stay but this process.
    """
    kernel = kernel or KERNEL
    launcher = launcher or DirectLauncher(kernel)
    created = Created(plan, claim, streams, kernel, launcher, orphan, moment, again=again, size=size)
    created.set_up()
    return created


class Created:
    """A container that is set up; one whose plan holds waits, before its command is executed, for `start`."""

    def __init__(
        self,
        plan: Plan,
        claim: Claim,
        streams: Mapping[str, int],
        kernel: Kernel,
        launcher: Launcher,
        orphan: Orphan,
        moment: Callable[[str, int], None] | None,
        *,
        again: bool,
        size: tuple[int, int],
    ) -> None:
        self._again = again
        self._plan = plan
        self._claim = claim
        self.name = claim.name
        self._values: Values = {
            "name": claim.name,
            "directory": str(claim.directory),
            **dict.fromkeys(("kept-stdout", "kept-stderr"), -1),
            **{stream if "-" in stream else f"caller-{stream}": descriptor for stream, descriptor in streams.items()},
        }
        self._launching = Launching(plan, self._values, kernel, launcher, moment, size)
        self._record = Record(
            name=claim.name,
            container=plan.definition,
            boot=boot_id(),
            began=time.time(),
            status="starting",
            orphan=orphan,
            supervisor=Process.of_this(),
            undo=tuple(self._undo(planned) for planned in plan.undo_steps()),
            group=self._group(),
            warnings=plan.warnings,
            counters=tuple(
                (item.reason, os.path.join(item.base, self._text(item.group), file), item.field)
                for item in plan.facts.all(Counter)
                for file in item.files
            ),
            signals=tuple(plan.facts.all(EndingSignal)),
        )

    @property
    def pid(self) -> int:
        """Of the first process, on the host."""
        return self._launching.child()[0]

    def set_up(self) -> None:
        """Run the plan; called once, by `create`."""
        self._or_roll_back(self._run)

    def start(self) -> Running:
        """Let the command be executed.

        Raises:
            SetupError: it cannot be; everything is undone and the name is free.
        """
        if self._plan.holds:
            self._record = self._record._replace(status="running")
            self._or_roll_back(self._launching.resume)
        started = without_lasting(self._record)
        if self._plan.holds or started != self._record:
            self._claim.write(started)
        launching = self._launching
        return Running(self._claim, started, *launching.child(), launching.timeline, launching.terminal)

    def abandon(self) -> tuple[str, ...]:
        """End it and undo everything; return what could not be undone, as messages."""
        self._launching.abandon()
        failures = undo(self._record._replace(child=None))
        if self._again:
            left = self._record.undo if failures else ()
            self._claim.write(self._record.ended(SETUP_FAILED)._replace(undo=left))
        elif failures:
            self._claim.write(self._record._replace(child=None))
            self._claim.release()
        else:
            self._claim.remove()
        return failures

    def _or_roll_back(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            failures = self.abandon()
            if isinstance(error, SetupError):
                error.cleanup = failures
            raise

    def _run(self) -> None:
        self._claim.write(self._record)
        self._launching.timeline.did(Stage.PREPARE, CORE, "write_record")
        self._launching.run(self._adopted)

    def _adopted(self, pid: int) -> None:
        # Written before the child goes on, so that it can be killed whatever happens to this process.
        status: Status = "created" if self._plan.holds else "running"
        self._record = self._record._replace(child=Process.of(pid), status=status)
        self._claim.write(self._record)
        self._launching.timeline.did(Stage.ADOPT, CORE, "write_record")

    def _group(self) -> tuple[str, ...]:
        place = self._plan.facts.get(CgroupPlace)
        return (place.base, self._text(place.group)) if place else ()

    def _text(self, value: str | Slot) -> str:
        return str(resolve(value, self._values))

    def _undo(self, planned: PlannedStep) -> Undo:
        step = planned.step.undo
        assert step is not None
        arguments = tuple(resolve(argument, self._values) for argument in step.arguments)
        return Undo(step.function.__name__, arguments, planned.plugin, planned.step.lasting)
