"""What a section asks for, in the kernel's terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from haconiwa_landlock import Landlock
from haconiwa_landlock.rights import ALL, GROUPS, SINCE, FileAccess, union


class Grant(NamedTuple):
    """Access to a path.

    Args:
        key: the option that grants it.
        path: inside the container.
        access: what is granted.
    """

    key: str
    path: str
    access: FileAccess


def restricts_files(feature: Landlock) -> bool:
    """Return whether any access to files is denied."""
    return any(getattr(feature, key) is not None for key in (*GROUPS, "rules"))


def denied_files(feature: Landlock, version: int) -> FileAccess:
    """Return the access to files that is denied where nothing grants it.

    Args:
        feature: the section.
        version: of the kernel's Landlock interface.
    """
    if not restricts_files(feature):
        return FileAccess(0)
    denied = ALL & ~union(FileAccess, feature.unrestricted)
    # Before it could be granted, REFER was denied without being named.
    return denied if version >= SINCE[FileAccess.REFER] else denied & ~FileAccess.REFER


def grants(feature: Landlock) -> Iterator[Grant]:
    """Yield what is granted, as it was written."""
    for key, access in GROUPS.items():
        yield from (Grant(key, path, access) for path in getattr(feature, key) or ())
    for index, rule in enumerate(feature.rules or ()):
        yield Grant(f"rules[{index}]", rule.path, union(FileAccess, rule.access))


def ports(feature: Landlock) -> dict[str, frozenset[int]]:
    """Return the ports that each use is restricted to, by the option's name; unrestricted uses are left out."""
    listed = {"bind_tcp": feature.bind_tcp, "connect_tcp": feature.connect_tcp}
    return {key: frozenset(found) for key, found in listed.items() if found is not None}
