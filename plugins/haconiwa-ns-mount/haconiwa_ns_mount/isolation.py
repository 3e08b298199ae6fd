"""Whether mounts of a live process propagate to or from others (proc_pid_mountinfo(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_ns_mount import MountNamespace

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan


def rows(feature: MountNamespace | None, _plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield it; a namespace that is joined keeps what its owner gave it."""
    asked = "private" if feature and feature.join is None else ""
    in_force, host = (_propagation(each) for each in (confined, confined.host))
    yield compared(MountNamespace.section, "mount propagation", asked, in_force, host, "/proc/PID/mountinfo")


def _propagation(confined: Confined) -> str:
    kinds = {field.partition(":")[0] for mount in confined.mounts for field in mount.propagation}
    return ", ".join(sorted(kinds)) or "private"
