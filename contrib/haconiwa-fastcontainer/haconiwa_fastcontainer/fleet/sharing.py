"""What other fronts have written to the state, and what this one does about it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Set
from functools import partial
from typing import TYPE_CHECKING

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.fleet.instance import Instance
from haconiwa_fastcontainer.fleet.placement import place
from haconiwa_fastcontainer.state import Row, StateError

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.service import Service


class Sharing:
    """Follows the state.

    Args:
        fleet: of the front.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stale: set[str] = set()
        self._is_reading = False
        self._reclaimed: set[str] = set()

    def changed(self, name: str) -> None:
        """Read soon what the state says about a service, or about all with "".

        What comes meanwhile is read together.
        """
        self._stale.add(name)
        if not self._fleet.is_closed and not self._is_reading:
            self._is_reading = True
            self._fleet.begin(self._read())

    async def _read(self) -> None:
        try:
            while self._stale:
                name = "" if "" in self._stale else self._stale.pop()
                if not name:
                    self._stale.clear()
                await self.refresh(name)
        except StateError as error:
            # When it is back, all is read.
            self._fleet.reporting.lose(error)
        finally:
            self._is_reading = False

    async def refresh(self, name: str) -> None:
        """Take over what the state says about a service, or about all with "".

        Raises:
            StateError: it cannot be asked.
        """
        services = self._fleet.services
        rows: dict[str, dict[str, Row]] = {each: {} for each in ([name] if name else services)}
        known = {instance for each in rows if each in services for instance in services[each].instances}
        for row in await self._fleet.state.rows(name):
            if not self._fleet.reporting.is_forgotten(row.name):
                rows.setdefault(row.service, {})[row.name] = row
        for each, of_service in rows.items():
            if service := services.get(each):
                await self._take_over(service, of_service, known)
            else:
                await self._decline(of_service.values())

    async def _take_over(self, service: Service, rows: Mapping[str, Row], known: Set[str]) -> None:
        for instance in service.forget_gone(rows, known):
            if instance.row.host != self._fleet.host.name:
                instance.close()
                is_missed = len(service.within_reach("asked", "starting", "running")) < service.needed()
                if is_missed and instance.row.phase in ("asked", "starting"):
                    await self._try_elsewhere(service, instance.row)
            elif instance.row.phase == "running" and instance.name not in self._reclaimed:
                self._reclaimed.add(instance.name)
                self._fleet.begin(self._reclaim(service, instance))
        for row in service.update(rows):
            if row.host != self._fleet.host.name:
                self._fleet.add(service, row)
            elif row.phase == "asked" or (row.phase == "starting" and row.owner == self._fleet.owner):
                await self._start_asked(service, row)
            elif row.phase == "starting":
                self._fleet.add(service, row)
            elif row.phase != "warm" or row.owner != self._fleet.owner:  # Else it is being started ahead.
                await self._find(service, row)
        service.grant()
        self._fleet.starting.attend(service)

    async def _start_asked(self, service: Service, row: Row) -> None:
        """Start what another front has asked for, or what was reserved while the state went away."""
        generation = service.definition.generation
        own = row._replace(phase="starting", generation=generation, since=time.time(), owner=self._fleet.owner)
        self._fleet.add(service, own)
        is_there = False
        try:
            is_there = await self._fleet.state.put(own)
        finally:
            if not is_there:
                service.instances.pop(row.name, None)
        if is_there:
            self._fleet.begin(self._fleet.starting.start(service, own))

    async def _find(self, service: Service, row: Row) -> None:
        """Use an instance that runs here as the state says, or say that it does not."""
        try:
            self._fleet.add(service, row, await self._fleet.work(partial(self._fleet.containers.subject, row.name)))
        except HaconiwaError:
            await self._fleet.reporting.forget(row.name)

    async def _decline(self, rows: Iterable[Row]) -> None:
        """Start nothing that is not declared here; who has asked is told by that."""
        for row in rows:
            if row.host == self._fleet.host.name and row.phase == "asked":
                reason = "this front has no such service"
                self._fleet.journal.tell("declined", row.service, instance=row.name, reason=reason)
                await self._fleet.reporting.forget(row.name)

    async def _try_elsewhere(self, service: Service, row: Row) -> None:
        """Start an instance on another host than the one that did not; tell those who wait where there is none."""
        service.avoided.add(row.host)
        hosts = [host for host in await self._fleet.state.hosts() if host.name not in service.avoided]
        if place(self._fleet.host, hosts, anywhere=service.definition.in_host_network) is None:
            service.avoided.clear()
            service.failed(f"the host {row.host} has not started it", row.name)

    async def _reclaim(self, service: Service, instance: Instance) -> None:
        """Have an instance back that all took for gone with this host; end it if the service can do without."""
        try:
            if await self._fleet.state.reserve(instance.row, service.needed()):
                return
        except StateError as error:
            self._fleet.reporting.lose(error)
            return
        finally:
            self._reclaimed.discard(instance.name)
        await service.ending.end(instance, "its host counted as gone")
