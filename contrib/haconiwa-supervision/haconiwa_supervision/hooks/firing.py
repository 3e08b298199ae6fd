"""The hooks of one container: when each of them runs, and what follows from how that went."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Mapping, Sequence
from time import monotonic
from typing import Any, Protocol

from haconiwa_core.errors import HaconiwaError, SetupError
from haconiwa_core.hooks.hook import After, Every, Hook, OnCall, OnPressure, OnSignal
from haconiwa_supervision.hooks.calls import Outcome
from haconiwa_supervision.state import State


class Subject(Protocol):
    """The container that hooks belong to, as they need it."""

    name: str
    state: State

    async def run_hook(self, hook: Hook, facts: Mapping[str, Any]) -> Outcome:
        """Run a hook in its worker."""

    def note(self) -> None:
        """Write the state."""

    def emit(self, event: str, **more: Any) -> None:
        """Tell an event."""

    def stop_soon(self, reason: str) -> None:
        """Begin to stop the container."""


class Firing:
    """Runs the hooks of one container.

    Args:
        subject: the container.
        hooks: in the order in which those of one event run.
        running: what runs at this moment is kept here, so that it is not lost.
    """

    def __init__(self, subject: Subject, hooks: Sequence[Hook], running: set[asyncio.Task[Any]]) -> None:
        self._subject = subject
        self.hooks = tuple(hooks)
        self._tasks = running
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._under_way: dict[str, int] = {}
        self._queued: set[str] = set()

    @property
    def pressures(self) -> list[tuple[Hook, OnPressure]]:
        """The hooks that wait for pressure."""
        return [(hook, hook.trigger) for hook in self.hooks if isinstance(hook.trigger, OnPressure)]

    def listens_to(self, event: str) -> bool:
        """Return whether a hook waits for an event."""
        return any(hook.event == event for hook in self.hooks)

    async def fire(self, event: str, **facts: Any) -> None:
        """Run the hooks of an event, one after the other.

        Raises:
            SetupError: one of them vetoes; those after it do not run.
        """
        for hook in self.hooks:
            if hook.event == event:
                await self.run(hook, {"kind": "on", "event": event, **facts}, vetoes=hook.failure == "veto")

    def fire_soon(self, event: str, **facts: Any) -> None:
        """Begin to run the hooks of an event."""
        if self.listens_to(event):
            self._soon(self.fire(event, **facts))

    def arm(self, *, ready: bool) -> None:
        """Let timers begin that have not begun: those that wait for the start, and when it is ready the others."""
        state = self._subject.state
        for hook in self.hooks:
            trigger = hook.trigger
            if not isinstance(trigger, (After, Every)) or (trigger.after_ready and not ready):
                continue
            known = state.hook(hook.name)
            if known.done or hook.name in self._timers:
                continue
            if known.due is None:
                base = state.ready if trigger.after_ready else state.started
                known.due = (base if base is not None else monotonic()) + _period(trigger)
            self._set(hook, known.due)
        if self._timers:
            self._subject.note()

    def disarm(self) -> None:
        """Stop all timers; one that begins again begins anew."""
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        self._queued.clear()
        for known in self._subject.state.hooks.values():
            known.due, known.done, known.fired = None, False, 0

    def pause(self) -> None:
        """Stop all timers of a supervisor that ends; the next one goes on with them."""
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    async def signal(self, name: str) -> int:
        """Run the hooks of a signal; return how many there are."""
        hooks = [hook for hook in self.hooks if isinstance(hook.trigger, OnSignal) and hook.trigger.signal == name]
        for hook in hooks:
            await self.run(hook, {"kind": "on_signal", "signal": name, "number": signal.Signals[name].value})
        return len(hooks)

    async def call(self, command: str, args: Mapping[str, str]) -> Outcome:
        """Run the hook of a command.

        Raises:
            HaconiwaError: there is none.
        """
        known = {hook.trigger.command: hook for hook in self.hooks if isinstance(hook.trigger, OnCall)}
        if command not in known:
            there = ", ".join(sorted(known)) or "none"
            raise HaconiwaError(f"the container {self._subject.name} has no command {command!r}; it has {there}")
        return await self.run(known[command], {"kind": "on_call", "command": command}, args=dict(args))

    def pressed(self, hook: Hook) -> None:
        """Run a hook that waits for pressure, unless it still runs."""
        if not self._under_way.get(hook.name):
            self._soon(self.run(hook, {"kind": "on_pressure"}))

    def cancel(self, hook: Hook) -> None:
        """Take a hook off: it does not run any more."""
        self._subject.state.hook(hook.name).done = True
        if handle := self._timers.pop(hook.name, None):
            handle.cancel()
        self._subject.note()

    async def run(
        self, hook: Hook, event: Mapping[str, Any], *, args: Mapping[str, Any] | None = None, vetoes: bool = False
    ) -> Outcome:
        """Run a hook, note how it went, and do what its failure means.

        Raises:
            SetupError: it has failed, and vetoes.
        """
        known = self._subject.state.hook(hook.name)
        known.runs += 1
        self._under_way[hook.name] = self._under_way.get(hook.name, 0) + 1
        try:
            outcome = await self._subject.run_hook(hook, {"event": dict(event), "args": dict(args or {})})
        finally:
            self._under_way[hook.name] -= 1
        failed = outcome.status != "returned"
        reason = _last_line(outcome.error) if failed else ""
        known.failures += failed
        known.last = f"{outcome.status}: {reason}" if reason else outcome.status
        self._subject.emit(
            "hook",
            hook=hook.name,
            trigger=event.get("event", event["kind"]),
            outcome=outcome.status,
            seconds=round(outcome.seconds, 6),
            **({"reason": reason, "traceback": outcome.error} if failed else {}),
            **({"output": outcome.output} if outcome.output else {}),
        )
        self._subject.note()
        if failed and vetoes:
            raise SetupError(
                plugin=hook.name.partition(":")[0] if ":" in hook.name else "definition",
                stage=hook.event,
                attempted=f"run the hook {hook.name}",
                reason=f"{outcome.status}: {reason}" if reason else outcome.status,
                remedy='it vetoes the start; write failure="warn" where it should not',
            )
        if failed and hook.failure == "stop":
            self._subject.stop_soon(f"the hook {hook.name} has failed")
        return outcome

    def _set(self, hook: Hook, due: float) -> None:
        self._timers[hook.name] = asyncio.get_running_loop().call_at(due, self._due, hook)

    def _due(self, hook: Hook) -> None:
        known = self._subject.state.hook(hook.name)
        del self._timers[hook.name]
        trigger = hook.trigger
        if isinstance(trigger, Every):
            # From when it should have been, so that periods do not grow; those that were missed are left out.
            period = _period(trigger)
            known.due = max((known.due or 0.0) + period, monotonic())
            busy = self._under_way.get(hook.name, 0) > 0
            skipped = busy and trigger.overlap == "skip"
            known.fired += not skipped
            known.done = 0 < trigger.limit <= known.fired
            if not known.done:
                self._set(hook, known.due)
            if busy and trigger.overlap == "queue":
                self._queued.add(hook.name)
            if busy and trigger.overlap != "run":
                return
        else:
            known.due, known.done = None, True
        self._soon(self._run_timed(hook))

    async def _run_timed(self, hook: Hook) -> None:
        kind = "every" if isinstance(hook.trigger, Every) else "after"
        await self.run(hook, {"kind": kind})
        while hook.name in self._queued:
            self._queued.discard(hook.name)
            await self.run(hook, {"kind": kind})

    def _soon(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _period(trigger: After | Every) -> float:
    if isinstance(trigger, After):
        return trigger.seconds
    return trigger.seconds + random.uniform(0, trigger.jitter)  # noqa: S311 - it only spreads them


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
