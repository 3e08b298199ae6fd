"""What this host has of Landlock."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import HostFacts
from haconiwa_landlock.rights import OPTIONS_SINCE, SINCE


def diagnose(host: HostFacts) -> Iterator[Diagnosis]:
    """Say which version of the interface there is, and what it lacks."""
    version = host.landlock
    rights = {str(right.name).lower(): since for right, since in SINCE.items()}
    lacking = [name for name, since in {**rights, **OPTIONS_SINCE}.items() if since > version]
    if not version:
        remedy = "add landlock to lsm= on the kernel's command line (CONFIG_SECURITY_LANDLOCK=y)"
        yield Diagnosis("landlock", "missing", "the kernel has none, or it is off", remedy)
    elif lacking:
        meaning = f"version {version}: {', '.join(lacking)} cannot be used"
        yield Diagnosis("landlock", "degraded", meaning, "run Linux 6.12 or newer")
    else:
        yield Diagnosis("landlock", "ok", f"version {version}")
