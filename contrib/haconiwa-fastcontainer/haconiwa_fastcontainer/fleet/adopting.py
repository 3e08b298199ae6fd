"""Instances that a former front has left: a front goes on with them, and forgets what is not there any more."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from haconiwa_core.linux.host import start_time
from haconiwa_fastcontainer.fleet.instance import Instance
from haconiwa_fastcontainer.state import Row

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet

_LAST_REQUESTS = 30.0
"""Seconds that requests of a former front get to end, where a service is declared no more."""

_POLL = 0.25


class Adopting:
    """Takes over what runs on this host.

    Args:
        fleet: of the front.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def adopt(self) -> None:
        """Go on with the instances that run here, and forget those that do not."""
        rows = {row.name: row for row in await self._fleet.state.rows() if row.host == self._fleet.host.name}
        found = await self._fleet.work(
            lambda: [(record.name, runs) for record, runs in self._fleet.containers.instances()]
        )
        for name, runs in found:
            row = rows.pop(name, None)
            service = self._fleet.services.get(row.service) if row else None
            if row and row.phase == "starting" and _lives(row.owner):
                continue  # The front that starts it is about to leave.
            if runs and row and service and row.phase in ("running", "draining", "warm"):
                self._fleet.add(service, row, await self._fleet.work(partial(self._fleet.containers.subject, name)))
                continue
            if row:
                await self._fleet.state.remove(name)
            if runs and row and row.phase != "starting":
                self._fleet.begin(self._dismiss(row))
            elif runs:
                await self._fleet.work(partial(self._fleet.containers.stop, name, 0.0))
            else:
                await self._fleet.keep(name)
        for name, row in rows.items():
            if row.phase != "asked" and not _lives(row.owner):
                await self._fleet.state.remove(name)
        await self._fleet.sharing.refresh("")

    async def _dismiss(self, row: Row) -> None:
        """End an instance of a service that is declared no more; a former front may still have requests there."""
        instance = Instance(
            row, await self._fleet.work(partial(self._fleet.containers.subject, row.name)), lambda _: None
        )
        deadline = time.monotonic() + _LAST_REQUESTS
        try:
            while time.monotonic() < deadline and await instance.is_connected_to():
                await asyncio.sleep(_POLL)
        finally:
            instance.close()
        await self._fleet.stop(row.name)


def _lives(owner: str) -> bool:
    """Return whether a front that starts an instance on this host still does."""
    pid, _, ticks = owner.partition(":")
    return bool(pid) and start_time(int(pid)) == int(ticks)
