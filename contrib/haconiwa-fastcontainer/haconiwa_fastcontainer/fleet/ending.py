"""When instances of a service end, and how: no request is given to one that is about to."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service

_PATIENCE = 0.02
"""Seconds between two looks at connections that are to end."""


class Ending:
    """Ends the instances of one service that run on this host.

    Args:
        service: whose instances they are.
        fleet: that it is of.

    Attributes:
        under_way: names of those of which it is being found out whether they may end.
    """

    def __init__(self, service: Service, fleet: Fleet) -> None:
        self._service = service
        self._fleet = fleet
        self.under_way: set[str] = set()

    async def may_end(self, name: str, why: str) -> bool:
        """Let an instance of this host get no more requests, and return whether it may end now.

        Args:
            name: of the instance.
            why: "idle": it goes on where somebody uses it. "life": another one is started first, where it is used, and
                what it does has the time of `drain` to come to an end.
        """
        instance = self._service.instances.get(name)
        if instance is None:
            return True
        if instance.row.phase == "draining" and name not in self.under_way:
            # A former front has given it no more requests.
            return await self._is_done(instance)
        if instance.row.phase not in ("running", "warm") or name in self.under_way:
            return False
        self.under_way.add(name)
        try:
            return await self._may_end(instance, why)
        finally:
            self.under_way.discard(name)

    async def _may_end(self, instance: Instance, why: str) -> bool:
        if instance.row.phase == "warm":
            return why == "life" and await self.drain(instance, why)
        if why == "idle":
            return await self._may_rest(instance)
        return await self.drain(instance, why)

    async def _may_rest(self, instance: Instance) -> bool:
        options = self._service.definition.options
        outdated = instance.row.generation != self._service.definition.generation
        if len(self._service.of_phase("running")) <= options.least and not outdated:
            return False
        if self._fleet.grace and await instance.is_connected_to():
            instance.used = time.monotonic()  # By other fronts, of which this one knows nothing.
        if instance.in_flight or time.monotonic() - instance.used < options.idle or self._fleet.reporting.lost:
            return False  # While the state is away, nobody would learn of it.
        self._want_no_other_for(instance)
        await self._fleet.change(instance, "draining")
        await asyncio.sleep(self._fleet.grace)
        is_known = not self._fleet.reporting.lost
        if is_known and await self._is_done(instance):
            self._fleet.tell("stopping", self._service, instance=instance.name, reason="idle")
            return True
        instance.used = time.monotonic()
        await self._fleet.change(instance, "running")
        self._service.grant()
        return False

    def _want_no_other_for(self, instance: Instance) -> None:
        """Let an instance end without one in its place, which the rules of scaling have wanted once."""
        left = [item for item in self._service.of_phase("asked", "starting", "running") if item is not instance]
        self._service.wanted = min(self._service.wanted, len(left))

    async def _is_done(self, instance: Instance) -> bool:
        return not instance.in_flight and not await instance.is_connected_to()

    async def end(self, instance: Instance, why: str) -> bool:
        """Drain an instance of this host and stop it; the arguments, and what is returned, are those of `drain`."""
        if instance.name in self.under_way:
            return True
        self.under_way.add(instance.name)
        try:
            if not await self.drain(instance, why):
                return False
            await self._fleet.stop(instance.name)
            return True
        finally:
            self.under_way.discard(instance.name)

    async def drain(self, instance: Instance, why: str) -> bool:
        """Give an instance no more requests, and wait until it has no more to do, or the time for that has passed.

        Args:
            instance: of this host.
            why: "replaced" leaves it as it is where no other one can be started in its place.

        Returns:
            Whether it may end now.
        """
        options = self._service.definition.options
        is_warm = instance.row.phase == "warm"
        self._fleet.tell("draining", self._service, instance=instance.name, reason=why)
        if not is_warm and why != "scaled in" and not await self._replace(instance) and why == "replaced":
            self._fleet.tell("kept", self._service, instance=instance.name, reason=self._service.breaker.reason)
            return False
        deadline = time.monotonic() + options.drain
        self._want_no_other_for(instance)
        await self._fleet.change(instance, "draining")
        if is_warm:
            await self._fleet.warming.thaw(instance)
        self._fleet.starting.attend(self._service)
        await asyncio.sleep(self._fleet.grace)
        while time.monotonic() < deadline and not await self._is_done(instance):
            await asyncio.sleep(_PATIENCE)
        self._fleet.tell("stopping", self._service, instance=instance.name, reason=why)
        return True

    async def _replace(self, instance: Instance) -> bool:
        """Start another instance in place of one that is used; return whether there is one, or need not be."""
        options = self._service.definition.options
        running = self._service.of_phase("running")
        is_used = time.monotonic() - instance.used < (options.idle or math.inf)
        present = [
            item for item in running if item.row.generation == self._service.definition.generation and item != instance
        ]
        if not is_used or (present and len(running) > max(options.least, 1)):
            return True
        deadline = time.monotonic() + options.start_timeout
        failures = self._service.breaker.failures
        self._service.replacing += 1
        try:
            self._fleet.starting.attend(self._service)
            while time.monotonic() < deadline and self._service.breaker.failures == failures:
                if (
                    len(self._service.of_phase("running")) > len(running)
                    or instance.name not in self._service.instances
                ):
                    return True
                await asyncio.sleep(_PATIENCE)
            return False
        finally:
            self._service.replacing -= 1
