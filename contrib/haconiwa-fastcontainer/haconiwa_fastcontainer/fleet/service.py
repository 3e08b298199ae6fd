"""One service: its instances, and the requests that wait for one."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from haconiwa_runtime.waiting import within

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.fleet.breaker import Breaker
from haconiwa_fastcontainer.fleet.instance import Instance
from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.fleet.use import Use
from haconiwa_fastcontainer.services import Definition
from haconiwa_fastcontainer.state import Row

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet

_YOUNG = 10.0
"""An instance that ends by itself within so many seconds was a failure."""

_PATIENCE = 0.02
"""Seconds between two looks at connections that are to end."""


class Service:
    """Instances of one definition, as one front knows them.

    Args:
        definition: the present one; instances of former ones are replaced.
        fleet: what it shares with the others.

    Attributes:
        instances: by name; also those of other hosts.
        waiting: requests that wait for one, the oldest first.
        breaker: whether something may be started.
        wanted: how many instances there are to be, as the rules of scaling have decided; at least what requests need.
        replacing: instances that stay until another one has taken their place.
    """

    def __init__(self, definition: Definition, fleet: Fleet) -> None:
        self.definition = definition
        self.instances: dict[str, Instance] = {}
        self.waiting: deque[asyncio.Future[Instance]] = deque()
        self.breaker = Breaker()
        self.wanted = definition.options.least
        self.replacing = 0
        self._fleet = fleet

    @property
    def name(self) -> str:
        """Of the definition."""
        return self.definition.name

    @property
    def in_flight(self) -> int:
        """Requests and connections of this front that have an instance."""
        return sum(instance.in_flight for instance in self.instances.values())

    def of_phase(self, *phases: str) -> list[Instance]:
        """Return the instances that do one of some things."""
        return [instance for instance in self.instances.values() if instance.row.phase in phases]

    # Who uses them.

    async def acquire(self, *, wakes: bool = True) -> Use:
        """Give an instance to a request or a connection, which has to release it.

        One is started where none has room, and there may be another one.

        Args:
            wakes: start one where none runs.

        Raises:
            RefusedError: there is none, and none within the time that a request may wait.
        """
        began = time.monotonic()
        instance = self._with_room() if not self.waiting else None
        if instance:
            return Use(self, instance, began, cold=False)
        options = self.definition.options
        if not wakes and not self.of_phase("asked", "starting", "running"):
            raise RefusedError(f"{self.name} sleeps, and this request does not wake it", retry_after=options.hold)
        if not self.of_phase("running", "starting", "asked") and self.breaker.wait(began):
            raise self._broken(began)
        if len(self.waiting) >= options.queue:
            raise RefusedError(f"{self.name}: {len(self.waiting)} requests wait already")
        cold = not self.of_phase("running")
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        self._fleet.attend(self)
        try:
            return Use(self, await within(options.hold, waiter), began, cold=cold)
        except (TimeoutError, asyncio.CancelledError) as error:
            # It may have been granted at this very moment.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())
            if isinstance(error, asyncio.CancelledError):
                raise
            raise RefusedError(f"{self.name}: no instance within {options.hold:g} s") from None
        finally:
            with suppress(ValueError):
                self.waiting.remove(waiter)

    def release(self, instance: Instance) -> None:
        """Take an instance back from a request; the next one that waits gets it."""
        instance.in_flight -= 1
        instance.used = time.monotonic()
        self.grant()

    def grant(self) -> None:
        """Give instances that have room to requests that wait."""
        while self.waiting and (instance := self._with_room()):
            waiter = self.waiting.popleft()
            if waiter.done():
                instance.in_flight -= 1
            else:
                waiter.set_result(instance)

    def _with_room(self) -> Instance | None:
        """Take the instance that is used least, of the present generation if there is one."""
        most = self.definition.options.concurrency
        able = [item for item in self.of_phase("running") if item.in_flight < most]
        generation = self.definition.generation
        able = [item for item in able if item.row.generation == generation] or able
        if not able:
            return None
        chosen = min(able, key=lambda item: item.in_flight)
        chosen.in_flight += 1
        chosen.used = time.monotonic()
        return chosen

    def _broken(self, now: float) -> RefusedError:
        return RefusedError(
            f"{self.name} is not started: {self.breaker.reason}",
            status=502,
            retry_after=self.breaker.wait(now),
            instance=self.breaker.instance,
        )

    # How many there are.

    def needed(self) -> int:
        """Return how many instances there should be, by what is asked for now and by the rules."""
        options = self.definition.options
        in_flight = sum(instance.in_flight for instance in self.of_phase("running"))
        by_load = math.ceil((in_flight + len(self.waiting)) / options.concurrency)
        return max(options.least, min(options.most, max(by_load, self.wanted))) + self.replacing

    def failed(self, reason: str, instance: str) -> None:
        """Note that an instance could not be started, or has ended at once; who waits for the first one is told."""
        now = time.monotonic()
        self.breaker = self.breaker.failed(now, reason, instance)
        self._fleet.tell("failed", self, instance=instance, reason=reason, failures=self.breaker.failures)
        if self.of_phase("running", "starting", "asked"):
            return
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_exception(self._broken(now))

    # When they end.

    async def may_end(self, name: str, why: str) -> bool:
        """Let an instance of this host get no more requests, and return whether it may end now.

        Args:
            name: of the instance.
            why: "idle": it goes on where somebody uses it. "life": another one is started first, where it is used, and
                what it does has the time of `drain` to come to an end.
        """
        instance = self.instances.get(name)
        if instance is None or instance.row.phase not in ("running", "warm"):
            return instance is None
        if why == "idle":
            return await self._may_rest(instance)
        await self.drain(instance, why)
        return True

    async def _may_rest(self, instance: Instance) -> bool:
        options = self.definition.options
        outdated = instance.row.generation != self.definition.generation
        if len(self.of_phase("running")) <= options.least and not outdated:
            return False
        if instance.in_flight or time.monotonic() - instance.used < options.idle:
            return False
        await self._fleet.change(instance, "draining")
        await asyncio.sleep(self._fleet.grace)
        if not instance.in_flight and not await instance.is_connected_to():
            self._fleet.tell("stopping", self, instance=instance.name, reason="idle")
            return True
        instance.used = time.monotonic()
        await self._fleet.change(instance, "running")
        self.grant()
        return False

    async def drain(self, instance: Instance, why: str) -> None:
        """Give an instance no more requests, and wait until it has no more to do, or the time for that has passed."""
        options = self.definition.options
        self._fleet.tell("draining", self, instance=instance.name, reason=why)
        await self._replace(instance)
        deadline = time.monotonic() + options.drain
        await self._fleet.change(instance, "draining")
        self._fleet.attend(self)
        await asyncio.sleep(self._fleet.grace)
        while time.monotonic() < deadline and (instance.in_flight or await instance.is_connected_to()):
            await asyncio.sleep(_PATIENCE)
        self._fleet.tell("stopping", self, instance=instance.name, reason=why)

    async def _replace(self, instance: Instance) -> None:
        """Start another instance in place of one that is used, and wait until it is ready, or cannot be started."""
        options = self.definition.options
        running = self.of_phase("running")
        is_used = time.monotonic() - instance.used < (options.idle or math.inf)
        if not is_used or len(running) > max(options.least, 1):
            return
        deadline = time.monotonic() + options.start_timeout
        failures = self.breaker.failures
        self.replacing += 1
        try:
            self._fleet.attend(self)
            while time.monotonic() < deadline and self.breaker.failures == failures:
                if len(self.of_phase("running")) > len(running):
                    return
                await asyncio.sleep(_PATIENCE)
        finally:
            self.replacing -= 1

    def has_ended(self, instance: Instance) -> None:
        """Note that an instance's first process has ended."""
        if instance.row.phase != "draining" and time.time() - instance.row.since < _YOUNG:
            self.failed("it has ended by itself", instance.name)

    # What others have changed.

    def update(self, rows: Mapping[str, Row]) -> Iterator[Row]:
        """Take over what the state says; yield the rows that this front does not know yet."""
        for name, row in rows.items():
            if name not in self.instances:
                yield row
            elif row.since > self.instances[name].row.since:
                self.instances[name].row = row
        for name in self.instances.keys() - rows.keys():
            # Of one that runs here, its process tells.
            if self.instances[name].row.host != self._fleet.host.name:
                self.instances.pop(name).close()


def reason_of(error: BaseException) -> str:
    """Return an error in one line."""
    return str(error) if isinstance(error, HaconiwaError) else f"{type(error).__name__}: {error}"
