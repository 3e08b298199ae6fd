"""What an instance uses of its control group's limits, and how often it waits for more (cgroups(7), PSI).

Where the kernel tells no pressure of groups, as with version 1, there is what it counts: how long a group was held up
for its share of processors, and how near its memory is to the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from haconiwa_fastcontainer.scaling.rules import Need

_MICROSECONDS = 1_000_000
_PERCENT = 100.0


class Counted(NamedTuple):
    """What a look has found, from which the next one counts on.

    Attributes:
        time: seconds, monotonic.
        used: microseconds of processor time.
        held_up: microseconds.
    """

    time: float
    used: float
    held_up: float


def memory_need(status: Mapping[str, Any], now: float) -> Need | None:
    """Return what an instance wants of memory; None without a limit.

    Args:
        status: what the feature `cgroup` tells of a running container.
        now: seconds, monotonic.
    """
    memory = status.get("memory", {})
    limit, used = memory.get("max"), memory.get("current")
    if not isinstance(limit, int) or not isinstance(used, int) or limit <= 0:
        return None
    return Need(now, limit, used / limit, _pressure(status, "memory"))


def cpu_need(status: Mapping[str, Any], former: Counted | None, now: float) -> tuple[Need | None, Counted]:
    """Return what an instance wants of processors, None without a limit or a former look; and what was counted.

    Args:
        status: as for `memory_need`.
        former: what the last look has counted.
        now: seconds, monotonic.
    """
    cpu = status.get("cpu", {})
    counted = Counted(now, float(cpu.get("usage_usec", 0)), float(cpu.get("throttled_usec", 0)))
    limit = cpu.get("max")
    if former is None or not isinstance(limit, (int, float)) or now <= former.time:
        return None, counted
    passed = (now - former.time) * _MICROSECONDS
    used = (counted.used - former.used) / (passed * limit)
    waits = max(_pressure(status, "cpu"), (counted.held_up - former.held_up) / passed)
    return Need(now, limit, min(max(used, 0.0), 1.0), min(max(waits, 0.0), 1.0)), counted


def _pressure(status: Mapping[str, Any], kind: str) -> float:
    told = status.get("pressure", {}).get(kind, {}).get("some", {})
    return float(told.get("avg10", 0.0)) / _PERCENT
