"""Processor time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import number, numbers, present, write_exactly
from haconiwa_cgroup.sizes import UNLIMITED
from haconiwa_core.errors import DefinitionError, Problem

_PERIOD = 100_000
_LEAST = 0.01
_MOST = 10_000
_WEIGHT, _SHARES = 100, 1024
"""What a group has that nothing was set for, in version 2 and 1."""


class Cpu:
    """A quota in each period of 100 ms, and a weight beside others."""

    names: Mapping[int, str] = {2: "cpu", 1: "cpu"}
    options: Mapping[str, Any] = {"cpu": UNLIMITED, "cpu_weight": _WEIGHT}

    def settings(self, options: Mapping[str, Any], version: int) -> Iterator[Setting]:
        """Limit it."""
        if "cpu" in options:
            quota = _quota(options["cpu"])
            if version == 2:
                yield Setting("cpu.max", f"{UNLIMITED if quota is None else quota} {_PERIOD}", write_exactly)
            else:
                yield Setting("cpu.cfs_period_us", str(_PERIOD), write_exactly)
                yield Setting("cpu.cfs_quota_us", str(-1 if quota is None else quota), write_exactly)
        if "cpu_weight" in options:
            weight = options["cpu_weight"]
            file, value = (
                ("cpu.weight", weight) if version == 2 else ("cpu.shares", max(2, weight * _SHARES // _WEIGHT))
            )
            yield Setting(file, str(value), write_exactly)

    def usage(self, group: Path, version: int) -> dict[str, object]:
        """Return how much was used and may be, and how often and how long it was kept from more."""
        counted = numbers(group, "cpu.stat")
        names = ("usage_usec", "user_usec", "system_usec", "nr_periods", "nr_throttled", "throttled_usec")
        values: dict[str, object] = {name: counted.get(name) for name in names}
        values["max"] = _processors(group, version)
        weight = number(group, "cpu.weight" if version == 2 else "cpu.shares")
        values["weight"] = round(weight * _WEIGHT / _SHARES) if version == 1 and isinstance(weight, int) else weight
        if version == 1:
            throttled, used = counted.get("throttled_time"), number(group, "cpuacct.usage")
            values["throttled_usec"] = None if throttled is None else throttled // 1000
            values["usage_usec"] = used // 1000 if isinstance(used, int) else None
        return present(values)


CONTROLLER = Cpu()


def _processors(group: Path, version: int) -> float | str | None:
    """Return the limit that is in force, in processors; None where the controller is not on."""
    files = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        quota, period = " ".join((group / file).read_text() for file in files).split()
    except FileNotFoundError:
        return None
    return int(quota) / int(period) if quota.isdigit() else UNLIMITED


def _quota(processors: float | str) -> int | None:
    """Return the microseconds of each period."""
    if isinstance(processors, str):
        return None
    # Not a number compares with nothing.
    if not _LEAST <= processors <= _MOST:
        raise DefinitionError([Problem(f"must be {_LEAST} to {_MOST} processors, not {processors}", key="cpu")])
    return round(processors * _PERIOD)
