"""The resident supervisor: all containers of a state directory in one process."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from haconiwa_core.errors import DefinitionError, HaconiwaError, Problem
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.linux import open_process
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.record import Process, Record, boot_id
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.store import FILE_NAME, Claim, Store
from haconiwa_supervision.events import Events
from haconiwa_supervision.groups import Group, check_dependencies
from haconiwa_supervision.hooks.workers import Worker
from haconiwa_supervision.keeping import Keeper
from haconiwa_supervision.plans import Plans
from haconiwa_supervision.state import State, read_state
from haconiwa_supervision.supervised import Supervised
from haconiwa_supervision.transport import Definition
from haconiwa_supervision.watching import Watcher
from haconiwa_supervision.workers import Workers

T = TypeVar("T")

LINK_NAME = "supervisor"
"""In the directory of each container: a link to the socket of its supervisor."""

SOCKET_NAME = "control"

_STARTS_AT_ONCE = 64
_OTHER_WORK_AT_ONCE = 32


class Supervisor:
    """Keeps containers. Everything but what is called in threads happens in one event loop.

    Args:
        store: where records are kept; nobody else supervises it.
        folder: of the supervisor's own files.
        plugins: where the features come from.
        log: for what nobody waits for.

    Attributes:
        containers: those that have not ended for good, by name.
    """

    def __init__(self, store: Store, folder: Path, plugins: Plugins, log: Log) -> None:
        self.store = store
        self.folder = folder
        self.log = log
        self.loop = asyncio.get_running_loop()
        self.plans = Plans(plugins)
        self.events = Events(folder)
        self.keeper = Keeper(folder, log.warning)
        self.containers: dict[str, Supervised] = {}
        self.workers = Workers()
        self.watcher = Watcher()
        self.idle = asyncio.Event()
        self.idle.set()
        self._groups: dict[str, Group] = {}
        self._launchers: dict[str | None, Launcher] = {}
        self._launcher_lock = Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._starts = ThreadPoolExecutor(_STARTS_AT_ONCE, "start")
        self._others = ThreadPoolExecutor(_OTHER_WORK_AT_ONCE, "work")

    async def begin(self) -> None:
        """Reach the log keeper, and take over what a former supervisor has left."""
        await self.keeper.start()
        await self._adopt_all()

    # Starting.

    async def start(
        self,
        definitions: Sequence[Mapping[str, Any]],
        *,
        name: str | None,
        remove: bool,
        launcher: str | None,
        bound: bool,
        streams: Sequence[Mapping[str, int]],
        worker: Worker | None = None,
    ) -> Group:
        """Start the containers of one definition, all or none.

        Args:
            definitions: as they have travelled.
            name: of the only container's instance; None makes a unique one of each.
            remove: forget each container when it has ended.
            launcher: by name.
            bound: they end with their caller.
            streams: descriptors for the standard streams that are inherited, of each.
            worker: has read the definition, if that is a program's.

        Raises:
            HaconiwaError: one could not be started; nothing is left of any.
        """
        made = [await self.work(partial(self.plans.definition, data)) for data in definitions]
        check_dependencies(made)
        group = Group(os.urandom(8).hex())
        if worker:
            self.workers.add(group.name, worker)
        try:
            for definition in made:
                group.add(self._claimed(definition, group.name, name, remove, launcher, bound=bound))
            await self._plan_all(group)
            named = {item.container.name: given for item, given in zip(made, streams, strict=True)}
            self._groups[group.name] = group
            await group.start(named)
        except BaseException:
            for member in group.members.values():
                if not member.finished.done():
                    member.give_up()
            raise
        return group

    def _claimed(
        self, definition: Definition, group: str, name: str | None, remove: bool, launcher: str | None, *, bound: bool
    ) -> Supervised:
        base = definition.container.name
        claim = self.store.claim_unique(base) if name is None else self.store.claim(name)
        state = State(definition.data, group, remove, launcher)
        (claim.directory / LINK_NAME).symlink_to(self.folder / SOCKET_NAME)
        return self._taken(Supervised(self, claim, definition, state, bound=bound))

    def _taken(self, container: Supervised) -> Supervised:
        self.containers[container.name] = container
        self.idle.clear()
        return container

    async def _plan_all(self, group: Group) -> None:
        """Plan all containers of a group, so that all that is wrong is told at once."""
        problems: list[Problem] = []
        for member in group.members.values():
            await member.firing.fire("before_plan")
            try:
                await self.work(partial(self.plans.plan, member.definition, member.claim.directory))
                member.emit("planned")
            except DefinitionError as error:
                problems += error.problems
        if problems:
            raise DefinitionError(problems)

    # Going on with what a former supervisor has left.

    async def _adopt_all(self) -> None:
        """Take over every container that a supervisor of this state directory has left."""
        left = await self.keeper.kept()
        try:
            for name in self.store.names():
                directory = self.store.directory / name
                if (directory / LINK_NAME).is_symlink() and (claim := self.store.take_over(name)):
                    try:
                        kept = name in left
                        await self._adopt(claim, left.pop(name, None), log_is_kept=kept)
                    except HaconiwaError as error:
                        self.log.error(f"{name} cannot be adopted: {error}")
                        claim.release()
        finally:
            for pidfd in left.values():
                if pidfd is not None:
                    os.close(pidfd)

    async def _adopt(self, claim: Claim, pidfd: int | None, *, log_is_kept: bool) -> None:
        state = read_state(claim.directory)
        record = self.store.read(claim.name) if (claim.directory / FILE_NAME).exists() else None
        if state is None or record is None or record.status == "starting" or record.boot != boot_id():
            self._discard(claim, record)
            return
        if record.status == "exited" and state.waits_until is None:
            claim.release()
            return
        definition = await self.work(partial(self.plans.definition, state.definition))
        container = self._taken(Supervised(self, claim, definition, state, bound=record.orphan == "end"))
        group = self._groups.setdefault(state.group, Group(state.group))
        group.add(container)
        if record.status == "exited":
            container.wait_again()
            return
        plan = await self.work(partial(self.plans.plan, definition, claim.directory))
        record = record._replace(supervisor=Process.of_this())
        claim.write(record)
        container.adopt(Running(claim, record, *_process_of(record, pidfd)), plan, log_is_kept=log_is_kept)

    def _discard(self, claim: Claim, record: Record | None) -> None:
        """Undo a start that was not finished, and what another boot has left."""
        failures = undo(record) if record else ()
        if failures:
            self.log.error(f"could not clean up after {claim.name}: {'; '.join(failures)}")
            claim.release()
        else:
            claim.remove()

    # What containers use.

    async def work(self, function: Callable[[], T]) -> T:
        """Call what blocks in a thread."""
        return await self.loop.run_in_executor(self._others, function)

    async def start_in_thread(self, function: Callable[[], T]) -> T:
        """Call what starts a container in a thread, which may wait for hooks."""
        return await self.loop.run_in_executor(self._starts, function)

    def launcher(self, name: str | None) -> Launcher:
        """Return the launcher of a name, which stays. Safe from several threads."""
        with self._launcher_lock:
            if name not in self._launchers:
                self._launchers[name] = choose_launcher(name)
            return self._launchers[name]

    def worker_of(self, container: Supervised) -> Worker:
        """Return the worker that runs a container's hooks."""
        return self.workers.of(container.state.group, container.definition.file)

    def keep_timings(self, container: Supervised) -> None:
        """Write down how long each part of its start has taken."""

    def has_finished(self, container: Supervised) -> None:
        """Forget a container that has ended for good."""
        self.containers.pop(container.name, None)
        group = self._groups.get(container.state.group)
        if group:
            self.soon(self._after(group, container))
        elif not self.containers:
            self.idle.set()

    async def _after(self, group: Group, container: Supervised) -> None:
        await group.has_finished(container, container.finished.result().exit_status)
        if all(member.finished.done() for member in group.members.values()):
            self._groups.pop(group.name, None)
            await self.workers.drop(group.name)
        if not self.containers:
            self.idle.set()

    def soon(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin something that nobody waits for."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                self.fault("", error)

        task.add_done_callback(done)

    def fault(self, container: str, error: BaseException) -> None:
        """Tell what has failed while nobody waited for it."""
        text = "".join(traceback.format_exception(error)) if not isinstance(error, HaconiwaError) else str(error)
        self.events.emit("fault", container, reason=text)
        self.log.error(text, container=container)

    async def close(self) -> None:
        """Leave all containers as they are, for the next supervisor."""
        for container in self.containers.values():
            container.leave()
        await self.workers.close()
        for launcher in self._launchers.values():
            launcher.close()
        self.watcher.close()
        self.keeper.close()
        self.events.close()


def _process_of(record: Record, kept: int | None) -> tuple[int, int]:
    """Return pid and descriptor of a container's first process; -1 where it has ended and none was kept."""
    assert record.child is not None
    if kept is not None:
        return record.child.pid, kept
    try:
        return record.child.pid, open_process(record.child.pid, record.child.started)
    except ProcessLookupError:
        return record.child.pid, -1
