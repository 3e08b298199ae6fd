"""Look at the isolation of containers: of those that wait before their command, and of those that run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from system.world import PLUGINS, started

from haconiwa_core.container import Container
from haconiwa_core.feature import Feature
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.matrix import isolation_of
from haconiwa_core.isolation.rows import Isolation, Row
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.start import create
from haconiwa_core.runtime.store import Store

Change = Callable[[Plan], Plan]


def planned(
    features: Sequence[Feature],
    command: Sequence[str] = ("/bin/true",),
    *,
    hold: bool = False,
    on: HostFacts | None = None,
) -> Plan:
    """Plan a container for this host, or for what a test says of it."""
    return plan(Container("looked-at", command, features, stdin="null"), on or gather(), PLUGINS, hold=hold)


def looked_at(whole: Plan, pid: int, *, waits: bool = False) -> Isolation:
    """Return the matrix of a process."""
    with Confined(Process.of(pid), waits=waits) as confined:
        return isolation_of(whole, confined, PLUGINS)


def before_exec(
    features: Sequence[Feature], change: Change = lambda made: made, on: HostFacts | None = None
) -> Isolation:
    """Return the matrix of a container whose command waits.

    Args:
        features: of the container.
        change: gives the plan that is really executed.
        on: facts of the host; by default those of this one.
    """
    whole = planned(features, hold=True, on=on)
    created = create(change(whole), Store().claim_unique("looked-at"), {"stdout": 1, "stderr": 2})
    try:
        return looked_at(whole, created.pid, waits=True)
    finally:
        assert created.abandon() == ()


@contextmanager
def running(
    features: Sequence[Feature], command: Sequence[str], streams: dict[str, int] | None = None
) -> Iterator[tuple[Plan, int]]:
    """Keep a container running; give its plan, and the pid of its first process."""
    whole = planned(features, command)
    container = started(whole, streams or {"stdout": 1, "stderr": 2})
    try:
        yield whole, container.pid
    finally:
        container.kill()
        container.finish(remove=True)


def by_key(rows: Sequence[Row]) -> dict[str, Row]:
    """Return rows by what they are about."""
    found = {row.what: row for row in rows}
    assert len(found) == len(rows), sorted(row.what for row in rows)
    return found


def states(rows: Sequence[Row], *wanted: str) -> set[str]:
    """Return the keys of the rows that are in one of these states."""
    return {row.what for row in rows if row.state in wanted}


def said(descriptor: int) -> str:
    """Return what was written to a file in memory so far."""
    return os.pread(descriptor, 1 << 20, 0).decode()
