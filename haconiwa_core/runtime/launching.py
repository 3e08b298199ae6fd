"""Run a plan's program: launch it, pass its gates, and know when the command has been executed.

The child reports and waits on a channel. Success is its report that it is about to execute,
followed by end of file; end of file without it is a failure.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from haconiwa_core.errors import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, SetupError, StepError
from haconiwa_core.facts import Namespace
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.launch.interpreter import OUTPUT_DIFFERS, RESULT_DIFFERS, Kernel
from haconiwa_core.launch.local import Values, run_host_step
from haconiwa_core.linux.constants import CLONE_NEWTIME
from haconiwa_core.linux.handshake import RECORD, TIMED_REPORT, times_in
from haconiwa_core.linux.host import monotonic_offset
from haconiwa_core.linux.packets import receive_packet
from haconiwa_core.linux.terminals import MASTER, set_terminal_size
from haconiwa_core.planning.plan import CORE, Gate, Plan, PlannedStep
from haconiwa_core.runtime.processes import is_readable, reap
from haconiwa_core.runtime.timings import Timeline
from haconiwa_core.stages import Stage

if TYPE_CHECKING:
    from haconiwa_core.runtime.cause import Cause

GO = b"\1"

_DESCRIPTORS_PER_MESSAGE = 4


class Launching:
    """One run of a plan, whose processes become children of this one.

    Args:
        plan: for this host.
        values: what the plan's slots hold that are known beforehand.
        kernel: runs the calls of the host's steps.
        launcher: runs the program.
        moment: called at each event of the start, with the pid of the child that waits, 0 where there is none;
            what it raises fails the start.
        size: rows and columns that a terminal of its own has at first.

    Attributes:
        terminal: descriptor of the master of its terminal, of whoever takes it; None where there is none.
    """

    def __init__(
        self,
        plan: Plan,
        values: Values,
        kernel: Kernel,
        launcher: Launcher,
        moment: Callable[[str, int], None] | None = None,
        size: tuple[int, int] = (0, 0),
    ) -> None:
        self._plan = plan
        self._values = dict(values)
        self._given = frozenset(values)
        self._kernel = kernel
        self._launcher = launcher
        self._processes: dict[int, tuple[int, int]] = {}
        self._reaped = 0
        self._channel: socket.socket | None = None
        self._moment = moment or (lambda _event, _pid: None)
        self._ahead = 0
        self._size = size
        self.terminal: int | None = None
        self.timeline = Timeline(plan)

    def run(self, adopted: Callable[[int], None]) -> None:
        """Run the plan until the command has been executed; if it holds, until the child waits for `resume`.

        Args:
            adopted: called with the child's pid when it exists, has the ids that it is to have, and waits.

        Raises:
            SetupError: a step failed; `abandon` has to be called.
        """
        self._host_stage(Stage.PREPARE)
        if MASTER.name in self._values:
            self._take_terminal(int(self._values.pop(MASTER.name)))
        self._happens(Stage.PREPARE, "after_prepare", 0)
        self.timeline.child_goes_on(Stage.CLONE if self._last_process == 0 else Stage.ENTER)
        descriptors = {name: value for name, value in self._values.items() if isinstance(value, int)}
        try:
            self._channel = self._launcher.launch(self._plan.program, descriptors)
        except OSError as error:
            from haconiwa_core.runtime.remedies import REMEDY_BY_ERRNO

            number = error.errno or 0
            raise SetupError(
                plugin="core",
                stage="CLONE",
                attempted="start the launcher",
                number=number,
                remedy=REMEDY_BY_ERRNO.get(number, ""),
            ) from error
        self._close_descriptors()
        self.timeline.did(Stage.CLONE, CORE, "launch")
        for gate in self._plan.gates:
            self._receive_until(gate.stage)
            self.timeline.child_waits(gate.stage)
            if gate.hold:
                self._reap_intermediates()
                return
            self._pass(gate, adopted)
        self._finish()
        self._reap_intermediates()

    def resume(self) -> None:
        """Let a child that is held execute its command.

        Raises:
            SetupError: it failed; `abandon` has to be called.
        """
        self.timeline.resumes()
        self._pass(self._plan.gates[-1], lambda _: None)
        self._finish()

    def child(self) -> tuple[int, int]:
        """Return the pid and the pidfd of the process that the plan is for."""
        return self._processes[self._last_process]

    def abandon(self) -> None:
        """End every process of the run, and close what it has opened."""
        if self._channel:
            self._channel.close()
        if self.terminal is not None:
            os.close(self.terminal)
        self._close_descriptors()
        for _, pidfd in self._processes.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            reap(pidfd)
            os.close(pidfd)

    def _finish(self) -> None:
        stages = times_in(self._receive_until(Stage.EXEC))
        if Stage.EXEC not in stages:
            self.timeline.child_goes_on(Stage.EXEC)
        self._receive_end()
        self.timeline.child_began(stages, self._ahead)
        self.timeline.ended()
        assert self._channel is not None
        self._channel.close()

    def _pass(self, gate: Gate, adopted: Callable[[int], None]) -> None:
        """Let the host's part of a gate run, then let the child go on."""
        pid = self._processes[self._process_at(gate.stage)][0]
        self._values["target"] = pid
        if gate.stage is Stage.ADOPT:
            self._ahead = self._clock_of(pid)
            self._happens(gate.stage, "after_clone", pid)
        if gate.host_stage:
            self._host_stage_at_gate(gate.host_stage)
        if gate.stage is Stage.ADOPT:
            adopted(pid)
            self._happens(gate.stage, "after_fork", pid)
        if gate.event:
            self._happens(gate.stage, gate.event, pid)
        self._go()
        if gate.terminal:
            self.timeline.child_goes_on(gate.stage)

    def _go(self) -> None:
        assert self._channel is not None
        # A child that has failed or died meanwhile is found out about by what is received next.
        with suppress(BrokenPipeError):
            self._channel.send(GO)

    def _host_stage_at_gate(self, stage: Stage) -> None:
        try:
            self._host_stage(stage)
        except SetupError:
            assert self._channel is not None
            # A child that waits says nothing; if this one did, its end is why the host's step has failed.
            if is_readable(self._channel.fileno(), 0):
                self._receive_until(Stage.EXEC)
            raise

    def _host_stage(self, stage: Stage) -> None:
        for planned in self._plan.host_steps(stage):
            try:
                run_host_step(planned, self._values, self._kernel)
            except OSError as error:
                remedy = error.remedy if isinstance(error, StepError) else ""
                reason = error.strerror or str(error)
                path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
                raise self._error(planned, error.errno or 0, reason, remedy=remedy, path=path) from error
            self.timeline.did(stage, planned.plugin, planned.step.function.__name__)

    def _happens(self, stage: Stage, event: str, pid: int) -> None:
        self._moment(event, pid)
        if any(hook.event == event for hook in self._plan.hooks):
            self.timeline.did(stage, "hooks", event)

    def _clock_of(self, pid: int) -> int:
        """Return by how many nanoseconds the monotonic clock of a child is ahead of this process's."""
        if any(namespace.flag == CLONE_NEWTIME for namespace in self._plan.facts.all(Namespace)):
            return monotonic_offset(pid) - monotonic_offset(os.getpid())
        return 0

    def _receive_until(self, stage: Stage) -> bytes:
        """Take what the child reports until it reaches a stage and is known, with those before it.

        Returns:
            The report of the stage.
        """
        reached = b""
        while not reached or not self._is_known(self._process_at(stage)):
            message, descriptors = self._receive()
            if not message:
                raise self._died()
            number, code = RECORD.unpack_from(message)
            if descriptors and code:
                self._processes[number] = (code, descriptors[0])
            elif code:
                self._receive_process_of(number)
                raise self._instruction_error(number, code)
            elif number == stage:
                reached = message
                if descriptors:
                    self._take_terminal(descriptors[0])
        return reached

    def _take_terminal(self, master: int) -> None:
        self.terminal = master
        set_terminal_size(master, *self._size)

    def _receive_process_of(self, instruction: int) -> None:
        """Wait until the process that has run an instruction is known, so that it can be reaped.

        It may have been faster than the one that cloned it; where the clone has failed, all end.
        """
        lengths = accumulate(len(process) for process in self._plan.program.processes)
        process = next(index for index, end in enumerate(lengths) if instruction < end)
        while not self._is_known(process):
            message, descriptors = self._receive()
            if not message:
                return
            number, pid = RECORD.unpack(message)
            if descriptors:
                self._processes[number] = (pid, descriptors[0])

    def _receive_end(self) -> None:
        """End of file after the last report means that exec has closed the channel."""
        message, _ = self._receive()
        if message:
            raise self._instruction_error(*RECORD.unpack(message))

    def _receive(self) -> tuple[bytes, list[int]]:
        assert self._channel is not None
        try:
            message, descriptors, flags = receive_packet(self._channel, len(TIMED_REPORT), _DESCRIPTORS_PER_MESSAGE)
        except ConnectionResetError:
            # The child ended without reading its go; what it had said before comes with the next call.
            return self._receive()
        if flags & socket.MSG_CTRUNC:
            raise SetupError(
                plugin="core", stage="CLONE", attempted="receive a process's descriptor", number=errno.EMFILE
            )
        return message, descriptors

    def _is_known(self, process: int) -> bool:
        """Return whether the descriptors of a process and of those before it are here."""
        return all(index in self._processes for index in range(self._reaped, process + 1))

    def _process_at(self, stage: Stage) -> int:
        """Return which process of the program reports a stage."""
        return 0 if stage is Stage.ENTER else self._last_process

    @property
    def _last_process(self) -> int:
        return len(self._plan.program.processes) - 1

    def _instruction_error(self, index: int, code: int) -> SetupError:
        planned = self._plan.owners[index]
        if planned.step.function.__name__ == "execute":
            return self._exec_error(planned, code)
        reason = {OUTPUT_DIFFERS: "it reads back differently", RESULT_DIFFERS: "it has had no effect"}.get(code, "")
        return self._error(planned, max(code, 0), reason, self._call_name(index))

    def _exec_error(self, planned: PlannedStep, code: int) -> SetupError:
        program = self._plan.container.command[0]
        found = code not in (errno.ENOENT, errno.ENOTDIR)
        cause, remedy = self._explained(planned, code)
        return SetupError(
            plugin=planned.plugin,
            stage=planned.step.stage.name,
            attempted=f"execute {program!r}",
            number=code,
            cause=cause,
            remedy=remedy,
            exit_status=EXIT_NOT_EXECUTABLE if found else EXIT_NOT_FOUND,
        )

    def _call_name(self, index: int) -> str:
        instructions = [instruction for process in self._plan.program.processes for instruction in process]
        return instructions[index].number.name

    def _died(self) -> SetupError:
        status: int | None = None
        for _, pidfd in self._processes.values():
            status = reap(pidfd)
            os.close(pidfd)
        self._processes.clear()
        told = "unknown" if status is None else status
        return SetupError(
            plugin="core",
            stage="child",
            attempted="set up the container",
            reason=f"its process ended with status {told} before the command was reached",
        )

    def _error(
        self, planned: PlannedStep, code: int, reason: str = "", call: str = "", remedy: str = "", path: str = ""
    ) -> SetupError:
        described = planned.describe()
        # A step that knows what to do about it knows why.
        cause, advice = ("", remedy) if remedy else self._explained(planned, code, call, path)
        return SetupError(
            plugin=planned.plugin,
            stage=planned.step.stage.name,
            attempted=f"{described} [{call}]" if call else described,
            number=code,
            reason=reason,
            cause=cause,
            remedy=advice,
        )

    def _explained(self, planned: PlannedStep, code: int, call: str = "", path: str = "") -> Cause:
        from haconiwa_core.runtime.cause import Failure, explained

        first = (int(self._values["first"]), int(self._values["first-started"])) if "first" in self._values else None
        return explained(Failure(self._plan, planned, code, call, path, first))

    def _close_descriptors(self) -> None:
        """Close what PREPARE has opened; the child has its own copies."""
        opened = {planned.step.into.name for planned in self._plan.host_steps(Stage.PREPARE) if planned.step.into}
        for name in opened - self._given:
            descriptor = self._values.pop(name, None)
            if isinstance(descriptor, int) and descriptor > 2:
                os.close(descriptor)

    def _reap_intermediates(self) -> None:
        for index in range(self._reaped, self._last_process):
            _, pidfd = self._processes.pop(index)
            reap(pidfd)
            os.close(pidfd)
        self._reaped = self._last_process
