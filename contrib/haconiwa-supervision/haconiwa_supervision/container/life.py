"""One life of a container: from its start until it has ended, and all that it left on the host is removed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from signal import Signals, pidfd_send_signal
from socket import socket
from time import monotonic
from typing import TYPE_CHECKING

from haconiwa_runtime.terminal.spawning import give_to_broker, size_asked_by, tell_status
from haconiwa_runtime.waiting import within

from haconiwa_core import linux
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError, RecordError, SetupError
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.processes import UNKNOWN, End, kill_all
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import ASKED_NAME, CHANGES_NAME, KILLED_NAME, note_asked
from haconiwa_core.runtime.supervisor import TERMINAL
from haconiwa_supervision import Ready
from haconiwa_supervision.container.executing import execute
from haconiwa_supervision.container.monitoring import Monitoring
from haconiwa_supervision.hooks.firing import Firing
from haconiwa_supervision.readiness import NotReadyError, notify, wait_until_ready

if TYPE_CHECKING:
    from haconiwa_supervision.container.supervised import Supervised

_UNITS = {"K": 10, "M": 20, "G": 30}


class Life:
    """A start of a container, and what follows from it. Hooks of its events run one after the other.

    Args:
        container: whose life it is.
        hooks: of the container; those of its plugins come with the plan.

    Attributes:
        child: the first process, from when it exists, before its command is executed, until it has ended.
        running: None until the command has been executed.
        end: None until it has ended and was reaped.
        reason: why it is being stopped or has failed, for events; "" where nobody knows.
        ready: done when it is ready, or cannot become that any more.
        notified: it has told that it is ready, by sd_notify(3).
    """

    def __init__(self, container: Supervised, hooks: Sequence[Hook]) -> None:
        self._container = container
        self._supervisor = container.supervisor
        self.child: Process | None = None
        self.running: Running | None = None
        self.end: End | None = None
        self.reason = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.notified = asyncio.Event()
        self.firing = Firing(container, hooks)
        self.monitoring = Monitoring(container)
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._killing = asyncio.Lock()
        self._is_stopping = False
        self._held: dict[str, int] = {}
        self._broker: socket | None = None

    @property
    def runs(self) -> bool:
        """Whether its command has been executed, and its first process has not ended."""
        return self.running is not None and not self._ended.is_set()

    # Its start.

    async def start(self, plan: Plan, streams: Mapping[str, int]) -> None:
        """Start it.

        Args:
            plan: of the start.
            streams: descriptors for the standard streams that are inherited.

        Raises:
            SetupError: a step has failed, or a hook vetoes; what was done is undone.
        """
        self.firing.hooks = plan.hooks
        self.firing.disarm()
        state = self._container.state
        state.started, state.ready, state.seen = monotonic(), None, {}
        # Who comes after a crash finds what to go on with.
        self._container.note()
        try:
            # What was changed in a former life, and asked of it, is not about this one.
            for name in (CHANGES_NAME, ASKED_NAME, KILLED_NAME):
                (self._container.claim.directory / name).unlink(missing_ok=True)
            await self.firing.fire("before_start")
            self.running = await self._started(plan, streams)
        except Exception as error:
            self.child = None
            self.monitoring.end()
            await self._container.or_fault(self._supervisor.keeper.forget(self._container.name))
            await self.fail(error)
            raise
        self._begun.set()
        state.started = monotonic()
        self._container.emit("started", pid=self.running.pid, restarts=state.restarts)
        await self._container.or_fault(self._supervisor.keeper.hold(self._container.name, self._held))

    async def _started(self, plan: Plan, streams: Mapping[str, int]) -> Running:
        kept: dict[str, int] = {}
        try:
            try:
                if self._wanted_readiness and self._wanted_readiness.notify:
                    self._listen(notify.bound(self._container.claim.directory))
                kept = await self._log_streams(plan)
            except OSError as error:
                number, reason = error.errno or 0, error.strerror or str(error)
                attempted = "open its log, and the socket for its messages"
                raise SetupError(
                    plugin="supervision", stage="PREPARE", attempted=attempted, number=number, reason=reason
                ) from error
            running = await self._supervisor.start_in_thread(partial(self._start, plan, {**streams, **kept}))
            # How it has ended is asked of this, if it ends while there is no supervisor.
            self._held["pidfd"] = running.pidfd
            return running
        finally:
            for descriptor in kept.values():
                os.close(descriptor)

    def _start(self, plan: Plan, streams: Mapping[str, int]) -> Running:
        state = self._container.state
        first = streams.get(TERMINAL)
        running = start(
            plan,
            self._container.claim,
            {stream: descriptor for stream, descriptor in streams.items() if stream != TERMINAL},
            launcher=self._supervisor.launcher(state.launcher),
            orphan="end" if state.caller else "keep",
            moment=self._moment,
            again=state.restarts > 0,
            size=(0, 0) if first is None else size_asked_by(first),
        )
        if running.terminal is not None:
            policy = self._container.policy
            size, files = _bytes(policy.log_size), policy.log_files
            try:
                self._broker = give_to_broker(running, self._container.claim.directory, first, size, files)
            except BaseException:
                running.kill()
                running.finish(remove=not state.restarts)
                raise
        try:
            running.keep_timings()
        except RecordError as error:
            self._supervisor.loop.call_soon_threadsafe(self._supervisor.fault, self._container.name, error)
        return running

    def _moment(self, event: str, pid: int) -> None:
        """Run the hooks of an event of the start, in whose thread this is called; the child waits meanwhile."""
        if pid:
            self.child = Process.of(pid)
        if self.firing.listens_to(event):
            asyncio.run_coroutine_threadsafe(self.firing.fire(event), self._supervisor.loop).result()

    async def _log_streams(self, plan: Plan) -> dict[str, int]:
        if plan.container.terminal or "log" not in (plan.container.stdout, plan.container.stderr):
            return {}
        container, policy = self._container, self._container.policy
        size = _bytes(policy.log_size)
        out, err = await self._supervisor.keeper.keep(container.name, container.claim.directory, size, policy.log_files)
        return {"kept-stdout": out, "kept-stderr": err}

    async def fail(self, error: Exception) -> None:
        """Tell that it could not be started, and run the hooks of that."""
        self._begun.set()
        self.reason = str(error)
        self._container.emit("failed", reason=self.reason)
        if not isinstance(error, HaconiwaError):
            self._supervisor.fault(self._container.name, error)
        await self._fire("after_failure")
        await self._fire("teardown")

    def _listen(self, messages: socket) -> None:
        self._held["notify"] = messages.fileno()
        self.monitoring.listen(messages)

    def adopt(self, running: Running, messages: socket | None) -> None:
        """Take what a former supervisor has started, and which may have ended since.

        Args:
            running: it.
            messages: the socket of its messages, if it has one.
        """
        self.running, self.child = running, running.record.child
        if messages:
            self._listen(messages)
        self._begun.set()

    # What follows.

    async def live(self, *, adopted: bool = False) -> bool:
        """Be with it until it has ended, and clean up; return whether nothing of it is left.

        Nothing that goes wrong on the way keeps it from its end.

        Args:
            adopted: a former supervisor has begun with that.
        """
        container, running = self._container, self.running
        assert running is not None
        if running.pidfd < 0:
            self._ended.set()
        else:
            self._supervisor.loop.add_reader(running.pidfd, self._pidfd_is_readable)
        self.firing.arm(ready=False)
        container.tasks.begin(self.monitoring.begin())
        starting = container.tasks.begin(self._become_ready(adopted=adopted))
        await self._ended.wait()
        await self._reap(running)
        # The hooks of its end do not overtake the others.
        await asyncio.wait([starting, *self.firing.events])
        return await self._end_of(running)

    def _pidfd_is_readable(self) -> None:
        assert self.running is not None
        self._supervisor.loop.remove_reader(self.running.pidfd)
        self._ended.set()

    async def _become_ready(self, *, adopted: bool) -> None:
        container, state = self._container, self._container.state
        if adopted and state.ready is not None:
            self.ready.set_result(None)
            self.firing.arm(ready=True)
            return
        if not adopted:
            await self._fire("after_start")
        if self._wanted_readiness:
            try:
                await wait_until_ready(self._wanted_readiness, _Subject(container, self))
            except (HaconiwaError, OSError) as error:
                self._does_not_become_ready(error)
                if not self._ended.is_set():
                    container.emit("not ready", reason=self.reason)
                    await self.kill()
                return
        state.ready = monotonic()
        container.emit("ready", seconds=round(state.ready - state.started, 6))
        container.note()
        self.ready.set_result(None)
        if not self._ended.is_set():
            self.firing.arm(ready=True)
        await self._fire("after_ready")

    def _does_not_become_ready(self, error: HaconiwaError | OSError) -> None:
        self.reason = self.reason or str(error)
        self.ready.set_exception(HaconiwaError(str(error)))
        self.ready.exception()  # Nobody may wait for it.

    async def _reap(self, running: Running) -> None:
        self.firing.pause()
        try:
            self.monitoring.end()
        except OSError as error:
            self._supervisor.fault(self._container.name, error)
        self.end = await self._container.or_fault(self._supervisor.work(running.await_end)) or UNKNOWN
        self.child = None

    async def _end_of(self, running: Running) -> bool:
        """Run the hooks of the end, and clean up; return whether nothing is left."""
        container, end = self._container, self.end
        assert end is not None
        keeper = self._supervisor.keeper
        await container.or_fault(keeper.flush(container.name))
        container.emit(
            "exited", exit_status=end.exit_status, reason=end.reason, certainty=end.certainty, why=self.reason
        )
        await self._fire("after_exit")
        if end.exit_status != 0:
            await self._fire("after_failure")
        await container.or_fault(keeper.forget(container.name))
        is_clean = True
        try:
            # Who is still about to kill it must not meet the next life.
            async with self._killing:
                await self._supervisor.work(running.clean_up)
        except HaconiwaError as error:
            is_clean = False
            container.emit("not cleaned up", reason=str(error))
        await self.conclude()
        return is_clean

    async def conclude(self) -> None:
        """Run the hooks that come last; its timers begin anew in the next life."""
        await self._fire("teardown")
        self.firing.disarm()

    async def _fire(self, event: str) -> None:
        """Run the hooks of an event at which nobody can veto."""
        if self.firing.listens_to(event):
            await self._container.or_fault(self.firing.fire(event))

    # What may be asked of it.

    async def stop(self, timeout: float | None) -> None:
        """Ask it to end when it has begun, and kill all of it if it does not.

        Args:
            timeout: seconds between the two; by default as its policy says, or as who has asked before has said.
        """
        await self._begun.wait()
        if not self.runs:
            return
        if not self._is_stopping:
            self._container.emit("stopping", reason=self.reason)
            self._is_stopping = True
            if hooks := self.firing.fire_soon("before_stop"):
                await asyncio.wait([hooks])
            note_asked(self._container.claim.directory, Signals.SIGTERM)
            self.signal(Signals[self._container.policy.stop_signal])
            timeout = self._container.policy.stop_timeout if timeout is None else timeout
        if timeout is not None and not await self._ends_within(timeout):
            await self.kill()

    async def _ends_within(self, timeout: float) -> bool:
        with suppress(TimeoutError):
            await within(timeout, self._ended.wait())
        return self._ended.is_set()

    async def kill(self) -> None:
        """Kill all of it; nothing happens when it has ended."""
        async with self._killing:
            if self.runs:
                assert self.running is not None
                note_asked(self._container.claim.directory)
                # A copy: whoever reaps it closes the other.
                pidfd = os.dup(self.running.pidfd)
                await self._supervisor.work(partial(_kill, self.running.pid, pidfd, self.running.record.group))

    def signal(self, number: int) -> None:
        """Send a signal to its first process; nothing happens when it has ended."""
        if self.runs:
            assert self.running is not None
            with suppress(ProcessLookupError):
                pidfd_send_signal(self.running.pidfd, number)

    def tell_broker(self, end: End | None = None) -> None:
        """Tell the broker of its terminal how it has ended for good, or that another life follows with another one."""
        if self._broker:
            if end:
                tell_status(self._broker, end.exit_status)
            self._broker.close()
            self._broker = None

    def leave(self) -> None:
        """Leave it as it is, to the next supervisor."""
        self.firing.pause()
        self.monitoring.leave()
        if self.runs:
            assert self.running is not None
            self._supervisor.loop.remove_reader(self.running.pidfd)

    @property
    def _wanted_readiness(self) -> Ready | None:
        return self._container.policy.ready


class _Subject:
    """A container that is waited for until it is ready; see `readiness.Subject`."""

    def __init__(self, container: Supervised, life: Life) -> None:
        if not life.runs or life.running is None or life.child is None:
            raise NotReadyError(f"{container.name} has ended before it was ready")
        self._container = container
        self.name = container.name
        self.pid, self.pidfd, self.started = life.child.pid, life.running.pidfd, life.child.started
        self.group = life.running.record.group
        self.notified = life.notified

    async def run(self, command: Sequence[str]) -> int:
        executed = await execute(self._container, command)
        return EXIT_SETUP if executed.exit_status is None else executed.exit_status


def _kill(pid: int, pidfd: int, group: tuple[str, ...]) -> None:
    try:
        kill_all(pid, pidfd)
    finally:
        os.close(pidfd)
    if group:
        linux.kill_cgroup(*group)


def _bytes(size: int | str) -> int:
    """Return a size as a number."""
    return size if isinstance(size, int) else int(size[:-1]) << _UNITS[size[-1]]
