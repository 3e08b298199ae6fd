"""One service: its instances, and the requests that wait for one."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from typing import TYPE_CHECKING

from haconiwa_runtime.waiting import within

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.fleet.breaker import Breaker
from haconiwa_fastcontainer.fleet.ending import Ending
from haconiwa_fastcontainer.fleet.instance import Instance
from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.fleet.use import Use
from haconiwa_fastcontainer.services import Definition
from haconiwa_fastcontainer.state import Row

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet

_YOUNG = 10.0
"""An instance that ends by itself within so many seconds was a failure."""


COUNTED = ("asked", "starting", "running")
"""Phases of the instances that a service counts on."""


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
        ending: ends them.
        replacing: instances that stay until another one has taken their place.
        refused: requests that got no instance, by the status of the answer.
        warming: instances that are started ahead, and are not ready yet.
        avoided: hosts that have not started it when they were asked to.
    """

    def __init__(self, definition: Definition, fleet: Fleet) -> None:
        self.definition = definition
        self.instances: dict[str, Instance] = {}
        self.waiting: deque[asyncio.Future[Instance]] = deque()
        self.breaker = Breaker()
        self.wanted = definition.options.least
        self.refused: Counter[int] = Counter()
        self.replacing = 0
        self.warming = 0
        self.ending = Ending(self, fleet)
        self.avoided: set[str] = set()
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

    def within_reach(self, *phases: str) -> list[Instance]:
        """Return those of the instances of some phases that this front can use, as far as it knows."""
        return [instance for instance in self.of_phase(*phases) if self._is_within_reach(instance)]

    def out_of_reach(self) -> list[Instance]:
        """Return the instances that only the fronts of their own hosts can use."""
        counted = self.of_phase(*COUNTED)
        return [instance for instance in counted if not self._is_within_reach(instance)]

    def _is_within_reach(self, instance: Instance) -> bool:
        row = instance.row
        if row.host == self._fleet.host.name or row.address:
            return True
        return row.phase in ("asked", "starting") and self.definition.in_host_network

    # Who uses them.

    async def acquire(self, *, wakes: bool = True) -> Use:
        """Give an instance to a request or a connection, which has to release it.

        One is started where none has room, and there may be another one.

        Args:
            wakes: start one where none runs, and keep it from being idle.

        Raises:
            RefusedError: there is none, and none within the time that a request may wait.
        """
        try:
            return await self._acquire(wakes=wakes)
        except RefusedError as refused:
            self.refused[refused.status] += 1
            raise

    async def _acquire(self, *, wakes: bool) -> Use:
        began = time.monotonic()
        instance = self._with_room() if not self.waiting else None
        if instance:
            return Use(self, instance, began, cold=False, counts=wakes)
        options = self.definition.options
        if not wakes and not self.of_phase("asked", "starting", "running"):
            raise RefusedError(f"{self.name} sleeps, and this request does not wake it", retry_after=options.hold)
        if not self.of_phase("running", "starting", "asked") and self.breaker.is_open(began):
            raise self._broken(began)
        if len(self.waiting) >= options.queue:
            raise RefusedError(f"{self.name}: {len(self.waiting)} requests wait already")
        cold = not self.of_phase("running")
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        self._fleet.starting.attend(self)
        try:
            return Use(self, await within(options.hold, waiter), began, cold=cold, counts=wakes)
        except (TimeoutError, asyncio.CancelledError) as error:
            # It may have been granted at this very moment.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())
            if isinstance(error, asyncio.CancelledError):
                raise
            lost = self._fleet.reporting.lost
            raise RefusedError(f"{self.name}: no instance within {options.hold:g} s{lost and f': {lost}'}") from None
        finally:
            with suppress(ValueError):
                self.waiting.remove(waiter)

    def release(self, instance: Instance, *, counts: bool = True) -> None:
        """Take an instance back from a request; the next one that waits gets it.

        Args:
            instance: that was given.
            counts: whether this was use.
        """
        instance.in_flight -= 1
        if counts:
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
        now = time.monotonic()
        able = [item for item in self.within_reach("running") if item.in_flight < most and item.shunned <= now]
        generation = self.definition.generation
        able = [item for item in able if item.row.generation == generation] or able
        if not able:
            return None
        chosen = min(able, key=lambda item: (item.in_flight, item.used))
        chosen.in_flight += 1
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
        # Beside one that is replaced there is to be another one, although nothing may be asked for right now.
        wanted = max(by_load, self.wanted, min(self.replacing, 1))
        return max(options.least, min(options.most, wanted)) + self.replacing

    @property
    def most(self) -> int:
        """How many instances there may be on all hosts."""
        return self.definition.options.most + self.replacing + self.definition.options.warm

    def refuse_out_of_reach(self) -> None:
        """Refuse those who wait where all instances that there may be are used by their own hosts alone."""
        others = self.out_of_reach()
        if others and not self.within_reach("asked", "starting", "running"):
            hosts = ", ".join(sorted({instance.row.host for instance in others}))
            self._refuse(RefusedError(f"{self.name} runs on {hosts} alone, and is not reached from here"))

    def refuse_full(self) -> None:
        """Refuse those who wait for the first instance: no host takes another one."""
        if self.waiting and not self.of_phase(*COUNTED):
            reason = "no host takes another instance"
            self._fleet.tell("full", self, reason=reason)
            self._refuse(RefusedError(f"{self.name}: {reason}"))

    def failed(self, reason: str, instance: str) -> None:
        """Note that an instance could not be started; who waits for the first one is told."""
        self._count(reason, instance)
        if not self.of_phase("running", "starting", "asked"):
            self._refuse(self._broken(time.monotonic()))

    def _count(self, reason: str, instance: str) -> None:
        now = time.monotonic()
        self.breaker = self.breaker.failed(now, reason, instance)
        self._fleet.tell("failed", self, instance=instance, reason=reason, failures=self.breaker.failures)
        asyncio.get_running_loop().call_later(self.breaker.wait(now), self._fleet.starting.attend, self)

    def recover(self) -> None:
        """Forget former failures where an instance has lived for a while."""
        old = time.time() - _YOUNG
        if self.breaker.failures and any(instance.row.since < old for instance in self.of_phase("running")):
            self.breaker = Breaker()

    def _refuse(self, error: RefusedError) -> None:
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_exception(error)

    # When they end.

    def outdated(self) -> list[Instance]:
        """Return the instances of this host that are of another generation than the present one."""
        here = [item for item in self.of_phase("running", "warm") if item.row.host == self._fleet.host.name]
        return [item for item in here if item.row.generation != self.definition.generation]

    def has_ended(self, instance: Instance) -> None:
        """Note that an instance's first process has ended."""
        if instance.row.phase != "draining" and time.time() - instance.row.since < _YOUNG:
            self._count("it has ended by itself", instance.name)
            if self.breaker.is_open(time.monotonic()):
                self._refuse(self._broken(time.monotonic()))

    # What others have changed.

    def update(self, rows: Mapping[str, Row]) -> Iterator[Row]:
        """Take over what the state says; yield the rows of instances that are to be known anew."""
        for name, row in rows.items():
            known = self.instances.get(name)
            if known is None:
                yield row
            elif row.since > known.row.since:
                is_same_way = (row.address, row.port) == (known.row.address, known.row.port)
                if is_same_way and (known.subject or row.host != self._fleet.host.name):
                    known.row = row
                else:
                    yield row

    def forget_gone(self, rows: Mapping[str, Row], known: Set[str]) -> list[Instance]:
        """Return the instances that the state does not have any more; those of other hosts are forgotten.

        Args:
            rows: that the state has.
            known: names of the instances that were there when it was asked.
        """
        gone = [self.instances[name] for name in known & self.instances.keys() - rows.keys()]
        for instance in gone:
            if instance.row.host != self._fleet.host.name:
                del self.instances[instance.name]
        return gone


def reason_of(error: BaseException) -> str:
    """Return an error in one line."""
    return str(error) if isinstance(error, HaconiwaError) else f"{type(error).__name__}: {error}"
