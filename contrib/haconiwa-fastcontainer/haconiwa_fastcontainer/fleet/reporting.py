"""What a front tells the state about its host, and what it still owes to one that was away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from haconiwa_fastcontainer.journal import Journal
from haconiwa_fastcontainer.state import LEASE, Host, Row, State, StateError

_REPORTS = 3
"""In the time of a lease."""


class Reporting:
    """Renews a host's lease, and writes down what its instances do.

    While the state is away, the last change of each instance is kept, and made when it is back.

    Args:
        state: to report to.
        host: its name, and what it takes; the rest is measured.
        count: returns the instances that run here.
        journal: is told when the state goes and comes back.
        is_back: called when it has come back.

    Attributes:
        lost: why the state cannot be reached; "" while it can.
    """

    def __init__(
        self, state: State, host: Host, count: Callable[[], int], journal: Journal, is_back: Callable[[], None]
    ) -> None:
        self.lost = ""
        self._state = state
        self._host = host
        self._count = count
        self._journal = journal
        self._is_back = is_back
        self._owed: dict[str, Row | None] = {}
        self._meter = Meter()

    def measured(self) -> Host:
        """Return the host as it is now."""
        return self._host._replace(instances=self._count(), memory=available_memory(), load=self._meter.load())

    async def run(self) -> None:
        """Report until this is cancelled."""
        while True:
            await asyncio.sleep(LEASE / _REPORTS)
            try:
                await self._state.report(self.measured())
            except StateError as error:
                self.lose(error)
                continue
            if self.lost:
                self.lost = ""
                self._journal.tell("state", "", reached=True)
                self._is_back()
            for name, row in list(self._owed.items()):
                await (self.save(row) if row else self.forget(name))

    def lose(self, error: StateError) -> None:
        """Note that the state cannot be reached."""
        if not self.lost:
            self._journal.tell("state", "", reached=False, reason=str(error))
        self.lost = str(error)

    async def save(self, row: Row) -> bool:
        """Change an instance, now or when the state is back; return False if it was removed."""
        self._owed.pop(row.name, None)
        try:
            return await self._state.put(row)
        except StateError as error:
            self._owed[row.name] = row
            self.lose(error)
            return True

    async def forget(self, name: str) -> None:
        """Forget an instance, now or when the state is back."""
        self._owed[name] = None
        try:
            await self._state.remove(name)
        except StateError as error:
            self.lose(error)
        else:
            self._owed.pop(name, None)

    def is_forgotten(self, name: str) -> bool:
        """Return whether an instance has ended, which the state does not know yet."""
        return name in self._owed and self._owed[name] is None


class Meter:
    """Measures how busy the processors of this host are (proc_stat(5))."""

    def __init__(self) -> None:
        self._former = _times()

    def load(self) -> float:
        """Return the share of their time, 0 to 1, in which they have worked since the last call."""
        now, former = _times(), self._former
        self._former = now
        busy, total = now[0] - former[0], now[1] - former[1]
        return min(max(busy / total, 0.0), 1.0) if total > 0 else 0.0


def _times() -> tuple[int, int]:
    """Return for how many ticks the processors have worked, and how many there were."""
    with open("/proc/stat", encoding="ascii") as stat:
        # user nice system idle iowait irq softirq steal; those of guests are part of the first two.
        times = [int(word) for word in stat.readline().split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


def available_memory() -> int:
    """Return how many bytes of memory can be given to new processes (MemAvailable, proc_meminfo(5))."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    return int(fields["MemAvailable"].split()[0]) << 10
