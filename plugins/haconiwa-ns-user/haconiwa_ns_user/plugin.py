"""UserNamespace: the maps are written by the host, an ordinary user's ranges by helpers that may."""

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
from haconiwa_ns_user.subordinate import automatic, refused

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_RANGES_LIMIT = 340
_IDS = 2**32


def _facts(feature: UserNamespace, planning: Planning) -> Iterator[Fact]:
    if feature.join is None:
        users, groups = (_ranges(feature, option, planning) for option in ("uid_map", "gid_map"))
        may_set_groups = planning.host.has_capability(CAP_SETGID) or not _is_own(groups, planning.host.gid)
        yield IdMap(users, groups, may_set_groups)


def _ranges(feature: UserNamespace, option: str, planning: Planning) -> tuple[IdRange, ...]:
    asked = getattr(feature, option)
    own = planning.host.uid if option == "uid_map" else planning.host.gid
    if asked == "auto":
        return automatic(option, own, planning)
    return (IdRange(0, own),) if asked is None else tuple(asked)


def _steps(feature: UserNamespace, planning: Planning) -> Iterator[Step]:
    if feature.join is not None:
        _refuse_maps_of_others(feature)
        return
    mapping = planning.facts.get(IdMap)
    if mapping is None:
        return  # What is wrong with it has been told.
    host = planning.host
    asked = (("uid_map", mapping.users, host.uid), ("gid_map", mapping.groups, host.gid))
    problems = [problem for option, ranges, _ in asked for problem in _wrong_ranges(option, ranges)]
    maps = (_lines(mapping.users), _lines(mapping.groups))
    if host.has_capability(CAP_SETUID) and host.has_capability(CAP_SETGID):
        step = Step(Stage.ADOPT, linux.write_id_maps, Slot("target"), *maps, False)
    elif all(_is_own(ranges, own) for _, ranges, own in asked):
        step = Step(Stage.ADOPT, linux.write_id_maps, Slot("target"), *maps, not mapping.may_set_groups)
    else:
        step = Step(Stage.ADOPT, linux.write_id_maps_by_helpers, Slot("target"), *maps)
        given = (item for item in asked if getattr(feature, item[0]) != "auto")
        problems += [problem for item in given for problem in refused(*item, planning)]
    if problems:
        raise DefinitionError(problems)
    yield step


def _is_own(ranges: Sequence[IdRange], own: int) -> bool:
    """Whether the caller's own id alone is mapped, which the kernel lets anybody do."""
    return [(part.outside, part.count) for part in ranges] == [(own, 1)]


def _lines(ranges: Sequence[IdRange]) -> str:
    return "".join(part.line for part in ranges)


def _wrong_ranges(key: str, ranges: Sequence[IdRange]) -> Iterator[Problem]:
    """Yield what the kernel would refuse to anybody."""
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
