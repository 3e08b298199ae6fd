"""Whom the users and groups of a live process stand for (user_namespaces(7))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haconiwa_core.facts import IdMap, IdRange
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_ns_user import UserNamespace

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan


def rows(_feature: UserNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield both maps; those of a namespace that is joined are its owner's."""
    mapping = plan.facts.get(IdMap)
    for what, file, ranges in (
        ("user map", "uid_map", mapping.users if mapping else ()),
        ("group map", "gid_map", mapping.groups if mapping else ()),
    ):
        in_force, host = (_text(_ranges(each.read(file))) for each in (confined, confined.host))
        yield compared(UserNamespace.section, what, _text(ranges), in_force, host, f"/proc/PID/{file}")


def _ranges(text: str) -> list[IdRange]:
    return [IdRange(*map(int, line.split())) for line in text.splitlines()]


def _text(ranges: Sequence[IdRange]) -> str:
    parts = sorted(ranges, key=lambda part: part.inside)
    return ", ".join(f"{part.count} from {part.inside} are {part.outside}" for part in parts)
