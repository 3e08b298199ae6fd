"""All services of one front: what they share, and the work that makes their instances what they should be."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from haconiwa_runtime.waiting import within
from haconiwa_supervision.tasks import Tasks

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux.host import start_time
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import Process
from haconiwa_fastcontainer.fleet.addresses import shared_address
from haconiwa_fastcontainer.fleet.holding import Holding
from haconiwa_fastcontainer.fleet.instance import Instance
from haconiwa_fastcontainer.fleet.network import Subject
from haconiwa_fastcontainer.fleet.placement import place
from haconiwa_fastcontainer.fleet.replacing import Replacing
from haconiwa_fastcontainer.fleet.reporting import Reporting
from haconiwa_fastcontainer.fleet.service import Service, reason_of
from haconiwa_fastcontainer.fleet.sharing import Sharing
from haconiwa_fastcontainer.fleet.starting import Containers, GoneError
from haconiwa_fastcontainer.fleet.warming import Warming
from haconiwa_fastcontainer.journal import Journal
from haconiwa_fastcontainer.scaling.acting import Scaler
from haconiwa_fastcontainer.services import Definition
from haconiwa_fastcontainer.state import Host, Phase, Row, State, StateError

T = TypeVar("T")

_STARTS_AT_ONCE = 64
_ATTEND = 1.0
"""Seconds between two looks at services for which nothing happens."""

_KEPT = 100
"""Containers that have failed, whose records and logs stay."""

_TICK = 1e-6
"""Seconds between two rows of an instance, at least."""

_LAST_SECONDS = 10.0
"""That a container gets to end when it is stopped."""

_LAST_REQUESTS = 30.0
"""Seconds that requests of a former front get to end, where a service is declared no more."""

_LONGEST_NAME = 100
"""Characters of a service's name that are part of its instances' names, which have 128 at most."""

COUNTED = ("asked", "starting", "running")
"""Phases of the instances that a service counts on."""


class Fleet:
    """Services and their instances, as one front knows them. All happens in one event loop.

    Args:
        definitions: of the services.
        containers: of this host.
        state: shared with other fronts.
        host: what this host is called, what it takes, and its address.
        plugins: where features come from.
        control: path of the front's control socket, which instances ask.
        journal: is told what happens, and why.

    Attributes:
        services: by name.
        hosts: services by the host names that they answer for.
        owner: what rows name this front.
        is_closed: whether it has let go of all.
        reporting: what the state is told, and whether it can be reached.
        sharing: what other fronts do.
        warming: instances that are started ahead.
    """

    def __init__(
        self,
        definitions: Iterable[Definition],
        containers: Containers,
        state: State,
        host: Host,
        plugins: Plugins,
        *,
        control: str,
        journal: Journal,
    ) -> None:
        self.services = {item.name: Service(item, self) for item in definitions}
        self.hosts = self._by_host()
        self.state = state
        self.host = host
        self.grace = state.grace
        self.containers = containers
        self._control = control
        self.journal = journal
        self.sharing = Sharing(self)
        self.warming = Warming(self)
        self._replacing = Replacing(self, plugins)
        self._scaler = Scaler(self, plugins)
        self.reporting = Reporting(state, host, self._count, journal, partial(self.sharing.changed, ""))
        self._threads = ThreadPoolExecutor(_STARTS_AT_ONCE, "start")
        self._tasks = Tasks(self._fault)
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self.is_closed = False
        self.owner = "{}:{}".format(*Process.of_this())
        self._kept: deque[str] = deque()

    async def open(self) -> None:
        """Open the state, and go on with the instances that a former front has left.

        Raises:
            StateError: the state cannot be opened.
        """
        self.state.watch(self.sharing.changed)
        await self.state.open(self.reporting.measured())
        await self._adopt()
        self._tasks.begin(self._attend_all())
        self._tasks.begin(self.reporting.run())
        self._tasks.begin(self._replacing.run())
        self._tasks.begin(self._scaler.run())
        self._tasks.begin(Holding(self.containers.store, self.work, self._fault).run())

    async def close(self) -> None:
        """Let go of all; containers go on, for the front that follows."""
        self.is_closed = True
        self._tasks.cancel()
        await self._tasks.wait(1.0)
        for service in self.services.values():
            for instance in service.instances.values():
                instance.close()
            service.instances.clear()
        await self.state.close()
        self._threads.shutdown(wait=False)

    def _by_host(self) -> dict[str, Service]:
        return {name: service for service in self.services.values() for name in service.definition.options.hosts}

    def tell(self, event: str, service: Service, **more: object) -> None:
        """Tell what has happened to a service, and why."""
        self.journal.tell(event, service.name, **more)

    async def work(self, function: Callable[[], T]) -> T:
        """Call a function that blocks in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def change(self, instance: Instance, phase: Phase) -> None:
        """Let an instance do something else, for all fronts."""
        # Also where the clock was set back, the later row is the one that holds.
        since = max(time.time(), instance.row.since + _TICK)
        instance.row = instance.row._replace(phase=phase, since=since)
        if not await self.reporting.save(instance.row) and phase == "running":
            self.sharing.changed(instance.row.service)

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Begin something for which nobody waits."""
        self._tasks.begin(work)

    # Making instances what they should be.

    def attend(self, service: Service) -> None:
        """Begin to give a service the instances that it needs now."""
        if self.is_closed or len(service.within_reach(*COUNTED)) >= service.needed():
            return
        if service.name in self._busy:
            self._again.add(service.name)
            return
        self._busy.add(service.name)
        self._tasks.begin(self._attend(service))

    async def _attend(self, service: Service) -> None:
        try:
            while True:
                self._again.discard(service.name)
                await self._fill(service)
                if service.name not in self._again:
                    return
        except StateError as error:
            # It is tried again each second; requests wait as long as they may.
            self.reporting.lose(error)
        finally:
            self._busy.discard(service.name)

    async def _fill(self, service: Service) -> None:
        """Start instances until there are as many as are needed."""
        while not service.breaker.wait(time.monotonic()):
            wanted = service.needed()
            if len(service.within_reach(*COUNTED)) >= wanted:
                return
            if self.warming.take(service):
                continue
            hosts = await self.state.hosts()
            host = place(self.host, hosts, anywhere=service.definition.in_host_network, avoided=service.avoided)
            if host is None:
                service.refuse_full()
                return
            row = self._new_row(service, host)
            if not await self._reserve(service, row, wanted + len(service.out_of_reach())):
                await self.sharing.refresh(service.name)
                service.refuse_out_of_reach()
                return
            if row.phase == "starting":
                self._tasks.begin(self.start(service, row))

    async def _reserve(self, service: Service, row: Row, fewer_than: int) -> bool:
        """Add a new instance to the state; return whether there was room for it."""
        if row.phase == "starting":
            self.add(service, row)  # The state may tell of it before it answers.
        added = False
        try:
            added = await self.state.reserve(row, min(fewer_than + len(service.of_phase("warm")), service.most))
        finally:
            if not added:
                service.instances.pop(row.name, None)
            elif row.name not in service.instances:
                self.add(service, row)
        return added

    def _new_row(self, service: Service, host: str) -> Row:
        name = f"{service.name[:_LONGEST_NAME]}-{secrets.token_hex(4)}"
        is_own = host == self.host.name
        phase: Phase = "starting" if is_own else "asked"
        port = service.definition.options.port
        owner = self.owner if is_own else ""
        # What its host writes later holds, whatever the time is there.
        since = time.time() if is_own else 0.0
        return Row(name, service.name, host, phase, service.definition.generation, "", port, since, owner)

    async def start(self, service: Service, row: Row) -> None:
        """Start an instance on this host, and give it to who waits when it accepts connections."""
        definition, began = service.definition, time.monotonic()
        row = row._replace(port=row.port or _free_port(), address=shared_address(definition, self.host))
        container = definition.instance(self._control, row.port)
        try:
            subject = await self.work(partial(self.containers.start, container, row.name, definition.file))
            executed = time.monotonic()
            instance = self.add(service, row, subject)
            await within(definition.options.start_timeout, instance.until_ready())
            if row.phase == "warm":
                await self.warming.keep(service, instance)
            else:
                await self.change(instance, "running")
        except (HaconiwaError, OSError) as error:
            await self._give_up(service, row, error)
            return
        service.avoided.clear()
        self.tell("started", service, instance=row.name, start=executed - began, ready=instance.ready)
        service.grant()

    async def start_warm(self, service: Service) -> bool:
        """Start an instance ahead on this host; return whether there was room for it."""
        row = self._new_row(service, self.host.name)._replace(phase="warm")
        service.warming += 1
        try:
            if not await self.state.reserve(row, service.most):
                return False
            await self.start(service, row)
            return row.name in service.instances
        finally:
            service.warming -= 1

    async def stop(self, name: str) -> None:
        """Stop a container of this host, and forget it."""
        await self.work(partial(self.containers.stop, name, _LAST_SECONDS))

    def add(self, service: Service, row: Row, subject: Subject | None = None) -> Instance:
        """Know an instance, anew if it was known before.

        Args:
            service: that it is one of.
            row: as the state has it.
            subject: the container, if it runs here.
        """
        if former := service.instances.get(row.name):
            former.close()
        instance = service.instances[row.name] = Instance(row, subject, self._has_ended)
        return instance

    async def _give_up(self, service: Service, row: Row, error: Exception) -> None:
        """Forget an instance that could not be started; its container, if there is one, stays to be looked at."""
        match error:
            case GoneError() | ProcessLookupError() | FileNotFoundError():
                reason = "it has ended before it accepted a connection"
            case TimeoutError():
                reason = f"it has accepted no connection within {service.definition.options.start_timeout:g} s"
            case _:
                reason = reason_of(error)
        if instance := service.instances.pop(row.name, None):
            instance.close()
        await self.reporting.forget(row.name)
        service.failed(reason, row.name)
        await self.work(partial(self.containers.kill, row.name))
        await self._keep(row.name)

    async def _keep(self, name: str) -> None:
        """Keep the record and the log of a container that has failed, for a while."""
        self._kept.append(name)
        if len(self._kept) > _KEPT:
            await self.work(partial(self.containers.forget, self._kept.popleft()))

    def _has_ended(self, instance: Instance) -> None:
        """Forget an instance whose first process has ended."""
        service = self.services.get(instance.row.service)
        if instance.row.phase == "starting" or service is None:
            return  # Who waits for it notices.
        service.instances.pop(instance.name, None)
        instance.close()
        by_itself = instance.row.phase != "draining"
        service.has_ended(instance)
        self.tell("ended", service, instance=instance.name, by_itself=by_itself)
        self._tasks.begin(self._bury(service, instance, keep=by_itself))

    async def _bury(self, service: Service, instance: Instance, *, keep: bool) -> None:
        await self.reporting.forget(instance.name)
        if keep:
            await self._keep(instance.name)
        else:
            await self.work(partial(self.containers.forget, instance.name))
        self.attend(service)

    # What former fronts have done.

    async def _adopt(self) -> None:
        """Go on with the instances that run here, and forget those that do not."""
        rows = {row.name: row for row in await self.state.rows() if row.host == self.host.name}
        found = await self.work(lambda: [(record.name, runs) for record, runs in self.containers.instances()])
        for name, runs in found:
            row = rows.pop(name, None)
            service = self.services.get(row.service) if row else None
            if row and row.phase == "starting" and _lives(row.owner):
                continue  # The front that starts it is about to leave.
            if runs and row and service and row.phase in ("running", "draining", "warm"):
                self.add(service, row, await self.work(partial(self.containers.subject, name)))
                continue
            if row:
                await self.state.remove(name)
            if runs and row and row.phase != "starting":
                self._tasks.begin(self._dismiss(row))
            elif runs:
                await self.work(partial(self.containers.stop, name, 0.0))
            else:
                await self._keep(name)
        for name, row in rows.items():
            if row.phase != "asked" and not _lives(row.owner):
                await self.state.remove(name)
        await self.sharing.refresh("")

    async def _dismiss(self, row: Row) -> None:
        """End an instance of a service that is declared no more; a former front may still have requests there."""
        instance = Instance(row, await self.work(partial(self.containers.subject, row.name)), lambda _: None)
        deadline = time.monotonic() + _LAST_REQUESTS
        try:
            while time.monotonic() < deadline and await instance.is_connected_to():
                await asyncio.sleep(_ATTEND)
        finally:
            instance.close()
        await self.stop(row.name)

    async def _attend_all(self) -> None:
        while True:
            for service in self.services.values():
                for instance in service.instances.values():
                    instance.trim()
                service.grant()
                service.recover()
                self.attend(service)
                if service.definition.options.warm:
                    self._tasks.begin(self.warming.fill(service))
            await asyncio.sleep(_ATTEND)

    def _count(self) -> int:
        all_instances = (each for service in self.services.values() for each in service.instances.values())
        return sum(each.row.host == self.host.name for each in all_instances)

    def _fault(self, error: BaseException) -> None:
        self.journal.tell("fault", "", reason=reason_of(error))


def _free_port() -> int:
    """Return a TCP port of the host's that nobody has now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def _lives(owner: str) -> bool:
    """Return whether a front that starts an instance on this host still does."""
    pid, _, ticks = owner.partition(":")
    return bool(pid) and start_time(int(pid)) == int(ticks)


def host_name() -> str:
    """Return what the kernel calls this host (uname(2))."""
    return os.uname().nodename
