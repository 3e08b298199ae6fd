"""Landlock: one ruleset, made of what is denied and a rule for each path and port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import NoNewPrivileges, Wrapper
from haconiwa_core.feature import Feature
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_landlock import Landlock
from haconiwa_landlock.asked import denied_files, grants, ports
from haconiwa_landlock.checks import may_not_restrict, unknown_to_kernel, without_effect
from haconiwa_landlock.kernel import allow_open_file, allow_path, allow_port, create_ruleset, restrict_self
from haconiwa_landlock.rights import GROUPS, FileAccess, PortAccess, ScopeFlag, union

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.isolation.rows import Row

_RULESET = Slot("landlock-ruleset")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Landlock


@hookimpl
def haconiwa_steps(feature: Landlock, planning: Planning) -> Iterator[Step]:
    """Make the ruleset, add its rules, and put it in force."""
    host = planning.host
    problems = [*unknown_to_kernel(feature, host), *without_effect(feature, host)]
    if problems:
        raise DefinitionError(problems)
    files, restricted = denied_files(feature, host.landlock), ports(feature)
    denied = (files, union(PortAccess, restricted), union(ScopeFlag, feature.scope))
    # An AppArmor label is written to a file, which a ruleset could deny.
    yield Step(Stage.CONFINE, create_ruleset, *denied, into=_RULESET, after=("apparmor", NoNewPrivileges))
    for path, access in _by_path(feature).items():
        yield Step(Stage.CONFINE, allow_path, _RULESET, path, access & files)
    wrapper, executing = planning.facts.get(Wrapper), GROUPS["execute"] & files
    if wrapper and executing:
        yield Step(Stage.CONFINE, allow_open_file, _RULESET, wrapper.program, executing)
    for port in sorted({port for listed in restricted.values() for port in listed}):
        uses = union(PortAccess, (key for key, listed in restricted.items() if port in listed))
        yield Step(Stage.CONFINE, allow_port, _RULESET, port, uses)
    yield Step(Stage.CONFINE, restrict_self, _RULESET)


@hookimpl
def haconiwa_check(plan: Plan) -> Iterator[Problem]:
    """Refuse a user who may not restrict itself: who it is and what it may, only the finished plan tells."""
    yield from may_not_restrict(plan)


@hookimpl
def haconiwa_isolation(feature: Landlock | None) -> Iterator[Row]:
    """Say that nothing can be read back."""
    from haconiwa_landlock.isolation import rows

    yield from rows(feature)


@hookimpl
def haconiwa_diagnose() -> Iterator[Diagnosis]:
    """Say which version of the interface there is, and what it lacks."""
    from haconiwa_core.host import gather
    from haconiwa_landlock.diagnosis import diagnose

    yield from diagnose(gather())


def _by_path(feature: Landlock) -> dict[str, FileAccess]:
    found: dict[str, FileAccess] = {}
    for grant in grants(feature):
        found[grant.path] = found.get(grant.path, FileAccess(0)) | grant.access
    return found
