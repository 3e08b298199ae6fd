"""AppArmor: the host's procfs is opened while it is certain, and the profile written to it by the child."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_apparmor import AppArmor
from haconiwa_apparmor.kernel import open_procfs, set_exec_profile
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.host import HostFacts
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row

_PROCFS = Slot("apparmor-procfs")
_MODULE = "apparmor"
"""As /sys/kernel/security/lsm has it."""

ACTIVATE = "add apparmor to lsm= on the kernel's command line, and mount securityfs"


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return AppArmor


@hookimpl
def haconiwa_steps(feature: AppArmor, planning: Planning) -> Iterator[Step]:
    """Open procfs on the host, and choose the profile in the child."""
    problems = list(_problems(feature, planning.host))
    if problems:
        raise DefinitionError(problems)
    yield Step(Stage.PREPARE, open_procfs, into=_PROCFS)
    yield Step(Stage.CONFINE, set_exec_profile, _PROCFS, feature.profile, feature.mode)


@hookimpl
def haconiwa_isolation(feature: AppArmor | None, confined: Confined) -> Iterator[Row]:
    """Read the profile back."""
    from haconiwa_apparmor.isolation import row

    yield row(feature, confined)


@hookimpl
def haconiwa_diagnose() -> Iterator[Diagnosis]:
    """Say whether there are profiles to run under."""
    from haconiwa_apparmor.diagnosis import diagnose
    from haconiwa_core.host import gather

    yield from diagnose(gather())


def _problems(feature: AppArmor, host: HostFacts) -> Iterator[Problem]:
    if feature.profile == "unconfined":
        yield Problem("unconfined is no confinement", key="profile", hint="leave the section out")
    if _MODULE not in host.lsms:
        active = ", ".join(host.lsms) or "unknown, for securityfs is not mounted"
        text = f"AppArmor is not active on this host, whose security modules are {active}"
        yield Problem(text, hint=ACTIVATE)
