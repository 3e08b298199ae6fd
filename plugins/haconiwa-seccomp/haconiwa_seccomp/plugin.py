"""Seccomp: compiled while planning, loaded by the child as late as possible."""

from __future__ import annotations

from collections.abc import Iterator
from signal import SIGSYS
from typing import TYPE_CHECKING

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import EndingSignal, Fact, NoNewPrivileges
from haconiwa_core.feature import Feature
from haconiwa_core.finding import Finding
from haconiwa_core.operation import Slot
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_seccomp import Seccomp
from haconiwa_seccomp.chain import MAXIMUM_SIZE
from haconiwa_seccomp.handling import start_handler
from haconiwa_seccomp.kernel import load_filter, load_filter_with_handler

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.context import Planning
    from haconiwa_core.planning.plan import Plan

_HANDLER = Slot("seccomp-handler")


_WHY = "escape by a fault of the kernel, most of which lie in calls that hardly any program needs, such as io_uring's"
_MISSING = Finding("SECCOMP-MISSING", "every system call may be made", _WHY, "add seccomp", Seccomp.section)
_LOG = Finding("SECCOMP-LOG", "the filter denies nothing, it only logs", _WHY, "leave log out", Seccomp.section)


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Seccomp


@hookimpl
def haconiwa_facts(feature: Seccomp) -> Iterator[Fact]:
    """Tell by which signal a filter ends a process."""
    if not feature.log:
        yield EndingSignal("seccomp", SIGSYS)


@hookimpl
def haconiwa_steps(feature: Seccomp, planning: Planning) -> Iterator[Step]:
    """Load the filter: last of all, or before the rights are given up that loading needs."""
    last = planning.facts.get(NoNewPrivileges) is not None
    problems = []
    if not (last or planning.privileged or planning.user_namespace):
        hint = planning.providers("NoNewPrivileges")
        problems.append(Problem("needs no_new_privs, or CAP_SYS_ADMIN, which the caller does not have", hint=hint))
    program, flags = b"", 0
    try:
        program, flags = _filter(feature, planning)
    except DefinitionError as error:
        problems += error.problems
    if problems:
        raise DefinitionError(problems)
    stage = Stage.CONFINE if last else Stage.FILTER
    after = (NoNewPrivileges, "apparmor", "landlock")
    if feature.handler and not feature.log:
        yield Step(Stage.PREPARE, start_handler, feature.handler, into=_HANDLER)
        yield Step(stage, load_filter_with_handler, program, flags, _HANDLER, after=after)
    else:
        yield Step(stage, load_filter, program, flags, after=after)


@hookimpl
def haconiwa_check(plan: Plan) -> Iterator[Problem]:
    """Refuse a filter that denies what is still to be done after it is loaded."""
    from haconiwa_seccomp.checking import denied

    yield from denied(plan)


@hookimpl
def haconiwa_findings(plan: Plan) -> Iterator[Finding]:
    """Say that there is no filter, or none that denies anything."""
    section = plan.container.feature(Seccomp.section)
    if section is None:
        yield _MISSING
    elif isinstance(section, Seccomp) and section.log:
        yield _LOG


@hookimpl
def haconiwa_isolation(feature: Seccomp | None, confined: Confined) -> Iterator[Row]:
    """Read back that there is a filter."""
    from haconiwa_seccomp.isolation import rows

    yield from rows(feature, confined)


@hookimpl
def haconiwa_diagnose() -> Iterator[Diagnosis]:
    """Say whether filters can be compiled, and what they may answer."""
    from haconiwa_core.host import gather
    from haconiwa_seccomp.diagnosis import diagnose

    yield from diagnose(gather())


def _filter(feature: Seccomp, planning: Planning) -> tuple[bytes, int]:
    """Return the section's filter and its SECCOMP_FILTER_FLAG_*.

    Raises:
        DefinitionError: with all that is wrong with the section.
    """
    try:
        from haconiwa_seccomp.libseccomp import compiled
    except OSError as error:
        raise DefinitionError([Problem("libseccomp is missing", hint="install it: apt install libseccomp2")]) from error
    from haconiwa_seccomp.policy import policy_of
    from haconiwa_seccomp.profile import NONE, default_profile

    if feature.profile == "default":
        profile = default_profile(planning)
    elif feature.profile == "none":
        profile = NONE
    else:
        from haconiwa_seccomp.docker import read_profile

        profile = read_profile(feature.profile, planning)
    program = compiled(policy_of(feature, profile, planning.host))
    if len(program) > MAXIMUM_SIZE:
        raise DefinitionError([Problem(f"the filter has {len(program) // 8} instructions, and may have 4096")])
    return program, profile.flags
