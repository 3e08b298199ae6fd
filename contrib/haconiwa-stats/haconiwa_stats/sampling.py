"""Look at all containers again and again: what they use, how fast, and what they have used during the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

from haconiwa_runtime.recorded import LIVE, find

from haconiwa_core.errors import RecordError
from haconiwa_core.host import gather
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.record import Record
from haconiwa_core.runtime.store import Store
from haconiwa_stats.groups import Groups
from haconiwa_stats.processes import Processes, usage_of
from haconiwa_stats.usage import Usage

MINUTE = 60.0


class Sample(NamedTuple):
    """A container at one moment.

    Args:
        name: of the instance.
        usage: at that moment.
        cpu: percent of one processor since the moment before; None at the first.
        io_read, io_written: bytes per second since then.
        memory: during the last minute: seconds ago, and bytes.
    """

    name: str
    usage: Usage
    cpu: float | None
    io_read: float | None
    io_written: float | None
    memory: Sequence[tuple[float, int]]


class Sampler:
    """Looks at running containers.

    Args:
        store: of their records.
        names: of the containers; none means all.

    Raises:
        HaconiwaError: one of the names is of no container that runs.
    """

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self._store = store
        self._names = names
        self._trees = gather().cgroups
        self._watched: dict[str, _Watched] = {}
        for name in names:
            _ = find(store, name).child

    def samples(self) -> list[Sample]:
        """Look at all of them; those that have ended are left out."""
        self._find()
        now = [(watched, watched.groups.usage() if watched.groups else None) for watched in self._watched.values()]
        # One look at all processes, if any container has to be told by them.
        if any(usage is None or not usage.is_complete for _, usage in now):
            processes = Processes()
            now = [
                (watched, usage if usage and usage.is_complete else _completed(usage, watched.record, processes))
                for watched, usage in now
            ]
        return [watched.sample(usage) for watched, usage in now if usage]

    def _find(self) -> None:
        former, self._watched = self._watched, {}
        for name in self._names or self._store.names():
            watched = former.get(name)
            if watched is None or not watched.runs:
                watched = self._new(name)
            if watched:
                self._watched[name] = watched

    def _new(self, name: str) -> _Watched | None:
        with suppress(RecordError):  # It was forgotten meanwhile.
            found = find(self._store, name)
            if found.state in LIVE:
                return _Watched(found.record, Groups(found.record, self._trees) if found.record.group else None)
        return None


class _Watched:
    """A container, and how it was when it was looked at before."""

    def __init__(self, record: Record, groups: Groups | None) -> None:
        self.record = record
        self.groups = groups
        self._former: tuple[float, Usage] | None = None
        self._memory: deque[tuple[float, int]] = deque()

    @property
    def runs(self) -> bool:
        child = self.record.child
        return child is not None and start_time(child.pid) == child.started

    def sample(self, usage: Usage) -> Sample:
        now = monotonic()
        if usage.memory is not None:
            self._memory.append((now, usage.memory))
        while self._memory and now - self._memory[0][0] > MINUTE:
            self._memory.popleft()
        past, former = self._former or (now, usage)
        self._former = now, usage
        elapsed = now - past
        cpu = _rate(former.cpu, usage.cpu, elapsed)
        return Sample(
            self.record.name,
            usage,
            None if cpu is None else 100 * cpu,
            _rate(former.io_read, usage.io_read, elapsed),
            _rate(former.io_written, usage.io_written, elapsed),
            [(now - then, value) for then, value in self._memory],
        )


def _completed(usage: Usage | None, record: Record, processes: Processes) -> Usage | None:
    found = processes.of(record)
    if not found:
        return usage
    return usage_of(found) if usage is None else usage.completed(usage_of(found))


def _rate(former: float | None, present: float | None, elapsed: float) -> float | None:
    """Return a change per second; a sum over processes falls when one of them ends."""
    if former is None or present is None or elapsed <= 0:
        return None
    return max(0.0, present - former) / elapsed
