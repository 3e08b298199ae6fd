"""UserNamespace: the maps are written by the host, which alone may map more than one id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact, IdMap, IdRange
from haconiwa_core.linux.constants import CAP_SETGID, CAP_SETUID
from haconiwa_core.namespace import namespace_hooks
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_ns_user import UserNamespace

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_RANGES_LIMIT = 340
_IDS = 2**32


def _facts(feature: UserNamespace, planning: Planning) -> Iterator[Fact]:
    if feature.join is None:
        host = planning.host
        yield IdMap(
            (IdRange(0, host.uid),) if feature.uid_map is None else tuple(feature.uid_map),
            (IdRange(0, host.gid),) if feature.gid_map is None else tuple(feature.gid_map),
        )


def _steps(feature: UserNamespace, planning: Planning) -> Iterator[Step]:
    mapping = planning.facts.get(IdMap)
    if feature.join is not None or mapping is None:
        _refuse_maps_of_others(feature)
        return
    host = planning.host
    problems = [
        *_wrong_ranges("uid_map", mapping.users, None if host.has_capability(CAP_SETUID) else host.uid),
        *_wrong_ranges("gid_map", mapping.groups, None if host.has_capability(CAP_SETGID) else host.gid),
    ]
    if problems:
        raise DefinitionError(problems)
    deny_setgroups = not host.has_capability(CAP_SETGID)
    maps = (_lines(mapping.users), _lines(mapping.groups))
    yield Step(Stage.ADOPT, linux.write_id_maps, Slot("target"), *maps, deny_setgroups)


def _lines(ranges: Sequence[IdRange]) -> str:
    return "".join(f"{part.inside} {part.outside} {part.count}\n" for part in ranges)


def _wrong_ranges(key: str, ranges: Sequence[IdRange], only: int | None) -> Iterator[Problem]:
    """Yield what the kernel would refuse; `only` is the one id that an ordinary user may map."""
    if not 1 <= len(ranges) <= _RANGES_LIMIT:
        yield Problem(f"must have 1 to {_RANGES_LIMIT} ranges, not {len(ranges)}", key=key)
    for index, part in enumerate(ranges):
        if part.inside < 0 or part.outside < 0 or part.count < 1 or max(part.inside, part.outside) + part.count > _IDS:
            yield Problem(f"must lie within 0..{_IDS - 1}, not {part}", key=f"{key}[{index}]")
        for other in ranges[:index]:
            for side in ("inside", "outside"):
                first, second = sorted((part, other), key=lambda each: int(getattr(each, side)))
                if getattr(first, side) + first.count > getattr(second, side):
                    yield Problem(f"{side} overlaps with {other}", key=f"{key}[{index}]")
    if only is not None and (len(ranges) != 1 or ranges[0].outside != only or ranges[0].count != 1):
        text = f"an ordinary user may map one id only, {only}; others need CAP_SETUID and CAP_SETGID"
        yield Problem(text, key=key, hint="leave it out")


def _refuse_maps_of_others(feature: UserNamespace) -> None:
    given = [key for key in ("uid_map", "gid_map") if getattr(feature, key) is not None]
    if given:
        raise DefinitionError([Problem("cannot be set in a namespace that is joined", key=key) for key in given])


def _rows(feature: UserNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    from haconiwa_ns_user.isolation import rows

    yield from rows(feature, plan, confined)


haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(
    UserNamespace, facts=_facts, steps=_steps, rows=_rows
)
