"""What a section asks for, in numbers."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_scheduling import Scheduling

_MIDDLE_LEVEL = 4


def cpus_of(feature: Scheduling) -> tuple[int, ...]:
    """Return the CPUs that a section names, in order."""
    return tuple(sorted({cpu for first, last in ranges_of(feature) for cpu in range(first, last + 1)}))


def ranges_of(feature: Scheduling) -> Iterator[tuple[int, int]]:
    """Yield the first and the last CPU of each part of the affinity."""
    if not isinstance(feature.affinity, str):
        yield from ((cpu, cpu) for cpu in feature.affinity or ())
        return
    for part in feature.affinity.split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def io_level_of(feature: Scheduling) -> int:
    """Return the level within the class of disk access: 0 (highest) to 7."""
    if feature.ioprio == "idle":
        return 0
    return _MIDDLE_LEVEL if feature.ioprio_level is None else feature.ioprio_level
