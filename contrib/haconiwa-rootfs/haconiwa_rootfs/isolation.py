"""The root of a live process (proc_pid_mountinfo(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, lines_of
from haconiwa_rootfs import Rootfs

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_MERGED = "overlay"


def rows(feature: Rootfs | None, _plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield of what kind the root is, and what its mount forbids."""
    if feature is None:
        return
    kind, options = _root(confined)
    host_kind, host_options = _root(confined.host)
    verified = "/proc/PID/mountinfo"
    yield compared(Rootfs.section, "root file system", _MERGED, kind, host_kind, verified)
    wanted = sorted(_wanted(feature))
    row = compared(
        Rootfs.section,
        "stored root mount",
        lines_of(wanted) if wanted else "",
        lines_of(sorted(options)),
        lines_of(sorted(host_options)),
        verified,
    )
    yield row._replace(state="holds") if wanted and options.issuperset(wanted) else row


def _wanted(feature: Rootfs) -> Iterator[str]:
    if not feature.writable:
        yield "ro"
    yield from (name for name in ("nosuid", "nodev") if getattr(feature, name))


def _root(confined: Confined) -> tuple[str, frozenset[str]]:
    mount = next((each for each in reversed(confined.mounts) if each.target == "/"), None)
    if mount is None:
        return "", frozenset()
    return mount.kind, mount.options & {"ro", "nosuid", "nodev", "noexec"}
