"""Instances of a former definition or root are replaced, one after the other, without losing a request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.host import gather
from haconiwa_core.plugins.loading import Plugins
from haconiwa_fastcontainer.services import service_of

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.service import Service

_LOOK = 1.0
"""Seconds between two looks at what definitions have been planned from."""

Status = tuple[int, int, int, int] | None


class Replacing:
    """Looks for instances that are not what their definition says now.

    Args:
        fleet: of the front.
        plugins: where features come from.
    """

    def __init__(self, fleet: Fleet, plugins: Plugins) -> None:
        self._fleet = fleet
        self._plugins = plugins
        self._seen: dict[str, Sequence[Status]] = {}
        self._busy: set[str] = set()

    async def run(self) -> None:
        """Look until this is cancelled."""
        while True:
            for service in self._fleet.services.values():
                await self._renew(service)
                if service.outdated() and service.name not in self._busy:
                    self._busy.add(service.name)
                    self._fleet.begin(self._replace(service))
            await asyncio.sleep(_LOOK)

    async def _renew(self, service: Service) -> None:
        """Take note of another root: a file that the plan was made from has changed."""
        definition = service.definition
        now = [_status(path) for path in definition.inputs]
        former = self._seen.get(service.name)
        self._seen[service.name] = now
        if former is None or former == now:
            return
        make = partial(service_of, definition.container, self._plugins, gather(), definition.file)
        try:
            service.definition = await self._fleet.work(make)
        except HaconiwaError as error:
            self._fleet.tell("not renewed", service, reason=str(error))
            return
        if service.definition.generation != definition.generation:
            self._fleet.tell("renewed", service, reason="what its plan is made from has changed")

    async def _replace(self, service: Service) -> None:
        try:
            for instance in service.outdated():
                if not await service.ending.end(instance, "replaced"):
                    return  # The new ones cannot be started: those that can stay, until the next look.
        finally:
            self._busy.discard(service.name)


def _status(path: str) -> Status:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
