"""Rlimit: each given limit becomes one step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import RLIM_INFINITY
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_rlimit import Rlimit
from haconiwa_rlimit.limits import Limit, bounds, given, resource_of
from haconiwa_rlimit.steps import limit_processes

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.context import Planning


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Rlimit


@hookimpl
def haconiwa_steps(feature: Rlimit, planning: Planning) -> Iterator[Step]:
    """Set each limit that is given."""
    problems = []
    for name, asked in given(feature).items():
        if asked.soft > asked.hard:
            problems.append(Problem("the soft limit is above the hard limit", key=name))
        yield Step(Stage.LIMITS, linux.set_limit, resource_of(name), *_possible(feature, name, planning))
    if problems:
        raise DefinitionError(problems)


@hookimpl
def haconiwa_update(old: Rlimit, new: Rlimit) -> Iterator[Step]:
    """Change limits that the container was started with, for all of its processes, to exactly what is asked for."""
    before, after = given(old), given(new)
    problems = [
        Problem(
            "cannot be set or taken back while the container runs",
            key=name,
            hint="give it when the container is started; its value can change then",
        )
        for name in sorted(before.keys() ^ after.keys())
    ]
    if old.require != new.require:
        problems.append(Problem("cannot change while the container runs", key="require"))
    if problems:
        raise DefinitionError(problems)
    for name, limit in after.items():
        if before[name] != limit:
            values = (-1 if value == RLIM_INFINITY else value for value in limit)
            yield Step(Stage.ADOPT, limit_processes, Slot("directory"), resource_of(name), *values)


@hookimpl
def haconiwa_isolation(feature: Rlimit | None, confined: Confined) -> Iterator[Row]:
    """Read the limits back."""
    from haconiwa_rlimit.isolation import rows

    yield from rows(feature, confined)


def _possible(feature: Rlimit, name: str, planning: Planning) -> Limit:
    """Return what is set for what was asked; less, and a warning of it, where that is good enough."""
    asked = given(feature)[name]
    hard = bounds(planning).get(resource_of(name), asked.hard)
    if not feature.is_lenient or hard >= asked.hard:
        return asked
    limit = asked.within(hard)
    planning.warn(f"{feature.section}.{name}: best effort: {limit} of {asked}, which the caller may not raise")
    return limit
