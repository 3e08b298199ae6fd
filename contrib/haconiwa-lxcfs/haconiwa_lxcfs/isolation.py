"""Which files of proc and sysfs a live process has from lxcfs (proc_pid_mountinfo(5))."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.facts import FreshFilesystem
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_core.planning.plan import Plan
from haconiwa_lxcfs import Lxcfs
from haconiwa_lxcfs.kernel import PATHS

_KIND = "fuse.lxcfs"
_OURS, _THE_KERNELS = "of lxcfs", "of the kernel"


def rows(feature: Lxcfs | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield for each file whether lxcfs tells what is in it."""
    if feature is None:
        return
    for item in plan.facts.all(FreshFilesystem):
        for path in PATHS.get(item.kind, ()):
            target = f"{item.target}/{path}"
            # The last mount on a place is the one that is seen.
            kinds = [mount.kind for mount in confined.mounts if mount.target == target]
            in_force = _OURS if kinds[-1:] == [_KIND] else _THE_KERNELS
            yield compared(Lxcfs.section, target, _OURS, in_force, _THE_KERNELS, "/proc/PID/mountinfo")
