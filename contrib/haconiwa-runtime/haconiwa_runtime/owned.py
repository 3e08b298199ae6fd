"""Containers that a `Runtime` has set up or started: looked at, entered, signalled, ended, forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from signal import SIGKILL, SIGTERM
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from haconiwa_core.container import Container
from haconiwa_core.errors import RecordError, SetupError
from haconiwa_core.planning.baseline import STREAMS
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.processes import End, is_readable
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import Created
from haconiwa_core.runtime.timings import Span
from haconiwa_runtime.logs import read_log
from haconiwa_runtime.runs import MAX_OUTPUT, Attached, Result, Run, prepared
from haconiwa_runtime.timings import read_timings

if TYPE_CHECKING:
    from haconiwa_core.isolation.rows import Isolation
    from haconiwa_runtime.runtime import Runtime


class CreatedContainer:
    """A container that `Runtime.create` has set up; its command waits.

    It belongs to this process, and ends with it.
    """

    def __init__(self, created: Created, runtime: Runtime, container: Container) -> None:
        self._created = created
        self._runtime = runtime
        self._container = container
        self._lock = Lock()
        self.name = created.name
        self.pid = created.pid
        """Of the first process, on the host."""

    def start(self) -> RunningContainer:
        """Let the command be executed.

        Raises:
            SetupError: it cannot be; nothing is left of the container.
            RecordError: it was started or removed before.
        """
        with self._lock:
            if self not in self._runtime._created:
                raise RecordError(f"the container {self.name} was started or removed before")
            self._runtime._created.discard(self)
            return self._runtime._keep(self._created.start(), self._container)

    def remove(self) -> None:
        """End it and forget it; nothing happens to one that was started.

        Raises:
            SetupError: something that it left on the host could not be removed.
        """
        with self._lock:
            if self not in self._runtime._created:
                return
            self._runtime._created.discard(self)
            if failures := self._created.abandon():
                raise SetupError(
                    plugin="core", stage="cleanup", attempted=f"clean up after {self.name}", reason="; ".join(failures)
                )


class RunningContainer:
    """A container that `Runtime.start` has started. Safe from several threads.

    It belongs to this process: in a forked copy its methods raise RecordError.
    """

    def __init__(
        self, running: Running, runtime: Runtime, container: Container, isolation: Isolation | None = None
    ) -> None:
        self._running = running
        self.isolation = isolation
        """What the kernel said before its command was executed; None unless it was asked for."""
        self._runtime = runtime
        self._owners = runtime._containers
        self._container = container
        self._first = Process.of(running.pid)
        self._process = os.getpid()
        self._lock = Lock()
        self._finishing = Lock()
        self._ended = False
        self.name = running.name
        self.pid = running.pid
        """Of the first process, on the host."""

    @property
    def state(self) -> Literal["running", "exited"]:
        """Whether the first process has ended."""
        with self._watched() as descriptor:
            return "exited" if is_readable(descriptor, 0) else "running"

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, clean up, and return the exit status; see `Result.exit_status`.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            TimeoutError: it still runs.
            SetupError: something that it left on the host could not be removed.
        """
        with self._watched() as descriptor:
            if not is_readable(descriptor, timeout):
                raise self._still_runs(timeout)
        return self._finish().exit_status

    def stop(self, timeout: float = 10.0) -> int | None:
        """Ask it to end with SIGTERM, kill all of it if it does not, and return the exit status.

        Args:
            timeout: seconds between the two.

        Raises:
            SetupError: as `wait`.
        """
        self.kill(SIGTERM)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.kill()
            return self.wait()

    def kill(self, signal: int = SIGKILL) -> None:
        """Send a signal to the first process, SIGKILL to all of it; nothing happens when it has ended.

        Args:
            signal: its number.
        """
        self._check_process()
        with self._lock:
            if self._ended:
                return
            if signal == SIGKILL:
                self._running.kill()
            else:
                self._running.send_signal(signal)

    def exec(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = False,
        max_output: int = MAX_OUTPUT,
    ) -> Result:
        """Run a command in it, confined as its first process is, until that has ended.

        Args:
            command: the program and its arguments.
            env: added to the definition's environment.
            workdir: absolute path inside; the definition's by default.
            input: as for `Runtime.run`; so are `timeout`, `check` and `max_output`, which are about the
                command, not the container.
            timeout: seconds.
            check: raise an error unless the exit status is 0.
            max_output: bytes kept of each stream.

        Raises:
            DefinitionError: it cannot be planned.
            SetupError: it could not be set up, as when the container has ended, or the command not executed.
            HaconiwaError: its supervisor could not be told, whose hooks wait for that; the command was killed.
            PayloadError: with `check`, the exit status is not 0; it holds the result.
        """
        with (run := self._exec(command, env, workdir, input, timeout, max_output)) as exchange:
            while not exchange.step():
                pass
        return run.result(check)

    def _exec(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None,
        workdir: str | None,
        input: bytes | None,
        timeout: float | None,
        max_output: int,
    ) -> Run:
        self._check_process()
        streams: dict[str, Any] = dict.fromkeys(STREAMS, "inherit")
        entering = replace(
            self._container,
            command=command,
            env={**self._container.env, **(env or {})},
            workdir=workdir or self._container.workdir,
            terminal=False,
            **streams,
        )
        return prepared(entering, self._enter, input, timeout, max_output)

    def _enter(self, container: Container, streams: Mapping[str, int]) -> Attached:
        planned = self._runtime._planned(container, "attach", running=self._container)
        attached = Attached(attach(planned, self.name, self._first, streams, self._runtime._launcher))
        try:
            self._running.has_attached(container.command)
        except BaseException:
            attached.kill()
            attached._finish(remove=False)
            raise
        return attached

    def update(self, **sections: Mapping[str, Any]) -> None:
        """Change options of its features while it runs, or leave all as it was.

        Args:
            sections: new values of options by section, "-" written as "_": `update(cgroup={"memory": "512M"})`.

        Raises:
            DefinitionError: it would be wrong, or an option cannot change in a running container.
            SetupError: the kernel refuses; what was changed before is taken back.
            HaconiwaError: it has ended.
        """
        self._check_process()
        self._container = self._runtime._update(self.name, sections)

    @property
    def terminal(self) -> int:
        """The master of its terminal: a descriptor that is read and written, and closed when it has ended (pty(7)).

        A container whose output nobody reads there waits, as it does with a pipe.

        Raises:
            RecordError: it has no terminal, its supervisor keeps that, or it has ended.
        """
        self._check_process()
        if not self._container.terminal:
            raise RecordError(f"the container {self.name} has no terminal: Container(..., terminal=True) gives it one")
        if self._running.terminal is None:
            where = "has ended" if self._ended else f"is kept by its supervisor: use `haconiwa attach {self.name}`"
            raise RecordError(f"the terminal of the container {self.name} {where}")
        return self._running.terminal

    def logs(self) -> bytes:
        """Return what it has written to its log so far; nothing if its streams lead elsewhere.

        Raises:
            RecordError: it was removed, and its log with it.
        """
        self._check_process()
        if self not in self._owners:
            raise RecordError(f"the container {self.name} was removed, and its log with it")
        return read_log(self._running.log.parent)

    @property
    def timings(self) -> tuple[Span, ...]:
        """How long each part of its last start has taken.

        Raises:
            RecordError: it was removed, and its timings with it.
        """
        self._check_process()
        # Until they are written beside the record.
        timeline = self._running.timeline
        return timeline.spans() if timeline else read_timings(self._runtime._store, self.name)

    def remove(self) -> None:
        """Kill it if it still runs, and forget its record and its log; the name can be used again.

        Raises:
            SetupError: as `wait`.
        """
        self.kill()
        self._finish(remove=True)

    @contextmanager
    def _watched(self) -> Iterator[int]:
        """Give a descriptor that is readable once the first process has ended.

        A copy: another thread may see the end first, and the number may come to mean another file.
        """
        self._check_process()
        with self._lock:
            descriptor = os.eventfd(1) if self._ended else os.dup(self._running.pidfd)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _still_runs(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(f"the container {self.name} still runs after {timeout} s")

    def _finish(self, *, remove: bool = False) -> End:
        """Wait for the end, and clean up if that is still to be done."""
        # Cleaning up takes its time: who looks at the state does not wait for it.
        with self._finishing:
            end = self._running.end
            if end is None:
                is_readable(self._running.pidfd)
                with self._lock:
                    self._ended = True
                if self._running.terminal is not None:
                    os.close(self._running.terminal)
                    self._running.terminal = None
                try:
                    end = self._running.finish(remove=remove)
                except SetupError:
                    self._owners.discard(self)  # The record is left to `haconiwa gc`.
                    raise
            elif remove and self in self._owners:
                self._running.remove()
            if remove:
                self._owners.discard(self)
            return end

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise RecordError(f"the container {self.name} belongs to the process {self._process}")
