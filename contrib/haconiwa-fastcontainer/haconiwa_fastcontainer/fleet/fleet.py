"""All services of one front: what they share, and the work that makes their instances what they should be."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from haconiwa_supervision.tasks import Tasks

from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.record import Process
from haconiwa_fastcontainer.fleet.adopting import Adopting
from haconiwa_fastcontainer.fleet.containers import Containers
from haconiwa_fastcontainer.fleet.holding import Holding
from haconiwa_fastcontainer.fleet.instance import Instance
from haconiwa_fastcontainer.fleet.network import Subject
from haconiwa_fastcontainer.fleet.replacing import Replacing
from haconiwa_fastcontainer.fleet.reporting import Reporting
from haconiwa_fastcontainer.fleet.service import Service, reason_of
from haconiwa_fastcontainer.fleet.sharing import Sharing
from haconiwa_fastcontainer.fleet.starting import Starting
from haconiwa_fastcontainer.fleet.warming import Warming
from haconiwa_fastcontainer.journal import Journal
from haconiwa_fastcontainer.scaling.acting import Scaler
from haconiwa_fastcontainer.services import Definition
from haconiwa_fastcontainer.state import Host, Phase, Row, State

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
        starting: gives services the instances that they need.
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
        self.control = control
        self.journal = journal
        self.sharing = Sharing(self)
        self.starting = Starting(self)
        self.warming = Warming(self)
        self._replacing = Replacing(self, plugins)
        self._scaler = Scaler(self, plugins)
        self.reporting = Reporting(state, host, self._count, journal, partial(self.sharing.changed, ""))
        self._threads = ThreadPoolExecutor(_STARTS_AT_ONCE, "start")
        self._tasks = Tasks(self._fault)
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
        await Adopting(self).adopt()
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

    async def keep(self, name: str) -> None:
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
            await self.keep(instance.name)
        else:
            await self.work(partial(self.containers.forget, instance.name))
        self.starting.attend(service)

    async def _attend_all(self) -> None:
        while True:
            for service in self.services.values():
                for instance in service.instances.values():
                    instance.trim()
                service.grant()
                service.recover()
                self.starting.attend(service)
                if service.definition.options.warm:
                    self._tasks.begin(self.warming.fill(service))
            await asyncio.sleep(_ATTEND)

    def _count(self) -> int:
        all_instances = (each for service in self.services.values() for each in service.instances.values())
        return sum(each.row.host == self.host.name for each in all_instances)

    def _fault(self, error: BaseException) -> None:
        self.journal.tell("fault", "", reason=reason_of(error))


def host_name() -> str:
    """Return what the kernel calls this host (uname(2))."""
    return os.uname().nodename
