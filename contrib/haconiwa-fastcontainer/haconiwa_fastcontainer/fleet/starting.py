"""Instances are started: as many as a service needs, where there is room, one start for each."""

from __future__ import annotations

import secrets
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from haconiwa_runtime.waiting import within

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.fleet.addresses import shared_address
from haconiwa_fastcontainer.fleet.containers import GoneError
from haconiwa_fastcontainer.fleet.placement import place
from haconiwa_fastcontainer.fleet.service import COUNTED, reason_of
from haconiwa_fastcontainer.state import Phase, Row, StateError

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.service import Service

_LONGEST_NAME = 100
"""Characters of a service's name that are part of its instances' names, which have 128 at most."""


class Starting:
    """Gives services the instances that they need.

    Args:
        fleet: of the front.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._busy: set[str] = set()
        self._again: set[str] = set()

    def attend(self, service: Service) -> None:
        """Begin to give a service the instances that it needs now."""
        if self._fleet.is_closed or len(service.within_reach(*COUNTED)) >= service.needed():
            return
        if service.name in self._busy:
            self._again.add(service.name)
            return
        self._busy.add(service.name)
        self._fleet.begin(self._attend(service))

    async def _attend(self, service: Service) -> None:
        try:
            while True:
                self._again.discard(service.name)
                await self._fill(service)
                if service.name not in self._again:
                    return
        except StateError as error:
            # It is tried again each second; requests wait as long as they may.
            self._fleet.reporting.lose(error)
        finally:
            self._busy.discard(service.name)

    async def _fill(self, service: Service) -> None:
        """Start instances until there are as many as are needed."""
        while not service.breaker.wait(time.monotonic()):
            wanted = service.needed()
            if len(service.within_reach(*COUNTED)) >= wanted:
                return
            if self._fleet.warming.take(service):
                continue
            hosts = await self._fleet.state.hosts()
            host = place(self._fleet.host, hosts, anywhere=service.definition.in_host_network, avoided=service.avoided)
            if host is None:
                service.refuse_full()
                return
            row = self._new_row(service, host)
            if not await self._reserve(service, row, wanted + len(service.out_of_reach())):
                await self._fleet.sharing.refresh(service.name)
                service.refuse_out_of_reach()
                return
            if row.phase == "starting":
                self._fleet.begin(self.start(service, row))

    async def _reserve(self, service: Service, row: Row, fewer_than: int) -> bool:
        """Add a new instance to the state; return whether there was room for it."""
        if row.phase == "starting":
            self._fleet.add(service, row)  # The state may tell of it before it answers.
        added = False
        try:
            added = await self._fleet.state.reserve(row, min(fewer_than + len(service.of_phase("warm")), service.most))
        finally:
            if not added:
                service.instances.pop(row.name, None)
            elif row.name not in service.instances:
                self._fleet.add(service, row)
        return added

    def _new_row(self, service: Service, host: str) -> Row:
        name = f"{service.name[:_LONGEST_NAME]}-{secrets.token_hex(4)}"
        is_own = host == self._fleet.host.name
        phase: Phase = "starting" if is_own else "asked"
        port = service.definition.options.port
        owner = self._fleet.owner if is_own else ""
        # What its host writes later holds, whatever the time is there.
        since = time.time() if is_own else 0.0
        return Row(name, service.name, host, phase, service.definition.generation, "", port, since, owner)

    async def start(self, service: Service, row: Row) -> None:
        """Start an instance on this host, and give it to who waits when it accepts connections."""
        definition, began = service.definition, time.monotonic()
        row = row._replace(port=row.port or _free_port(), address=shared_address(definition, self._fleet.host))
        container = definition.instance(self._fleet.control, row.port)
        try:
            subject = await self._fleet.work(
                partial(self._fleet.containers.start, container, row.name, definition.file)
            )
            executed = time.monotonic()
            instance = self._fleet.add(service, row, subject)
            await within(definition.options.start_timeout, instance.until_ready())
            if row.phase == "warm":
                await self._fleet.warming.keep(service, instance)
            else:
                await self._fleet.change(instance, "running")
        except (HaconiwaError, OSError) as error:
            await self.give_up(service, row, error)
            return
        service.avoided.clear()
        self._fleet.tell("started", service, instance=row.name, start=executed - began, ready=instance.ready)
        service.grant()

    async def start_warm(self, service: Service) -> bool:
        """Start an instance ahead on this host; return whether there was room for it."""
        row = self._new_row(service, self._fleet.host.name)._replace(phase="warm")
        service.warming += 1
        try:
            if not await self._fleet.state.reserve(row, service.most):
                return False
            await self.start(service, row)
            return row.name in service.instances
        finally:
            service.warming -= 1

    async def give_up(self, service: Service, row: Row, error: Exception) -> None:
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
        await self._fleet.reporting.forget(row.name)
        service.failed(reason, row.name)
        await self._fleet.work(partial(self._fleet.containers.kill, row.name))
        await self._fleet.keep(row.name)


def _free_port() -> int:
    """Return a TCP port of the host's that nobody has now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
