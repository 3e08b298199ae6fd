"""Carry out what the rules decide: it looks at every service again and again, and tells what it does, and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from haconiwa_runtime.client import ask_about

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.plugins.loading import Plugins
from haconiwa_fastcontainer.scaling.rules import Decision, Limit, Load, Number
from haconiwa_fastcontainer.scaling.sampling import Counted, cpu_need, memory_need
from haconiwa_fastcontainer.scaling.sizes import bytes_of

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service

_LOOK = 0.25
"""Seconds between two looks at how many instances there are; more are started at once when requests come."""

_LOOK_AT_LIMITS = 1.0
_SECTION = "cgroup"


class Scaler:
    """Scales the services of a front.

    Args:
        fleet: with the services.
        plugins: which read back what an instance uses.
    """

    def __init__(self, fleet: Fleet, plugins: Plugins) -> None:
        self._fleet = fleet
        self._plugins = plugins
        self._numbers: dict[str, Number] = {}
        self._limits: dict[tuple[str, str], Limit] = {}
        self._counted: dict[str, Counted] = {}
        self._leaving: set[str] = set()

    async def run(self) -> None:
        """Scale until this is cancelled."""
        looked = 0.0
        while True:
            now = time.monotonic()
            for service in self._fleet.services.values():
                if service.definition.options.most > 1:
                    self._number(service, now)
            if now - looked >= _LOOK_AT_LIMITS:
                looked = now
                for service in self._fleet.services.values():
                    await self._limit_all(service, now)
            await asyncio.sleep(_LOOK)

    # Out and in.

    def _number(self, service: Service, now: float) -> None:
        options = service.definition.options
        running = service.within_reach("asked", "starting", "running")
        asked = sum(item.in_flight for item in running) + len(service.waiting)
        load = Load(now, asked, len(running), options.concurrency)
        former = self._numbers.get(service.name, Number())
        self._numbers[service.name], decision = former.decide(load, options.rules, options.least, options.most)
        if decision is None:
            if not running:
                service.wanted = options.least
            return
        service.wanted = int(decision.value)
        self._tell(service, decision)
        if decision.direction == "out":
            self._fleet.starting.attend(service)
        elif able := [item for item in service.of_phase("running") if self._may_leave(item)]:
            leaving = min(able, key=lambda item: (item.in_flight, item.used))
            self._leaving.add(leaving.name)
            self._fleet.begin(self._leave(service, leaving))

    def _may_leave(self, instance: Instance) -> bool:
        return instance.row.host == self._fleet.host.name and instance.name not in self._leaving

    async def _leave(self, service: Service, instance: Instance) -> None:
        try:
            await service.ending.end(instance, "scaled in")
        finally:
            self._leaving.discard(instance.name)

    # Up and down.

    async def _limit_all(self, service: Service, now: float) -> None:
        rules, section = service.definition.options.rules, service.definition.container.feature(_SECTION)
        if section is None or (rules.memory_most is None and rules.cpu_most is None):
            return
        for instance in service.of_phase("running"):
            if instance.row.host != self._fleet.host.name:
                continue
            try:
                status = await self._fleet.work(partial(self._plugins.status, section, instance.name))
                if status:
                    await self._limit(service, instance, status, now)
            except (HaconiwaError, OSError) as error:
                if instance.name in service.instances:
                    self._fleet.tell("not scaled", service, instance=instance.name, reason=str(error))

    async def _limit(self, service: Service, instance: Instance, status: Mapping[str, Any], now: float) -> None:
        options = service.definition.options
        section: Any = service.definition.container.feature(_SECTION)
        if options.rules.memory_most and (need := memory_need(status, now)) and section.memory:
            most = bytes_of(options.rules.memory_most)
            key = instance.name, "memory"
            former = self._limits.get(key, Limit())
            self._limits[key], decision = former.decide(need, options.rules, bytes_of(section.memory), most)
            if decision:
                await self._change(service, instance, decision, {"memory": int(decision.value)})
        need, self._counted[instance.name] = cpu_need(status, self._counted.get(instance.name), now)
        if options.rules.cpu_most and need and section.cpu:
            key = instance.name, "cpu"
            former = self._limits.get(key, Limit())
            self._limits[key], decision = former.decide(need, options.rules, section.cpu, options.rules.cpu_most)
            if decision:
                await self._change(service, instance, decision, {"cpu": round(decision.value, 2)})

    async def _change(
        self, service: Service, instance: Instance, decision: Decision, values: Mapping[str, float]
    ) -> None:
        store = self._fleet.containers.store
        await self._fleet.work(partial(ask_about, store, instance.name, "update", sections={_SECTION: dict(values)}))
        self._tell(service, decision, instance=instance.name, **values)

    def _tell(self, service: Service, decision: Decision, **more: object) -> None:
        told = {"direction": decision.direction, "reason": decision.reason, **more}
        if "instance" not in more:
            told["instances"] = int(decision.value)
        self._fleet.tell("scaled", service, **told)
