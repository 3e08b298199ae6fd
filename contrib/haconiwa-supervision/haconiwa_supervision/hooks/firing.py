"""The hooks of one container: when each of them runs, and what follows from how that went."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor
from time import monotonic
from typing import Any, Protocol, TypeVar

from haconiwa_core.errors import HaconiwaError, SetupError
from haconiwa_core.hooks.hook import After, Every, Hook, OnCall, OnPressure, OnSignal
from haconiwa_supervision.hooks.calls import Outcome
from haconiwa_supervision.state import HookState, State
from haconiwa_supervision.tasks import Tasks

T = TypeVar("T")

_SAME = 1e-6
"""A share of a period by which a timer may go off too early."""


class Subject(Protocol):
    """The container that hooks belong to, as they need it."""

    name: str
    state: State
    tasks: Tasks

    async def run_hook(self, hook: Hook, facts: Mapping[str, Any]) -> Outcome:
        """Run a hook in its worker."""

    def note_soon(self) -> None:
        """Write the state in a moment."""

    def emit(self, event: str, **more: Any) -> None:
        """Tell an event."""

    def warn(self, text: str, **context: object) -> None:
        """Write what is wrong into the log."""

    def stop_soon(self, reason: str) -> None:
        """Begin to stop the container."""


class Firing:
    """Runs the hooks of one life of a container.

    Args:
        subject: the container.
        hooks: in the order in which those of one event run.

    Attributes:
        events: those whose hooks `fire_soon` has begun to run.
    """

    def __init__(self, subject: Subject, hooks: Sequence[Hook]) -> None:
        self._subject = subject
        self.hooks = tuple(hooks)
        self.events: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._under_way: Counter[str] = Counter()
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
                await self.run_on(hook, **facts)

    async def run_on(self, hook: Hook, **facts: Any) -> None:
        """Run a hook of an event, unless it was cancelled.

        Raises:
            SetupError: it vetoes.
        """
        if self._known(hook).cancelled:
            return
        outcome = await self._run(hook, {"kind": "on", "event": hook.event, **facts})
        if outcome.status != "returned" and hook.failure == "veto":
            raise SetupError(
                plugin=hook.name.partition(":")[0] if ":" in hook.name else "definition",
                stage=hook.event,
                attempted=f"run the hook {hook.name}",
                reason=_summary(outcome),
                remedy='it vetoes the start; write failure="warn" where it should not',
            )

    def fire_soon(self, event: str, **facts: Any) -> asyncio.Task[None] | None:
        """Begin to run the hooks of an event, if there are any."""
        if not self.listens_to(event):
            return None
        task = self._subject.tasks.begin(self.fire(event, **facts))
        self.events.add(task)
        task.add_done_callback(self.events.discard)
        return task

    def arm(self, *, ready: bool) -> None:
        """Let timers begin that have not begun: those that wait for the start, and when it is ready the others."""
        state = self._subject.state
        for hook in self.hooks:
            if isinstance(hook.trigger, (After, Every)) and (ready or not hook.trigger.after_ready):
                begun = state.ready if hook.trigger.after_ready else state.started
                self._begin(hook, monotonic() if begun is None else begun)
        if self._timers:
            self._subject.note_soon()

    def _begin(self, hook: Hook, since: float) -> None:
        known = self._known(hook)
        if known.cancelled or hook.name in self._timers:
            return
        if known.since is None:
            known.since, known.due = since, _next(hook.trigger, since, since)
        if known.due is not None:
            self._set(hook, known.due)

    def change(self, hooks: Sequence[Hook], *, runs: bool, ready: bool) -> None:
        """Take other hooks: new timers begin now, those that are gone stop, and those that are the same go on.

        Args:
            hooks: instead of the present ones.
            runs: whether the container does.
            ready: whether it is.
        """
        former = {hook.name: hook.trigger for hook in self.hooks}
        self.hooks = tuple(hooks)
        same = {hook.name for hook in hooks if former.get(hook.name) == hook.trigger}
        state, now = self._subject.state, monotonic()
        for name in former.keys() - same:
            state.hooks.pop(name, None)
            self._stop_timer(name)
        for hook in hooks:
            if runs and isinstance(hook.trigger, (After, Every)) and (ready or not hook.trigger.after_ready):
                # The function that it calls is another one, even where nothing else is.
                self._stop_timer(hook.name)
                self._begin(hook, now)
        self._subject.note_soon()

    def disarm(self) -> None:
        """Stop all timers; one that begins again begins anew."""
        self.pause()
        for known in self._subject.state.hooks.values():
            known.since, known.due, known.fired = None, None, 0

    def pause(self) -> None:
        """Stop all timers, so that they can go on later."""
        for name in list(self._timers):
            self._stop_timer(name)
        self._queued.clear()

    async def signal(self, name: str) -> int:
        """Run the hooks of a signal, one after the other; return how many there are."""
        hooks = [hook for hook in self._usable() if isinstance(hook.trigger, OnSignal) and hook.trigger.signal == name]
        for hook in hooks:
            await self._run(hook, {"kind": "on_signal", "signal": name, "number": signal.Signals[name].value})
        return len(hooks)

    async def call(self, command: str, args: Mapping[str, Any]) -> Outcome:
        """Run the hook of a command.

        Raises:
            HaconiwaError: there is none.
        """
        known = {hook.trigger.command: hook for hook in self._usable() if isinstance(hook.trigger, OnCall)}
        if command not in known:
            there = ", ".join(sorted(known)) or "none"
            raise HaconiwaError(f"the container {self._subject.name} has no command {command!r}; it has {there}")
        return await self._run(known[command], {"kind": "on_call", "command": command}, args)

    def pressed(self, hook: Hook) -> None:
        """Run a hook that waits for pressure, unless it still runs or was cancelled."""
        if not self._under_way[hook.name] and not self._known(hook).cancelled:
            self._subject.tasks.begin(self._run(hook, {"kind": "on_pressure"}))

    def cancel(self, hook: Hook) -> None:
        """Take a hook off: it does not run any more."""
        self._known(hook).cancelled = True
        self._stop_timer(hook.name)
        self._queued.discard(hook.name)
        self._subject.note_soon()

    def _usable(self) -> list[Hook]:
        return [hook for hook in self.hooks if not self._known(hook).cancelled]

    def _known(self, hook: Hook) -> HookState:
        return self._subject.state.hook(hook.name)

    async def _run(self, hook: Hook, event: Mapping[str, Any], args: Mapping[str, Any] | None = None) -> Outcome:
        """Run a hook, note how it went, and end the container where its failure means that."""
        known = self._known(hook)
        known.runs += 1
        self._under_way[hook.name] += 1
        try:
            outcome = await self._subject.run_hook(hook, {"event": dict(event), "args": dict(args or {})})
        finally:
            self._under_way[hook.name] -= 1
        failed = outcome.status != "returned"
        known.failures += failed
        known.last = _summary(outcome)
        self._subject.emit(
            "hook",
            hook=hook.name,
            trigger=event.get("event", event["kind"]),
            outcome=outcome.status,
            seconds=round(outcome.seconds, 6),
            **({"reason": _last_line(outcome.error), "traceback": outcome.error} if failed else {}),
            **({"output": outcome.output} if outcome.output else {}),
        )
        self._subject.note_soon()
        if failed:
            self._subject.warn(outcome.error.strip() or outcome.status, hook=hook.name, outcome=outcome.status)
        if failed and hook.failure == "stop":
            self._subject.stop_soon(f"the hook {hook.name} has failed")
        return outcome

    def _set(self, hook: Hook, due: float) -> None:
        self._timers[hook.name] = asyncio.get_running_loop().call_at(due, self._due, hook)

    def _stop_timer(self, name: str) -> None:
        if handle := self._timers.pop(name, None):
            handle.cancel()

    def _due(self, hook: Hook) -> None:
        """Set the timer anew, and run the hook, unless it still runs and is not to run beside itself."""
        del self._timers[hook.name]
        known, trigger = self._known(hook), hook.trigger
        overlap = trigger.overlap if isinstance(trigger, Every) else "run"
        left_out = self._under_way[hook.name] > 0 and (
            overlap == "skip" or (overlap == "queue" and hook.name in self._queued)
        )
        known.fired += not left_out
        known.due = self._next(hook, known)
        if known.due is not None:
            self._set(hook, known.due)
        if left_out:
            return
        if overlap == "queue" and self._under_way[hook.name]:
            self._queued.add(hook.name)
        else:
            self._subject.tasks.begin(self._run_timed(hook))

    def _next(self, hook: Hook, known: HookState) -> float | None:
        trigger = hook.trigger
        if not isinstance(trigger, Every) or 0 < trigger.limit <= known.fired:
            return None
        assert known.since is not None
        assert known.due is not None
        # The clock may be read a little before what it was waited for.
        return _next(trigger, known.since, max(monotonic(), known.due))

    async def _run_timed(self, hook: Hook) -> None:
        kind = "every" if isinstance(hook.trigger, Every) else "after"
        await self._run(hook, {"kind": kind})
        while hook.name in self._queued:
            self._queued.discard(hook.name)
            await self._run(hook, {"kind": kind})


def _next(trigger: object, since: float, now: float) -> float:
    """Return when a timer goes off next: whole periods after it has begun, so that they do not grow.

    Args:
        trigger: an `After`, or an `Every`, of whose times those that were missed are left out.
        since: when it has begun.
        now: the present time.
    """
    assert isinstance(trigger, (After, Every))
    if isinstance(trigger, After):
        return since + trigger.seconds
    periods = floor((now - since) / trigger.seconds + _SAME) + 1
    jitter = random.uniform(0, trigger.jitter)  # noqa: S311 - it only spreads them
    return since + periods * trigger.seconds + jitter


def _summary(outcome: Outcome) -> str:
    reason = _last_line(outcome.error)
    return f"{outcome.status}: {reason}" if reason else outcome.status


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
