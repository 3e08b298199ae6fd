"""Instances that are started ahead, and frozen until a request needs one (cgroups(7), the freezer)."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.store import Store

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service


class Warming:
    """Freezes and thaws instances of this host.

    Args:
        fleet: of the front.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def keep(self, service: Service, instance: Instance) -> None:
        """Keep an instance that has just become ready for later.

        Raises:
            HaconiwaError: it cannot be frozen.
            OSError: it has ended.
        """
        await self._fleet.work(partial(_set_frozen, self._fleet.containers.store, instance.name, True))
        await self._fleet.change(instance, "warm")
        self._fleet.tell("warm", service, instance=instance.name)

    def take(self, service: Service) -> bool:
        """Begin to use a warm instance; return whether there is one."""
        for instance in service.of_phase("warm"):
            if instance.subject and instance.name not in service.ending.under_way:
                # From here on nobody else takes it.
                instance.row = instance.row._replace(phase="starting")
                self._fleet.begin(self._thaw(service, instance))
                return True
        return False

    async def thaw(self, instance: Instance) -> None:
        """Let an instance go on.

        Raises:
            HaconiwaError, OSError: it has ended.
        """
        await self._fleet.work(partial(_set_frozen, self._fleet.containers.store, instance.name, False))

    async def _thaw(self, service: Service, instance: Instance) -> None:
        try:
            await self.thaw(instance)
        except (HaconiwaError, OSError) as error:
            # Nobody else notices that it has ended: it counts as one that is being started.
            await self._fleet.starting.give_up(service, instance.row, error)
            return
        await self._fleet.change(instance, "running")
        self._fleet.tell("thawed", service, instance=instance.name)
        service.grant()
        await self.fill(service)

    async def fill(self, service: Service) -> None:
        """Start instances until there are as many warm ones as there are to be."""
        while self._missing(service) > 0 and not service.breaker.wait(time.monotonic()):
            if not await self._fleet.starting.start_warm(service):
                return

    def _missing(self, service: Service) -> int:
        present = service.definition.generation
        warm = [item for item in service.of_phase("warm") if item.subject and item.row.generation == present]
        return service.definition.options.warm - len(warm) - service.warming


def _set_frozen(store: Store, name: str, frozen: bool) -> None:
    from haconiwa_cgroup.freezer import set_frozen

    group = store.read(name).group
    if not group:
        raise HaconiwaError(f"{name} has no control group, and cannot be frozen")
    set_frozen(Path(*group), frozen=frozen)
