"""When a service whose instances fail is tried again: later and later, until one succeeds."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 0.25
LONGEST = 60.0
"""Seconds between a failure and the next attempt: at first, and at most."""

OPENS = 3
"""Failures in a row after which requests are refused at once, and do not wait for the next attempt."""


@dataclass(frozen=True)
class Breaker:
    """Counts failures in a row.

    Attributes:
        failures: in a row; an instance that ends by itself shortly after its start is one, too.
        until: time before which nothing is started, on the clock of the caller.
        reason: of the last failure.
        instance: name of the container that failed last.
    """

    failures: int = 0
    until: float = 0.0
    reason: str = ""
    instance: str = ""

    def failed(self, now: float, reason: str, instance: str) -> Breaker:
        """Return what it is after a failure."""
        delay = min(FIRST * 2.0 ** min(self.failures, 30), LONGEST)
        return Breaker(self.failures + 1, now + delay, reason, instance)

    def is_open(self, now: float) -> bool:
        """Return whether requests are refused at once."""
        return self.failures >= OPENS and now < self.until

    def wait(self, now: float) -> float:
        """Return for how many seconds nothing is started; 0 where something may be."""
        return max(0.0, self.until - now)
