"""One container in the hands of the supervisor: one life after the other, and what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from haconiwa_runtime.updates import change_alone

from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import with_values
from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.feature import Feature
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.host import gather
from haconiwa_core.runtime.processes import SETUP_FAILED, End
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.store import Claim
from haconiwa_supervision import Supervision
from haconiwa_supervision.container.answers import Answers
from haconiwa_supervision.container.executing import execute
from haconiwa_supervision.container.life import Life
from haconiwa_supervision.container.lives import Lives
from haconiwa_supervision.hooks.calls import Outcome
from haconiwa_supervision.hooks.context import Executed
from haconiwa_supervision.hooks.firing import Firing
from haconiwa_supervision.state import FILE_NAME, State
from haconiwa_supervision.tasks import Tasks
from haconiwa_supervision.transport import Definition

if TYPE_CHECKING:
    from haconiwa_supervision.supervisor import Supervisor

T = TypeVar("T")


class Supervised:
    """A container that the supervisor keeps.

    Args:
        supervisor: who keeps it.
        claim: the instance's name, which is held until the container has ended for good.
        definition: what it is made of, and is started with the next time.
        state: what is known of it.

    Attributes:
        container: the definition that is in force: of the running container, with what was changed since its start.
        finished: done when it has ended for good.
        tasks: what it has begun.
        lives: one after the other.
    """

    def __init__(self, supervisor: Supervisor, claim: Claim, definition: Definition, state: State) -> None:
        self.supervisor = supervisor
        self.claim = claim
        self.name = claim.name
        self.definition = definition
        self.container: Container = definition.container
        self.state = state
        self.finished: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.tasks = Tasks(partial(supervisor.fault, self.name))
        self.lives = Lives(self)
        self._answers = Answers(self)
        self._noting: asyncio.TimerHandle | None = None

    @property
    def policy(self) -> Supervision:
        """How it is kept."""
        section = self.container.feature(Supervision.section)
        assert isinstance(section, Supervision)
        return section

    @property
    def life(self) -> Life:
        """The present one, or the last."""
        return self.lives.present

    @property
    def pid(self) -> int:
        """Of its first process; 0 while there is none."""
        return self.life.child.pid if self.life.child else 0

    @property
    def running(self) -> Running | None:
        """What was started last."""
        return self.life.running

    @property
    def end(self) -> End | None:
        """How that has ended."""
        return self.life.end

    @property
    def notified(self) -> asyncio.Event:
        """Set when it has told that it is ready, by sd_notify(3)."""
        return self.life.notified

    @property
    def firing(self) -> Firing:
        """Its hooks."""
        return self.life.firing

    @property
    def status(self) -> str:
        """What it does, in one word."""
        if self.finished.done():
            return "exited"
        if self.lives.is_waiting:
            return "restarting"
        if self.life.running is None:
            return "starting"
        if not self.life.runs:
            return "exited"
        return "stopping" if self.state.retired or self.lives.is_asked_for else "running"

    def put_in_force(self, container: Container) -> None:
        """Note the definition that is in force from now on; its hooks are those of the last that it was given."""
        self.container = replace(container, hooks=self.definition.container.hooks).at(self.container.place)

    # Its end.

    def give_up(self) -> None:
        """Let go of one whose first start has failed, or was not begun: nothing is left of it."""
        self.let_go(remove=True)

    def let_go(self, *, remove: bool) -> None:
        """Keep it no more.

        Args:
            remove: forget its record and its log, too.
        """
        held = self.claim.fileno() >= 0
        try:
            if remove and held:
                self.claim.remove()
                self.emit("removed")
        except OSError as error:
            self.supervisor.fault(self.name, error)
        finally:
            self.claim.release()
        self.lives.close()
        self.life.tell_broker(self.end or SETUP_FAILED)
        if not self.finished.done():
            self.finished.set_result(self.end or SETUP_FAILED)
        self.supervisor.has_finished(self)

    def forget(self) -> None:
        """Forget one that has ended for good, if it was cleaned up."""
        if self.lives.is_clean and (claim := self.supervisor.store.take_over(self.name)):
            claim.remove()

    def leave(self) -> None:
        """Leave it as it is, to the next supervisor."""
        self.life.leave()
        self.tasks.cancel()
        self.note()
        # Its name stays locked until this process has ended: something may be under way.

    # What may be asked of it.

    async def stop(self, timeout: float | None = None, reason: str = "") -> End:
        """End it, and do not start it again.

        Args:
            timeout: seconds until all of it is killed; its own by default.
            reason: for events.
        """
        self.state.stopping = self.policy.stop_timeout if timeout is None else timeout
        self.retire()
        if not self.finished.done():
            self.life.reason = self.life.reason or reason
        if not self.lives.is_waiting and not self.finished.done():
            await self.life.stop(timeout)
        return await asyncio.shield(self.finished)

    async def restart(self, timeout: float | None = None) -> None:
        """End it, and start it again at once; the arguments are those of `stop`.

        Raises:
            HaconiwaError: it is being stopped or restarted, or could not be started again.
        """
        if self.state.retired or self.lives.is_asked_for or self.finished.done():
            raise HaconiwaError(f"the container {self.name} is {self.status}")
        await self.lives.restart(timeout)

    def retire(self) -> None:
        """Let it not be started again when it ends."""
        self.state.retired = True
        self.note()
        self.lives.wake()

    def stop_soon(self, reason: str, timeout: float | None = None) -> None:
        """Begin to stop it; the arguments are those of `stop`."""
        self.tasks.begin(self.stop(timeout, reason))

    def end_with_caller(self) -> None:
        """Begin to end it for good: its caller has gone, and so has who asks for it."""
        self.state.remove = True
        self.stop_soon("its caller has gone", 0.0)

    def restart_soon(self) -> None:
        """Begin to restart it, unless it is being stopped or restarted."""
        if not self.state.retired and not self.lives.is_asked_for and not self.finished.done():
            self.tasks.begin(self.restart())

    async def kill(self, reason: str = "") -> None:
        """Kill all of it; the reason is for events."""
        self.life.reason = self.life.reason or reason
        await self.life.kill()

    async def execute(self, command: Sequence[str], *, quietly: bool = False, **how: Any) -> Executed:
        """Run a command in it; arguments and errors are those of `executing.execute`.

        Args:
            command: the program and its arguments.
            quietly: no hook is told.
            how: the other arguments.
        """
        entered = (lambda: None) if quietly else partial(self.attached, command)
        return await execute(self, command, entered=entered, **how)

    def attached(self, command: Sequence[str]) -> None:
        """Tell that a process was put into it."""
        self.emit("attached", command=list(command))
        self.firing.fire_soon("after_attach", command=list(command))

    async def update(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Change options of its features while it runs, or leave all as it was.

        Args:
            sections: new values of options by section.

        Raises:
            DefinitionError: it would be wrong, or an option cannot change in a running container.
            SetupError: the kernel refuses; what was changed before is taken back.
        """
        plugins = self.supervisor.plans.plugins
        await self.change(lambda container: with_values(container, sections, plugins))

    async def change(self, change: Callable[[Container], Container]) -> None:
        """Change it to another definition; errors are those of `update`.

        Args:
            change: gives the new definition for the one that is in force.
        """
        supervisor = self.supervisor

        def changed() -> Container:
            with supervisor.plans.lock:
                return change_alone(supervisor.store, self.name, change, gather(), supervisor.plans.plugins)

        self._has_changed(await supervisor.work(changed))

    async def updated(self) -> None:
        """Note that somebody else has changed it while it runs."""
        store, plans = self.supervisor.store, self.supervisor.plans
        self._has_changed(await self.supervisor.work(lambda: plans.in_force(store.read(self.name))))

    def _has_changed(self, container: Container) -> None:
        self.put_in_force(container)
        self.emit("updated")
        self.firing.fire_soon("after_update")

    async def take(self, definition: Definition, hooks: Sequence[Hook]) -> None:
        """Let it have another definition: its hooks now, all else with its next start.

        Args:
            definition: another version of the present one.
            hooks: of that, and of its plugins.

        Raises:
            WorkerError: the file cannot be read.
        """
        self.definition, self.state.definition = definition, definition.data
        self.tasks.begin(self.supervisor.workers.renew(self.state.group))
        await asyncio.sleep(0)  # From here on, hooks run in another worker.
        if any(not hook.function for hook in definition.container.hooks):
            await self.supervisor.worker_of(self).start()
        self.container = replace(self.container, hooks=definition.container.hooks).at(definition.container.place)
        self.firing.change(hooks, ready=self.state.ready is not None, runs=self.life.runs)
        await self.life.monitoring.renew()
        self.note()

    # What others know of it.

    async def run_hook(self, hook: Hook, facts: Mapping[str, Any]) -> Outcome:
        """Run a hook in a process of its own."""
        worker = self.supervisor.worker_of(self)
        told = {**self.facts(), **facts}
        return await worker.call(self.definition.container.name, hook, told, partial(self._answers.answer, hook))

    def facts(self) -> dict[str, Any]:
        """Return what a hook is told of it."""
        child, end = self.life.child, self.life.end
        return {
            "name": self.name,
            "pid": child.pid if child else 0,
            "started": child.started if child else 0,
            "state": self.status,
            "ready": self.state.ready is not None,
            "sections": [feature.section for feature in self.container.features],
            "exit_status": end.exit_status if end else None,
            "reason": end.reason if end else self.life.reason,
        }

    def section(self, name: str) -> Feature | None:
        """Return a section of the definition that is in force."""
        return self.container.feature(name)

    def told(self) -> dict[str, Any]:
        """Return what `haconiwa inspect` shows of it."""
        return {
            "status": self.status,
            "ready": self.state.ready is not None,
            "restarts": self.state.restarts,
            "definition": self.definition.file,
            "hooks": {hook.name: asdict(self.state.hook(hook.name)) for hook in self.firing.hooks},
            "store": self.state.store,
        }

    def note(self) -> None:
        """Write the state beside the record, as long as the name is held; what keeps it from that is told."""
        if self._noting:
            self._noting.cancel()
            self._noting = None
        if self.claim.fileno() < 0:
            return
        try:
            self.claim.put(FILE_NAME, self.state.encoded())
        except RecordError as error:
            # Its start, which has failed in another thread, may have given up the name in between.
            if self.claim.fileno() >= 0:
                self.supervisor.fault(self.name, error)

    def note_soon(self) -> None:
        """Write it in a moment, together with what happens until then."""
        if self._noting is None:
            self._noting = self.supervisor.loop.call_later(_MOMENT, self.note)

    def emit(self, event: str, **more: Any) -> None:
        """Tell an event of it."""
        self.supervisor.events.emit(event, self.name, **more)

    def warn(self, text: str, **context: object) -> None:
        """Write what is wrong with it, and not with its supervisor, into the log."""
        self.supervisor.warn(text, container=self.name, **context)

    async def or_fault(self, work: Awaitable[T]) -> T | None:
        """Await what must not keep the container from its end: what is wrong with it is told."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - of hooks, plugins and the keeper, it may be anything
            self.supervisor.fault(self.name, error)
            return None


_MOMENT = 0.05
