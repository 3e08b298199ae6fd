"""The clocks of a live process (time_namespaces(7))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_ns_time import TimeNamespace

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan


def rows(feature: TimeNamespace | None, _plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield by how many seconds they are ahead."""
    own = feature if feature and feature.join is None else None
    asked = _text(own.boottime, own.monotonic) if own else ""
    in_force, host = (_offsets(each) for each in (confined, confined.host))
    yield compared(TimeNamespace.section, "clock offsets", asked, in_force, host, "/proc/PID/timens_offsets")


def _offsets(confined: Confined) -> str:
    found = {clock: int(seconds) for clock, seconds, _ in map(str.split, confined.read("timens_offsets").splitlines())}
    return _text(found["boottime"], found["monotonic"])


def _text(boottime: int, monotonic: int) -> str:
    return f"boottime {boottime:+} s, monotonic {monotonic:+} s"
