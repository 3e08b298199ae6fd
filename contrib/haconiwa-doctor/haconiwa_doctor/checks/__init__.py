"""The checks, by what they are about. A check is a function that takes nothing and yields what it has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_doctor.checks import caller, cgroups, filesystems, installation, namespaces, security, system

Check = Callable[[], Iterator[Diagnosis]]

GROUPS: Mapping[str, tuple[Check, ...]] = {
    "system": system.CHECKS,
    "namespaces": namespaces.CHECKS,
    "cgroups": cgroups.CHECKS,
    "filesystems": filesystems.CHECKS,
    "security": security.CHECKS,
    "caller": caller.CHECKS,
    "installation": installation.CHECKS,
}
