"""Credentials: names become numbers while planning; the child sets and reads back numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import IdMap, IdRange
from haconiwa_core.feature import Feature
from haconiwa_core.host import groups_by_name, users_by_name
from haconiwa_core.linux.constants import CAP_SETGID, CAP_SETUID, Mode
from haconiwa_core.options import suggestion
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_credentials import Credentials

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

Found = TypeVar("Found")

_DATABASES = {"user": "passwd", "group": "group"}


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Credentials


@hookimpl
def haconiwa_steps(feature: Credentials, planning: Planning) -> Iterator[Step]:
    """Set the groups, then the group, then the user: the last ends the right to set the others."""
    found = _Lookup(feature, planning)
    uid, gid, groups = found.user(), found.group(), found.groups()
    problems = [*found.problems, *_not_permitted(planning, uid, gid, groups)]
    if problems:
        raise DefinitionError(problems)
    yield Step(Stage.LIMITS, linux.set_file_mode_mask, Mode(feature.umask))
    if groups:
        yield Step(Stage.CREDENTIALS, linux.set_groups, groups)
    initial_uid, initial_gid = planning.initial_ids
    if gid != initial_gid:
        yield Step(Stage.CREDENTIALS, linux.set_gid, gid)
    if uid != initial_uid:
        yield Step(Stage.CREDENTIALS, linux.set_uid, uid)


@hookimpl
def haconiwa_isolation(feature: Credentials | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read users and groups back."""
    from haconiwa_credentials.isolation import rows

    yield from rows(feature, plan, confined)


class _Lookup:
    """Names turned into numbers, and the problems met on the way."""

    def __init__(self, feature: Credentials, planning: Planning) -> None:
        self._feature = feature
        self._planning = planning
        self._initial = planning.initial_ids
        self.problems: list[Problem] = []
        self._users: Mapping[str, tuple[int, int]] = planning.host.users
        self._groups: Mapping[str, int] = planning.host.groups
        if feature.lookup == "root":
            self._users = users_by_name(planning.read_in_root("/etc/passwd"))
            self._groups = groups_by_name(planning.read_in_root("/etc/group"))

    def user(self) -> int:
        uid = self._feature.uid
        if isinstance(uid, str):
            return self._find(uid, self._users, "uid", "user", (0, 0))[0]
        return self._initial[0] if uid is None else uid

    def group(self) -> int:
        gid, uid = self._feature.gid, self._feature.uid
        if isinstance(gid, str):
            return self._find(gid, self._groups, "gid", "group", 0)
        if gid is not None:
            return gid
        if isinstance(uid, str):
            return self._users.get(uid, (0, 0))[1]
        return self._initial[1] if uid is None else uid

    def groups(self) -> tuple[int, ...]:
        return tuple(
            group if isinstance(group, int) else self._find(group, self._groups, f"groups[{index}]", "group", 0)
            for index, group in enumerate(self._feature.groups)
        )

    def _find(self, name: str, known: Mapping[str, Found], key: str, what: str, default: Found) -> Found:
        if name not in known:
            where = "the root" if self._feature.lookup == "root" else "the host"
            text = f"{where} has no {what} {name!r} in /etc/{_DATABASES[what]}"
            hint = suggestion(name, known) or self._elsewhere(name, what) or "give its number"
            self.problems.append(Problem(text, key=key, hint=hint))
        return known.get(name, default)

    def _elsewhere(self, name: str, what: str) -> str:
        """Return advice for a name of the host's that the root does not have, "" for any other."""
        host = self._planning.host
        number = host.users.get(name, (None,))[0] if what == "user" else host.groups.get(name)
        if self._feature.lookup != "root" or number is None:
            return ""
        return f'the host has it, as {number}: give that number, or lookup = "host"'


def _not_permitted(planning: Planning, uid: int, gid: int, groups: Sequence[int]) -> Iterator[Problem]:
    mapping = planning.facts.get(IdMap)
    if mapping is not None:
        wanted = [("uid", uid, mapping.users), ("gid", gid, mapping.groups)]
        wanted += [(f"groups[{index}]", group, mapping.groups) for index, group in enumerate(groups)]
        for key, number, ranges in wanted:
            if not _is_mapped(number, ranges):
                yield Problem(f"{number} is not mapped in the user namespace", key=key, hint="map it there")
    host = planning.host
    mapped = "run as root, or map a range of ids in a user namespace"
    if groups and not planning.may_set_groups:
        yield Problem("needs CAP_SETGID, which the caller does not have", key="groups", hint=mapped)
    if planning.user_namespace is None:
        initial_uid, initial_gid = planning.initial_ids
        if gid != initial_gid and not host.has_capability(CAP_SETGID):
            yield Problem("needs CAP_SETGID, which the caller does not have", key="gid", hint=mapped)
        if uid != initial_uid and not host.has_capability(CAP_SETUID):
            yield Problem("needs CAP_SETUID, which the caller does not have", key="uid", hint=mapped)


def _is_mapped(number: int, ranges: Sequence[IdRange]) -> bool:
    return any(part.inside <= number < part.inside + part.count for part in ranges)
