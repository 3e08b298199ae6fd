"""Whether this host has AppArmor, and profiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from haconiwa_apparmor.plugin import ACTIVATE
from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import HostFacts

_NAME = "apparmor profiles"
_ACTIVE = Path("/sys/module/apparmor/parameters/enabled")
_PROFILES = Path("/sys/kernel/security/apparmor/profiles")


def diagnose(host: HostFacts) -> Iterator[Diagnosis]:
    """Say whether there are profiles to run under."""
    if "apparmor" not in host.lsms:
        known = _ACTIVE.exists() and _ACTIVE.read_text().strip() == "Y"
        found = "active, but securityfs is not mounted, so that nobody can tell" if known else "not active"
        yield Diagnosis(_NAME, "missing", f"AppArmor is {found}", ACTIVATE)
        return
    try:
        loaded = _PROFILES.read_text().splitlines()
    except PermissionError:
        yield Diagnosis(_NAME, "ok", "only root may list them")
        return
    if loaded:
        yield Diagnosis(_NAME, "ok", f"{len(loaded)} are loaded")
    else:
        yield Diagnosis(_NAME, "degraded", "none is loaded", "apparmor_parser --replace /etc/apparmor.d/PROFILE")
