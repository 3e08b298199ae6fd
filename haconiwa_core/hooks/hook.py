"""A hook: a function, what makes it run, and what its failure means."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from haconiwa_core.errors import Problem
from haconiwa_core.feature import Source
from haconiwa_core.hooks.events import Event
from haconiwa_core.options import Pattern, Range, build, check, suggestion

Failure = Literal["veto", "warn", "stop"]
"""What a hook's failure means: the start fails, a message, or the end of the container."""

DEFAULT_TIMEOUT = 30.0

_EVENTS = tuple(event.value for event in Event)
_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
_Seconds = Annotated[float, Range(0, 10**9)]
_CommandName = Annotated[str, Pattern(r"[A-Za-z][A-Za-z0-9_-]{0,63}", "a name of letters, digits, _ and -")]


@dataclass(frozen=True)
class On:
    """An event of the container's life; see `Event`."""

    event: str


@dataclass(frozen=True)
class After:
    """Once, seconds after the start, or after the container has become ready."""

    seconds: _Seconds
    after_ready: bool = False


@dataclass(frozen=True)
class Every:
    """Again and again.

    Args:
        seconds: from one time to the next, at least 0.001.
        jitter: at most so many seconds are added to each, at random.
        limit: how often at most; 0 is no limit.
        overlap: what happens when the time comes while the hook still runs: this time is left out ("skip"),
            waits for its turn ("queue", one at most), or it runs beside it ("run").
        after_ready: the first period begins when the container is ready, not when it is started.
    """

    seconds: _Seconds
    jitter: _Seconds = 0.0
    limit: Annotated[int, Range(0)] = 0
    overlap: Literal["skip", "queue", "run"] = "skip"
    after_ready: bool = False


@dataclass(frozen=True)
class OnSignal:
    """A signal that is sent with `haconiwa signal`, by name."""

    signal: str


@dataclass(frozen=True)
class OnCall:
    """A command that is called with `haconiwa call`, by name."""

    command: _CommandName


@dataclass(frozen=True)
class OnPressure:
    """Processes of the container's control group wait for a resource longer than they should (PSI).

    Args:
        resource: what they wait for.
        stall: seconds of waiting within the window.
        window: seconds, 0.5 to 10; without CAP_SYS_RESOURCE a multiple of 2.
        kind: "some" of them wait, or all of them ("full").
    """

    resource: Literal["memory", "cpu", "io"]
    stall: _Seconds = 0.1
    window: _Seconds = 2.0
    kind: Literal["some", "full"] = "some"


Trigger = On | After | Every | OnSignal | OnCall | OnPressure

_TRIGGERS: dict[str, type[Trigger]] = {
    "on": On,
    "after": After,
    "every": Every,
    "on_signal": OnSignal,
    "on_call": OnCall,
    "on_pressure": OnPressure,
}
_NAMES = {trigger: name for name, trigger in _TRIGGERS.items()}


@dataclass(frozen=True)
class Hook:
    """A function that runs in a process of its own when its trigger says so.

    Args:
        name: unique in its container.
        trigger: what makes it run.
        function: takes the container's context; of a plugin "package.module:function"; "" where only the
            process that has read the definition knows it.
        failure: what an exception, a crash or a passed time limit means.
        timeout: seconds until it is killed, with all that it has started.
        place: where it was written.
        container: the one with which it was declared; one that is made of that has the same hook.
    """

    name: str
    trigger: Trigger
    function: Callable[[Any], Any] | str = ""
    failure: Failure = "warn"
    timeout: float = DEFAULT_TIMEOUT
    place: Source = Source("", 0)
    container: str = ""

    @property
    def event(self) -> str:
        """The event that makes it run; "" where something else does."""
        return self.trigger.event if isinstance(self.trigger, On) else ""

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with it."""
        for text, hint in self._complaints():
            yield Problem(f"hook {self.name}: {text}", file=self.place.file, line=self.place.line, hint=hint)

    def _complaints(self) -> Iterator[tuple[str, str]]:
        yield from ((f"{found.key} {found.text}", found.hint) for found in check(self.trigger))
        if self.failure not in ("veto", "warn", "stop"):
            yield f'failure must be "veto", "warn" or "stop", not {self.failure!r}', ""
        elif self.failure == "veto" and not (self.event in _EVENTS and Event(self.event).may_veto):
            yield "it cannot veto: the container is started when it runs", 'write failure="stop" or failure="warn"'
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, (int, float)) or self.timeout <= 0:
            yield f"timeout must be a number of seconds above 0, not {self.timeout!r}", ""
        match self.trigger:
            case On(event) if event not in _EVENTS:
                yield f"there is no event {event!r}", suggestion(event, _EVENTS)
            case OnSignal(name) if not (isinstance(name, str) and name in catchable_signals()):
                yield f"{name!r} is no signal that can be caught", suggestion(name, catchable_signals())
            case Every(seconds) if isinstance(seconds, (int, float)) and seconds < 0.001:
                yield f"seconds must be at least 0.001, not {seconds!r}", ""
            case OnPressure(window=window) if isinstance(window, (int, float)) and not 0.5 <= window <= 10:
                yield f"window must be from 0.5 to 10 seconds, not {window!r}", ""

    def to_json(self) -> dict[str, Any]:
        """Return the hook as data that json can write, without a function that is no name."""
        trigger = {item.name: getattr(self.trigger, item.name) for item in fields(self.trigger)}
        function = self.function if isinstance(self.function, str) else ""
        return {
            "name": self.name,
            "kind": _NAMES[type(self.trigger)],
            "trigger": trigger,
            "function": function,
            "failure": self.failure,
            "timeout": self.timeout,
            "place": list(self.place),
            "container": self.container,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Hook:
        """Return the hook whose `to_json` has given the data.

        Raises:
            ValueError, KeyError, TypeError: it is no such data.
        """
        trigger, complaints = build(_TRIGGERS[data["kind"]], data["trigger"])
        if complaints:
            raise ValueError(f"hook {data['name']}: {complaints[0].key} {complaints[0].text}")
        return Hook(
            data["name"],
            trigger,
            data["function"],
            data["failure"],
            float(data["timeout"]),
            Source(*data["place"]),
            data["container"],
        )


def catchable_signals() -> dict[str, int]:
    """Return the signals that a process can catch, by name (signal(7))."""
    return {member.name: member.value for member in signal.Signals if member not in _UNCATCHABLE}
