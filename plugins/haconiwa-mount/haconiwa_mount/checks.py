"""What is wrong with a Mount that its types do not tell."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.errors import Problem
from haconiwa_mount import Mount, Overlay

_OWN = ("/proc", "/sys")
_ALLOWED_IN_PROC = frozenset(
    f"/proc/{name}" for name in ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")
)
"""Files that a supervisor such as lxcfs may replace."""


def problems_of(feature: Mount) -> Iterator[Problem]:
    """Yield every problem."""
    targets: dict[str, str] = {}
    for option in ("bind", "tmpfs", "overlay"):
        for index, item in enumerate(getattr(feature, option)):
            key = f"{option}[{index}].target"
            yield from _wrong_target(item.target, key)
            if item.target in targets:
                yield Problem(f"{item.target} is the target of {targets[item.target]} too", key=key)
            targets[item.target] = f"{option}[{index}]"
    for option in ("masked", "read_only"):
        for index, path in enumerate(getattr(feature, option) or ()):
            yield from _climbing(path, f"{option}[{index}]")
    for index, item in enumerate(feature.overlay):
        yield from _wrong_overlay(item, f"overlay[{index}]")


def _wrong_target(path: str, key: str) -> Iterator[Problem]:
    yield from _climbing(path, key)
    if not [part for part in path.split("/") if part]:
        yield Problem("cannot be the root itself", key=key)
    if path not in _ALLOWED_IN_PROC and any(path == own or path.startswith(f"{own}/") for own in _OWN):
        yield Problem("must not lie in proc or sysfs, whose contents others rely on", key=key)


def _climbing(path: str, key: str) -> Iterator[Problem]:
    if ".." in path.split("/"):
        yield Problem('must not contain ".."', key=key)


def _wrong_overlay(item: Overlay, key: str) -> Iterator[Problem]:
    if not item.lower:
        yield Problem("is empty", key=f"{key}.lower")
    if (item.upper is None) != (item.work is None):
        yield Problem("upper and work belong together", key=key)
    if item.read_only and item.upper:
        yield Problem("a read-only overlay takes no changes", key=f"{key}.upper")
    if item.read_only and len(item.lower) == 1:
        yield Problem("a read-only overlay needs two lower directories", key=f"{key}.lower", hint="use a bind")
