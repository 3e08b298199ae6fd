"""One life of a container after the other, until it is not started again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from socket import socket
from time import monotonic
from typing import TYPE_CHECKING

from haconiwa_runtime.waiting import within

from haconiwa_core.container import Container
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.planning.baseline import STREAMS
from haconiwa_core.planning.plan import Plan
from haconiwa_core.runtime.processes import SETUP_FAILED, End
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.supervisor import TERMINAL
from haconiwa_supervision.container.life import Life
from haconiwa_supervision.container.restarting import restart_delay, wants_restart

if TYPE_CHECKING:
    from haconiwa_supervision.container.supervised import Supervised


_MOMENT = 0.1
"""Seconds for which a plan is good without a look at the host."""


class Lives:
    """The lives of a container, of which the last one ends it for good.

    Args:
        container: whose they are.

    Attributes:
        present: or the last, when that has ended.
        is_clean: whether nothing that a life has left on the host is still there.
    """

    def __init__(self, container: Supervised) -> None:
        self._container = container
        self._supervisor = container.supervisor
        self._streams: dict[str, int] = {}
        self._waiting: asyncio.Event | None = None
        self._again: asyncio.Future[None] | None = None
        self._made: tuple[float, Plan] | None = None
        self.is_clean = True
        self.present = self._new(container.definition.container.hooks)

    def _new(self, hooks: Sequence[Hook]) -> Life:
        return Life(self._container, hooks)

    @property
    def is_waiting(self) -> bool:
        """Whether it has ended, and is started again in a while."""
        return self._waiting is not None

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody waits for the next one."""
        return self._again is not None

    # How they begin.

    async def plan(self) -> None:
        """Plan it, so that all that is wrong is told before anything is started.

        Raises:
            DefinitionError: it cannot be planned.
            SetupError: a hook vetoes.
        """
        try:
            await self.present.firing.fire("before_plan")
            made = await self._supervisor.work(self._planned)
            self._made = self._supervisor.loop.time(), made
        except Exception as error:
            await self.present.fail(error)
            raise
        self._container.emit("planned", **({"warnings": list(made.warnings)} if made.warnings else {}))

    async def begin(self, streams: Mapping[str, int]) -> None:
        """Start it for the first time.

        Args:
            streams: descriptors for the standard streams that are inherited; they are copied.

        Raises:
            HaconiwaError: it could not be started, or is to end before.
        """
        # Who has them may have gone when it is started again.
        self._streams = {stream: os.dup(descriptor) for stream, descriptor in streams.items()}
        await self._start()
        # From now on its broker has it, and nobody else.
        if (first := self._streams.pop(TERMINAL, None)) is not None:
            os.close(first)
        self._follow(self._live())

    def adopt(self, running: Running, hooks: Sequence[Hook], messages: socket | None) -> None:
        """Go on with one that a former supervisor has started, which may have ended since.

        Args:
            running: it.
            hooks: its own and those of its plugins.
            messages: the socket that it sends messages to, if any.
        """
        container = self._container
        container.put_in_force(self._supervisor.plans.in_force(running.record))
        self.present = self._new(hooks)
        self.present.adopt(running, messages)
        container.emit("adopted", pid=running.pid)
        self._follow(self._live(adopted=True))
        if container.state.stopping is not None:
            container.stop_soon("it was asked to before its supervisor ended", container.state.stopping)

    def resume(self, end: End) -> None:
        """Go on with one that has ended, but not for good, when a former supervisor was there."""
        self.present.end = end
        self._follow(self._rest())

    async def start_again(self) -> None:
        """Start one again that had ended for good.

        Raises:
            HaconiwaError: it could not be started; it is let go of.
        """
        state = self._container.state
        state.ended, state.retired, state.stopping = False, False, None
        again = self._again = self._supervisor.loop.create_future()
        self.resume(SETUP_FAILED)
        await again

    async def _start(self) -> None:
        container = self._container
        try:
            plan = self._fresh()
            if plan is None:
                plan = await self._supervisor.work(self._planned)
            if container.state.retired:
                raise HaconiwaError(f"the container {container.name} was stopped before it was started")
            if missing := [stream for stream in _inherited(plan.container) if stream not in self._streams]:
                raise HaconiwaError(f"nobody knows any more where {', '.join(missing)} of {container.name} leads")
        except Exception as error:
            await self.present.fail(error)
            raise
        # In a former life, limits may have been changed.
        container.put_in_force(plan.container)
        await self.present.start(plan, self._streams)

    def _fresh(self) -> Plan | None:
        """Return the plan that was made a moment ago, if there is one: the host is still what it was."""
        made, self._made = self._made, None
        return made[1] if made and self._supervisor.loop.time() - made[0] < _MOMENT else None

    def _planned(self) -> Plan:
        return self._supervisor.plans.plan(self._container.definition, self._container.claim.directory)

    # How one follows the other.

    def _follow(self, life: Awaitable[float | None]) -> None:
        self._container.tasks.begin(self._follow_all(life))

    async def _follow_all(self, life: Awaitable[float | None]) -> None:
        """Live one life after the other, until it is not started again; then let go of it.

        Args:
            life: the present one, or what is left of it; gives the seconds until the next one, None for none.
        """
        container = self._container
        # Whatever goes wrong, a container comes to its end.
        if not await container.or_fault(self._until_the_last(life)):
            self.is_clean = False
        container.state.ended, container.state.waits_until = True, None
        container.note()
        container.let_go(remove=self.is_clean and container.state.remove)

    async def _until_the_last(self, life: Awaitable[float | None]) -> bool:
        """Live one life after the other; return whether nothing of the last one is left."""
        delay = await life
        while delay is not None and await self._wait(delay):
            delay = await self._live() if await self._starts_again() else self._delay()
        return self.is_clean

    async def _live(self, *, adopted: bool = False) -> float | None:
        self.is_clean = await self.present.live(adopted=adopted)
        return self._delay() if self.is_clean else None

    async def _rest(self) -> float | None:
        waits_until = self._container.state.waits_until
        if waits_until is not None:
            return max(0.0, waits_until - monotonic())
        if not self._again:
            await self.present.conclude()
        return self._delay()

    def _delay(self) -> float | None:
        """Return after how many seconds it is started again; None where it is not."""
        container, policy, state = self._container, self._container.policy, self._container.state
        if state.retired:
            return None
        if self._again:
            state.in_a_row = 0
            return 0.0
        if not wants_restart(policy, self.present.end.exit_status if self.present.end else None):
            return None
        if monotonic() - state.started >= policy.restart_reset:
            state.in_a_row = 0
        delay = restart_delay(policy, state.in_a_row)
        if delay is None:
            container.emit("given up", reason=f"it was started again {state.in_a_row} times in a row")
        else:
            state.in_a_row += 1
        return delay

    async def _wait(self, delay: float) -> bool:
        """Wait until it is started again; return whether it still is to be."""
        container, state = self._container, self._container.state
        state.restarts += state.waits_until is None
        container.emit("restarting", seconds=delay)
        state.waits_until = monotonic() + delay
        container.note()
        self._waiting = asyncio.Event()
        with suppress(TimeoutError):
            await within(delay, self._waiting.wait())
        self._waiting = None
        return not state.retired

    async def _starts_again(self) -> bool:
        """Start it again, and tell who has asked for that; return whether it was started."""
        again, self._again = self._again, None
        self.present.tell_broker()
        self.present = self._new(self._container.definition.container.hooks)
        try:
            await self._start()
        except Exception as error:  # noqa: BLE001 - whatever it is, that start has failed
            _answer(again, error)
            return False
        finally:
            self._container.state.waits_until = None
        self._container.note()
        _answer(again, None)
        return True

    # What may be asked of them.

    async def restart(self, timeout: float | None) -> None:
        """End the present one, and begin the next at once.

        Args:
            timeout: seconds until all of it is killed; its own by default.

        Raises:
            HaconiwaError: it could not be started again.
        """
        again = self._again = self._supervisor.loop.create_future()
        if self._waiting:
            self._waiting.set()
        else:
            await self.present.stop(timeout)
        await asyncio.shield(again)

    def wake(self) -> None:
        """Look now whether there is to be another one."""
        if self._waiting:
            self._waiting.set()

    def close(self) -> None:
        """Let there be no other: who waits for it is told, and nothing is kept for it."""
        for descriptor in self._streams.values():
            os.close(descriptor)
        self._streams = {}
        _answer(self._again, HaconiwaError(f"the container {self._container.name} was stopped"))
        self._again = None


def _answer(waiting: asyncio.Future[None] | None, error: Exception | None) -> None:
    """Tell who waits for a start, if anybody does, how it has ended."""
    if waiting is None or waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
        waiting.exception()  # Who has asked may have gone.


def _inherited(container: Container) -> list[str]:
    if container.terminal:
        return []
    return [stream for stream in STREAMS if getattr(container, stream) == "inherit"]
