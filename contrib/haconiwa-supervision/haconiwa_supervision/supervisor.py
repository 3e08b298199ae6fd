"""The resident supervisor: all containers of a state directory in one process."""

from __future__ import annotations

import asyncio
import os
import socket
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from haconiwa_runtime.client import LINK_NAME
from haconiwa_runtime.messages import close_all

from haconiwa_core.errors import DefinitionError, HaconiwaError, RecordError
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.launch.choice import Launcher, choose_launcher
from haconiwa_core.linux import open_process
from haconiwa_core.log import Log
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.processes import SETUP_FAILED
from haconiwa_core.runtime.record import Process, Record, boot_id
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.store import FILE_NAME, Claim, Store
from haconiwa_core.runtime.supervisor import SOCKET_NAME
from haconiwa_supervision.container.groups import Group, check_dependencies
from haconiwa_supervision.container.supervised import Supervised
from haconiwa_supervision.events.observers import Observers
from haconiwa_supervision.events.stream import Events
from haconiwa_supervision.hooks.workers import Worker, Workers
from haconiwa_supervision.logs.keeping import Keeper
from haconiwa_supervision.plans import Plans
from haconiwa_supervision.state import State, read_state
from haconiwa_supervision.tasks import Tasks
from haconiwa_supervision.threads import in_own_thread
from haconiwa_supervision.transport import Definition
from haconiwa_supervision.watching import Watcher

T = TypeVar("T")

_STARTS_AT_ONCE = 64
_OTHER_WORK_AT_ONCE = 32
_LOCKED_BY_OTHERS = 2.0
_POLL = 0.02


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
        self.observers = Observers(self.warn)
        self.events.listen(self.observers.take)
        self.keeper = Keeper(folder, lambda text: self.fault("", HaconiwaError(text)))
        self.containers: dict[str, Supervised] = {}
        self.workers = Workers()
        self.watcher = Watcher()
        self.idle = asyncio.Event()
        self.idle.set()
        self._groups: dict[str, Group] = {}
        self._launchers: dict[str | None, Launcher] = {}
        self._launcher_lock = Lock()
        self._tasks = Tasks(partial(self.fault, ""))
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)
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
        caller: Process | None,
        streams: Sequence[Mapping[str, int]],
        worker: int | None = None,
    ) -> Group:
        """Start the containers of one definition, all or none.

        Args:
            definitions: as they have travelled.
            name: of the only container's instance; None makes a unique one of each.
            remove: forget each container when it has ended.
            launcher: by name.
            caller: with which they end, if they do.
            streams: descriptors for the standard streams that are inherited, of each.
            worker: the socket of one that has read the definition, if that is a program's; it is copied.

        Raises:
            HaconiwaError: one could not be started; nothing is left of any.
        """
        made = [await self.work(partial(self.plans.definition, data)) for data in definitions]
        named = {item.container.name: given for item, given in zip(made, streams, strict=True)}
        if not made or len(named) < len(made):
            raise HaconiwaError("containers are started together if there are any, and each has a name of its own")
        check_dependencies(made)
        group = Group(os.urandom(8).hex())
        self._groups[group.name] = group
        try:
            if worker is not None:
                self.workers.add(group.name, Worker(connection=socket.socket(fileno=os.dup(worker))))
            for definition in made:
                state = State(definition.data, group.name, remove, launcher, caller)
                group.add(self._claimed(definition, state, name))
            await group.start(named)
        except BaseException:
            for member in group.members.values():
                if not member.finished.done():
                    member.give_up()
            if not group.members:
                await self._drop(group)
            raise
        for member in group.members.values():
            member.state.complete = True
            member.note()
        return group

    def _claimed(self, definition: Definition, state: State, name: str | None) -> Supervised:
        claim = self.store.claim_unique(definition.container.name) if name is None else self.store.claim(name)
        try:
            (claim.directory / LINK_NAME).symlink_to(self.folder / SOCKET_NAME)
        except OSError as error:
            claim.remove()
            raise RecordError(f"cannot write into {claim.directory}: {error.strerror}") from error
        return self._taken(Supervised(self, claim, definition, state))

    def _taken(self, container: Supervised) -> Supervised:
        self.containers[container.name] = container
        self.idle.clear()
        return container

    async def start_again(self, name: str) -> None:
        """Start a container again that has ended for good, and was not forgotten, under its name.

        Raises:
            RecordError: there is none, or it cannot be started again.
            HaconiwaError: it could not be started; its record stays.
        """
        claim = self.store.take_over(name) if name in self.store.names() else None
        if claim is None:
            raise RecordError(f"no container named {name} is supervised")
        try:
            state, record = read_state(claim.directory), self.store.read(name)
            if state is None or record.status != "exited" or record.undo:
                raise RecordError(f"{name} was not kept by this supervisor, or could not be cleaned up")
            definition = await self.work(partial(self.plans.definition, state.definition))
            state.caller = None
            container = Supervised(self, claim, definition, state)
        except BaseException:
            claim.release()
            raise
        await self._is_of_group(container).start_again(container)

    # Going on with what a former supervisor has left.

    async def _adopt_all(self) -> None:
        """Take over every container that a supervisor of this state directory has left."""
        kept = await self.keeper.kept()
        try:
            left = [found for name in self.store.names() if (found := await self._left(name))]
            complete = {found.state.group for found in left if found.state and found.state.complete}
            for found in left:
                try:
                    await self._adopt(found, kept.get(found.claim.name, {}), complete)
                except Exception as error:  # noqa: BLE001 - one that is damaged must not keep the others from it
                    self.fault(found.claim.name, error)
                    found.claim.release()
        finally:
            for held in kept.values():
                close_all([*held.values()])
        for name in kept.keys() - self.containers.keys():
            await self.keeper.forget(name)

    async def _left(self, name: str) -> _Left | None:
        """Take over the name of a container that a supervisor has left; None where it is no such container."""
        directory = self.store.directory / name
        deadline = self.loop.time() + _LOCKED_BY_OTHERS
        try:
            # Empty is what is left where a supervisor was killed at the very beginning.
            while (directory / LINK_NAME).is_symlink() or not os.listdir(directory):
                if claim := self.store.take_over(name):
                    break
                if self.loop.time() > deadline:
                    raise RecordError(f"{name} cannot be adopted: somebody else holds the name")
                await asyncio.sleep(_POLL)
            else:
                return None
        except (FileNotFoundError, NotADirectoryError):
            return None  # Somebody has removed it, or it is something else.
        except (RecordError, OSError) as error:
            self.fault(name, error)
            return None
        try:
            record = self.store.read(name) if (directory / FILE_NAME).exists() else None
            return _Left(claim, record, read_state(directory))
        except RecordError as error:
            self.fault(name, error)
            claim.release()
            return None

    async def _adopt(self, left: _Left, held: Mapping[str, int], complete: Set[str]) -> None:
        """Go on with a container.

        Args:
            left: what is left of it.
            held: the keeper's descriptors of it; they are copied.
            complete: the groups whose starts were complete.
        """
        claim, record, state = left
        if record is None or state is None or record.boot != boot_id() or state.group not in complete:
            await self.work(partial(_discard, claim, record))
            return
        if record.status == "exited" and state.ended:
            claim.remove() if state.remove else claim.release()
            return
        definition = await self.work(partial(self.plans.definition, state.definition))
        container = Supervised(self, claim, definition, state)
        if record.status == "running":
            hooks = await self._hooks_of(definition, claim)
            running = Running(claim, record._replace(supervisor=Process.of_this()), *_process_of(record, held))
            claim.write(running.record)
            self._is_of_group(container)
            messages = socket.socket(fileno=os.dup(held["notify"])) if "notify" in held else None
            container.lives.adopt(running, hooks, messages)
        else:
            if record.status == "starting":
                record = await self.work(partial(_undone, claim, record))
            self._is_of_group(container)
            container.lives.resume(record.end or SETUP_FAILED)
        if state.caller:
            self._watch_caller(container, Process(*state.caller))

    def _is_of_group(self, container: Supervised) -> Group:
        group = self._groups.setdefault(container.state.group, Group(container.state.group))
        group.add(self._taken(container))
        return group

    async def _hooks_of(self, definition: Definition, claim: Claim) -> Sequence[Hook]:
        """Return the hooks of a container that runs, also if it could not be started any more."""
        try:
            return (await self.work(partial(self.plans.plan, definition, claim.directory))).hooks
        except DefinitionError as error:
            self.fault(claim.name, error)
            return definition.container.hooks

    def _watch_caller(self, container: Supervised, caller: Process) -> None:
        """End a container with the process that a former supervisor has started it for."""
        try:
            pidfd = open_process(caller.pid, caller.started)
        except ProcessLookupError:
            container.end_with_caller()
            return

        def forget(_finished: object) -> None:
            self.loop.remove_reader(pidfd)
            os.close(pidfd)

        def gone() -> None:
            self.loop.remove_reader(pidfd)
            container.end_with_caller()

        self.loop.add_reader(pidfd, gone)
        container.finished.add_done_callback(forget)

    # What containers use.

    async def work(self, function: Callable[[], T]) -> T:
        """Call what blocks in a thread."""
        return await self.loop.run_in_executor(self._others, function)

    async def start_in_thread(self, function: Callable[[], T]) -> T:
        """Call what starts a container in a thread, which may wait for hooks."""
        async with self._starts:
            return await in_own_thread(function)

    def launcher(self, name: str | None) -> Launcher:
        """Return the launcher of a name, which stays. Safe from several threads."""
        with self._launcher_lock:
            if name not in self._launchers:
                self._launchers[name] = choose_launcher(name)
            return self._launchers[name]

    def worker_of(self, container: Supervised) -> Worker:
        """Return the worker that runs a container's hooks."""
        return self.workers.of(container.state.group, container.definition.file)

    def has_finished(self, container: Supervised) -> None:
        """Forget a container that has ended for good."""
        self.containers.pop(container.name, None)
        self._tasks.begin(self._after(self._groups[container.state.group], container))

    async def _after(self, group: Group, container: Supervised) -> None:
        is_last = True
        try:
            is_last = await group.has_finished(container, container.finished.result().exit_status)
        finally:
            if is_last:
                await self._drop(group)
            if not self.containers:
                self.idle.set()

    async def _drop(self, group: Group) -> None:
        self._groups.pop(group.name, None)
        await self.workers.drop(group.name)

    def fault(self, container: str, error: BaseException) -> None:
        """Tell what has failed while nobody waited for it."""
        text = "".join(traceback.format_exception(error)) if not isinstance(error, HaconiwaError) else str(error)
        self.events.emit("fault", container, reason=text)
        with suppress(OSError):  # Nobody reads what this process writes; the event is kept.
            self.log.error(text, container=container)

    def warn(self, text: str, **context: object) -> None:
        """Write what is no fault of the supervisor's into its log."""
        with suppress(OSError):  # Nobody reads what this process writes.
            self.log.warning(text, **context)

    async def stop_all(self, names: Iterable[str], reason: str, timeout: float | None = None) -> None:
        """Stop containers at the same time; those that are not there have ended.

        Args:
            names: of the containers.
            reason: for events.
            timeout: seconds until all of one is killed; by default as each says itself.
        """
        there = [self.containers[name] for name in names if name in self.containers]
        stops = [container.stop(timeout, reason) for container in there]
        for result in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(result, BaseException):
                self.fault("", result)

    async def close(self) -> None:
        """Leave all containers as they are, for the next supervisor."""
        for container in self.containers.values():
            container.leave()
        await self.workers.close()
        for launcher in self._launchers.values():
            launcher.close()
        self.watcher.close()
        self.keeper.close()
        await self.observers.close()
        self.events.close()


class _Left(NamedTuple):
    """What a former supervisor has left of a container: its name, and what is written, if anything."""

    claim: Claim
    record: Record | None
    state: State | None


def _discard(claim: Claim, record: Record | None) -> None:
    """Undo a start that was not complete, and forget what another boot has left."""
    if record:
        _undone(claim, record)
    claim.remove()


def _undone(claim: Claim, record: Record) -> Record:
    """Undo a start; return the record of a container that has ended.

    Raises:
        RecordError: something could not be undone, or the record not be written.
    """
    if failures := undo(record):
        raise RecordError(f"could not clean up after {claim.name}: {'; '.join(failures)}")
    record = record.ended(SETUP_FAILED)._replace(undo=())
    claim.write(record)
    return record


def _process_of(record: Record, held: Mapping[str, int]) -> tuple[int, int]:
    """Return pid and descriptor of a container's first process; -1 where it has ended and none was kept."""
    assert record.child is not None
    try:
        return record.child.pid, open_process(record.child.pid, record.child.started)
    except ProcessLookupError:
        return record.child.pid, os.dup(held["pidfd"]) if "pidfd" in held else -1
