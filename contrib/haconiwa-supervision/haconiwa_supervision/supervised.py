"""One container in the hands of the supervisor: from its start to its last end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from signal import Signals
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from haconiwa_runtime.runs import MAX_OUTPUT, Attached, prepared
from haconiwa_runtime.updates import update

from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import with_values
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError, RecordError, SetupError
from haconiwa_core.feature import Feature
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.host import gather
from haconiwa_core.planning.baseline import STREAMS
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.processes import End
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Claim
from haconiwa_supervision import Ready, Supervision, notify
from haconiwa_supervision.answers import Answers
from haconiwa_supervision.hooks.calls import Outcome
from haconiwa_supervision.hooks.context import Executed
from haconiwa_supervision.hooks.firing import Firing
from haconiwa_supervision.monitoring import Monitoring
from haconiwa_supervision.readiness import NotReady, wait_until_ready
from haconiwa_supervision.state import State
from haconiwa_supervision.transport import Definition

if TYPE_CHECKING:
    from haconiwa_supervision.supervisor import Supervisor


class Supervised:
    """A container that the supervisor keeps.

    Args:
        house: the supervisor.
        claim: the instance's name, which is held until the container has ended for good.
        definition: what it is made of.
        state: what is known of it.
        bound: it ends with its caller, and is forgotten then.
    """

    def __init__(self, house: Supervisor, claim: Claim, definition: Definition, state: State, *, bound: bool) -> None:
        self.house = house
        self.claim = claim
        self.name = claim.name
        self.definition = definition
        self.container: Container = definition.container
        self.state = state
        self.bound = bound
        self.running: Running | None = None
        self.end: End | None = None
        self.reason = ""
        """Why it is being stopped or has failed, for events."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._wish: Literal["", "stop", "restart"] = ""
        self._started_again: asyncio.Future[None] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._log_is_kept = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.finished: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.notified = asyncio.Event()
        """It has told that it is ready, by sd_notify(3)."""
        self.firing = Firing(self, self.container.hooks, self._tasks)
        self.monitoring = Monitoring(self)
        self._answers = Answers(self)

    @property
    def policy(self) -> Supervision:
        """How it is kept."""
        section = self.container.feature(Supervision.section)
        return section if isinstance(section, Supervision) else _DEFAULT

    @property
    def pid(self) -> int:
        """Of its first process; 0 while there is none."""
        return self.running.pid if self.running and self.end is None else 0

    @property
    def status(self) -> str:
        """What it does, in one word."""
        if self.finished.done():
            return "exited"
        if self._waiting:
            return "restarting"
        if self.running is None:
            return "starting"
        if self.end is not None:
            return "exited"
        return "stopping" if self._wish else "running"

    # Its start.

    async def begin(self, streams: Mapping[str, int]) -> None:
        """Plan and start it; the arguments and errors are those of `start`."""
        plan = partial(self.house.plans.plan, self.definition, self.claim.directory)
        await self.start(await self.house.work(plan), streams)

    async def start(self, plan: Plan, streams: Mapping[str, int]) -> None:
        """Start it, for the first time or again.

        Args:
            plan: of a start.
            streams: descriptors for the standard streams that are inherited.

        Raises:
            SetupError: a step has failed, or a hook vetoes; what was done is undone, but the name is held.
        """
        self.firing = Firing(self, plan.hooks, self._tasks)
        self.end, self.running, self.reason = None, None, ""
        self._ended.clear()
        self.notified.clear()
        if self.ready.done():
            self.ready = asyncio.get_running_loop().create_future()
        kept: dict[str, int] = {}
        try:
            await self.firing.fire("before_start")
            self.monitoring, self.state.seen = Monitoring(self), {}
            if self.policy.ready and self.policy.ready.notify:
                self.monitoring.listen(notify.bound(self.claim.directory))
            kept = await self._log_streams(plan)
            running = await self.house.start_in_thread(partial(self._start, plan, {**streams, **kept}))
        except (SetupError, RecordError) as error:
            self.monitoring.end()
            self.reason = str(error)
            self.emit("failed", reason=self.reason)
            await self._fire_quietly("after_failure")
            raise
        finally:
            for descriptor in kept.values():
                os.close(descriptor)
        self._has_started(running)
        if self._log_is_kept:
            await self._or_tell(self.house.keeper.add_pidfd(self.name, running.pidfd))

    def _start(self, plan: Plan, streams: Mapping[str, int]) -> Running:
        launcher = self.house.launcher(self.state.launcher)
        return start(
            plan,
            self.claim,
            streams,
            launcher=launcher,
            orphan="end" if self.bound else "keep",
            moment=self._moment,
            again=self.state.restarts > 0,
        )

    def _moment(self, event: str, pid: int) -> None:
        """Run the hooks of an event of the start, in whose thread this is called; the child waits meanwhile."""
        if self.firing.listens_to(event):
            hooks = self.firing.fire(event, pid=pid)
            asyncio.run_coroutine_threadsafe(hooks, self.house.loop).result()

    async def _log_streams(self, plan: Plan) -> dict[str, int]:
        self._log_is_kept = "log" in (plan.container.stdout, plan.container.stderr)
        if not self._log_is_kept:
            return {}
        size = _bytes(self.policy.log_size)
        out, err = await self.house.keeper.keep(self.name, self.claim.directory, size, self.policy.log_files)
        return {"kept-stdout": out, "kept-stderr": err}

    def _has_started(self, running: Running) -> None:
        self.running = running
        self.state.started, self.state.ready = monotonic(), None
        self.firing.disarm()
        self.emit("started", pid=running.pid, restarts=self.state.restarts)
        self.house.keep_timings(self)
        self._watch()
        self._soon(self._become_ready(fire_start=True))

    def adopt(self, running: Running, plan: Plan, *, log_is_kept: bool) -> None:
        """Go on with one that a former supervisor has started; the plan is of a start."""
        self._log_is_kept = log_is_kept
        self.running = running
        self.firing = Firing(self, plan.hooks, self._tasks)
        self.emit("adopted", pid=running.pid)
        self._watch()
        if self.state.ready is None:
            self._soon(self._become_ready(fire_start=False))
        else:
            self.ready.set_result(None)
            self.firing.arm(ready=True)

    def _watch(self) -> None:
        assert self.running is not None
        self.note()
        self.firing.arm(ready=False)
        self._soon(self.monitoring.begin())
        if self.running.pidfd < 0:
            self._soon(self._finish_life())
        else:
            self.house.loop.add_reader(self.running.pidfd, self._pidfd_is_readable)

    async def _become_ready(self, *, fire_start: bool) -> None:
        if fire_start:
            await self._fire_quietly("after_start")
        wanted = self.policy.ready
        if wanted:
            try:
                await self._await_readiness(wanted)
            except NotReady as error:
                self.reason = str(error)
                if not self._ended.is_set():
                    self.emit("not ready", reason=self.reason)
                    await self.kill()
                return
        if self._ended.is_set() and wanted:
            return
        self.state.ready = monotonic()
        self.emit("ready", seconds=round(self.state.ready - self.state.started, 6))
        self.note()
        if not self.ready.done():
            self.ready.set_result(None)
        self.firing.arm(ready=True)
        await self._fire_quietly("after_ready")

    async def _await_readiness(self, wanted: Ready) -> None:
        await wait_until_ready(wanted, _Subject(self))

    # Its end.

    def _pidfd_is_readable(self) -> None:
        assert self.running is not None
        self.house.loop.remove_reader(self.running.pidfd)
        self._soon(self._finish_life())

    async def _finish_life(self) -> None:
        """Reap it, run the hooks of its end, clean up, and start it again where that is its policy."""
        assert self.running is not None
        running = self.running
        self.firing.pause()
        self.monitoring.end()
        self._ended.set()
        end = await self.house.work(running.await_end)
        self.end = end
        if not self.ready.done():
            self.ready.set_exception(
                HaconiwaError(f"the container {self.name} has ended before it was ready; {self.reason}".rstrip("; "))
            )
            self.ready.exception()  # Nobody may wait for it.
        if self._log_is_kept:
            await self._or_tell(self.house.keeper.flush(self.name))
        self.emit("exited", exit_status=end.exit_status, reason=end.reason, why=self.reason)
        await self._fire_quietly("after_exit")
        if end.exit_status != 0:
            await self._fire_quietly("after_failure")
        if self._log_is_kept:
            await self._or_tell(self.house.keeper.forget(self.name))
        held = True
        try:
            await self.house.work(running.clean_up)
        except SetupError as error:
            held = False
            self.emit("not cleaned up", reason=str(error))
        await self._fire_quietly("teardown")
        self.firing.disarm()
        delay = self._restart_delay(end) if held else None
        if delay is None:
            self._finish(end, held=held)
        else:
            self._wait(delay)

    def _restart_delay(self, end: End) -> float | None:
        """Return after how many seconds it is started again; None where it is not."""
        policy = self.policy
        wanted = policy.restart == "always" or (policy.restart == "on-failure" and end.exit_status != 0)
        if self._wish == "stop":
            return None
        if self._wish == "restart":
            self._wish, self.state.in_a_row = "", 0
            return 0.0
        if not wanted:
            return None
        if monotonic() - self.state.started >= policy.restart_reset:
            self.state.in_a_row = 0
        if 0 < policy.restart_limit <= self.state.in_a_row:
            self.emit("given up", reason=f"it was started again {self.state.in_a_row} times in a row")
            return None
        self.state.in_a_row += 1
        growing = policy.restart_delay * 2.0 ** min(self.state.in_a_row - 1, 60)
        return min(growing, policy.restart_delay_most)

    def _wait(self, delay: float) -> None:
        self.state.restarts += 1
        self.emit("restarting", seconds=delay)
        self.state.waits_until = monotonic() + delay
        self.note()
        self._waiting = self.house.loop.call_later(delay, lambda: self._soon(self._start_again()))

    def wait_again(self) -> None:
        """Go on to wait for a restart that a former supervisor has put off."""
        delay = max(0.0, (self.state.waits_until or 0.0) - monotonic())
        self._waiting = self.house.loop.call_later(delay, lambda: self._soon(self._start_again()))

    async def _start_again(self) -> None:
        self._waiting, self.state.waits_until = None, None
        try:
            await self.begin({})
        except HaconiwaError as error:
            self.emit("failed", reason=str(error))
            delay = self._restart_delay(_FAILED)
            if self._started_again and not self._started_again.done():
                self._started_again.set_exception(error)
            if delay is None:
                self._finish(_FAILED, held=True)
            else:
                self._wait(delay)
        else:
            if self._started_again and not self._started_again.done():
                self._started_again.set_result(None)

    def _finish(self, end: End, *, held: bool) -> None:
        """Let go of it for good."""
        if held and self.state.remove:
            self.claim.remove()
            self.emit("removed")
        else:
            self.claim.release()
        if not self.finished.done():
            self.finished.set_result(end)
        self.house.has_finished(self)

    def give_up(self) -> None:
        """Let go of one whose first start has failed: nothing is left of it."""
        if self.claim.fileno() >= 0:
            self.claim.remove()
        if not self.finished.done():
            self.finished.set_result(_FAILED)
        self.house.has_finished(self)

    def leave(self) -> None:
        """Leave it as it is, to the next supervisor."""
        self.firing.pause()
        self.monitoring.leave()
        if self._waiting:
            self._waiting.cancel()
        if self.running and self.end is None and self.running.pidfd >= 0:
            self.house.loop.remove_reader(self.running.pidfd)
        self.claim.release()

    # What may be asked of it while it runs.

    async def stop(self, timeout: float | None = None, reason: str = "") -> End:
        """End it, and do not start it again.

        Args:
            timeout: seconds until all of it is killed; its own by default.
            reason: for events.
        """
        asked = bool(self._wish)
        self._wish = "stop"
        self.reason = self.reason or reason
        if self._waiting:
            self._stop_waiting()
            self._finish(self.end or _FAILED, held=True)
        elif not asked:
            await self._ask_to_end(timeout)
        elif timeout is not None and not await self._ends_within(timeout):
            await self.kill()
        return await asyncio.shield(self.finished)

    async def restart(self, timeout: float | None = None) -> None:
        """End it, and start it again at once; the arguments are those of `stop`.

        Raises:
            HaconiwaError: it is being stopped, or could not be started again.
        """
        if self._wish or self.finished.done():
            raise HaconiwaError(f"the container {self.name} is {self.status}")
        self._started_again = self.house.loop.create_future()
        if self._waiting:
            self._stop_waiting()
            self._soon(self._start_again())
        else:
            self._wish = "restart"
            await self._ask_to_end(timeout)
        await self._started_again

    async def _ask_to_end(self, timeout: float | None) -> None:
        if self.running is None or self._ended.is_set():
            return
        self.emit("stopping", reason=self.reason)
        await self._fire_quietly("before_stop")
        self.signal(self.policy.stop_signal)
        if not await self._ends_within(self.policy.stop_timeout if timeout is None else timeout):
            await self.kill()

    async def _ends_within(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def _stop_waiting(self) -> None:
        assert self._waiting is not None
        self._waiting.cancel()
        self._waiting, self.state.waits_until = None, None

    def retire(self) -> None:
        """Let it not be started again when it ends."""
        self._wish = "stop"
        if self._waiting:
            self._stop_waiting()
            self._finish(self.end or _FAILED, held=True)

    def stop_soon(self, reason: str, timeout: float | None = None) -> None:
        """Begin to stop it; the arguments are those of `stop`."""
        self._soon(self.stop(timeout, reason))

    def restart_soon(self) -> None:
        """Begin to restart it, unless it is being stopped."""
        if not self._wish and not self.finished.done():
            self._soon(self.restart())

    async def kill(self) -> None:
        """Kill all of it."""
        if self.running and not self._ended.is_set():
            await self.house.work(self.running.kill)

    def signal(self, name: str) -> None:
        """Send a signal to its first process; nothing happens when it has ended."""
        if self.running and not self._ended.is_set() and self.running.pidfd >= 0:
            self.running.send_signal(Signals[name].value)

    async def run_hook(self, hook: Hook, facts: Mapping[str, Any]) -> Outcome:
        """Run a hook in a process of its own."""
        worker = self.house.worker_of(self)
        told = {**self.facts(), **facts}
        return await worker.call(self.definition.container.name, hook, told, partial(self._answers.answer, hook))

    def facts(self) -> dict[str, Any]:
        """Return what a hook is told of it."""
        return {
            "name": self.name,
            "pid": self.pid,
            "started": self.first.started if self.pid else 0,
            "state": self.status,
            "ready": self.state.ready is not None,
            "sections": [feature.section for feature in self.container.features],
            "exit_status": self.end.exit_status if self.end else None,
            "reason": self.end.reason if self.end else self.reason,
        }

    def section(self, name: str) -> Feature | None:
        """Return a section of the definition that is in force."""
        return self.container.feature(name)

    @property
    def first(self) -> Process:
        """Its first process, which runs."""
        assert self.running is not None
        child = self.running.record.child
        assert child is not None
        return child

    async def execute(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        input: bytes | None = None,
        timeout: float | None = None,
    ) -> Executed:
        """Run a command in it, confined as its first process is, until that has ended.

        Args:
            command: the program and its arguments.
            env: added to the definition's environment.
            workdir: absolute path inside; the definition's by default.
            input: what its standard input holds.
            timeout: seconds until it is killed.

        Raises:
            HaconiwaError: it cannot be executed.
        """
        streams: dict[str, Any] = dict.fromkeys(STREAMS, "inherit")
        entering = replace(
            self.container,
            command=command,
            env={**self.container.env, **(env or {})},
            workdir=workdir or self.container.workdir,
            **streams,
        )
        self.firing.fire_soon("after_attach", command=list(command))
        return await self.house.work(partial(self._execute, entering, input, timeout))

    def _execute(self, container: Container, input: bytes | None, timeout: float | None) -> Executed:
        with (run := prepared(container, self._enter, input, timeout, MAX_OUTPUT)) as exchange:
            while not exchange.step():
                pass
        result = run.result(check=False)
        return Executed(result.exit_status, result.stdout, result.stderr, result.reason == "output-limit")

    def _enter(self, container: Container, streams: Mapping[str, int]) -> Attached:
        planned = self.house.plans.attach(container, self.container)
        launcher = self.house.launcher(self.state.launcher)
        return Attached(attach(planned, self.name, self.first, streams, launcher))

    async def update(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Change options of its features while it runs, or leave all as it was.

        Args:
            sections: new values of options by section.

        Raises:
            DefinitionError: it would be wrong, or an option cannot change in a running container.
            SetupError: the kernel refuses; what was changed before is taken back.
        """
        plugins = self.house.plans.plugins
        await self.change(lambda container: with_values(container, sections, plugins))

    async def change(self, change: Callable[[Container], Container]) -> None:
        """Change it to another definition; errors are those of `update`.

        Args:
            change: gives the new definition for the one that is in force.
        """

        def changed() -> Container:
            with self.house.plans.lock:
                return update(self.house.store, self.name, change, gather(), self.house.plans.plugins)

        container = await self.house.work(changed)
        self.container = replace(container, hooks=self.container.hooks).at(self.container.place)
        self.emit("updated")
        self.firing.fire_soon("after_update")

    def told(self) -> dict[str, Any]:
        """Return what `haconiwa inspect` shows of it."""
        return {
            "status": self.status,
            "ready": self.state.ready is not None,
            "restarts": self.state.restarts,
            "hooks": {hook.name: asdict(self.state.hook(hook.name)) for hook in self.firing.hooks},
            "store": self.state.store,
        }

    def note(self) -> None:
        """Write the state beside the record, as long as the name is held."""
        if self.claim.fileno() < 0:
            return
        self.state.write(self.claim.directory)

    def emit(self, event: str, **more: Any) -> None:
        """Tell an event of it."""
        self.house.events.emit(event, self.name, **more)

    async def _or_tell(self, work: Awaitable[None]) -> None:
        """Await what must not keep the container from its end: what is wrong with it is told."""
        try:
            await work
        except HaconiwaError as error:
            self.house.fault(self.name, error)

    async def _fire_quietly(self, event: str) -> None:
        """Run hooks none of which can veto."""
        if self.firing.listens_to(event):
            await self.firing.fire(event)

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.house.fault(self.name, error)


class _Subject:
    """A container that is waited for until it is ready; see `readiness.Subject`."""

    def __init__(self, container: Supervised) -> None:
        assert container.running is not None
        self._container = container
        self.name = container.name
        self.pid, self.pidfd = container.running.pid, container.running.pidfd
        self.started = container.first.started
        self.group = container.running.record.group
        self.notified = container.notified

    async def run(self, command: Sequence[str]) -> int:
        executed = await self._container.execute(command)
        return EXIT_SETUP if executed.exit_status is None else executed.exit_status


_DEFAULT = Supervision()
_FAILED = End(None, "failed", None)
_UNITS = {"K": 10, "M": 20, "G": 30}


def _bytes(size: int | str) -> int:
    """Return a size as a number."""
    return size if isinstance(size, int) else int(size[:-1]) << _UNITS[size[-1]]
