"""The profile of a live process (proc_pid_attr(5))."""

from __future__ import annotations

from haconiwa_apparmor import AppArmor
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown

_WHAT = "LSM apparmor"
_ATTRIBUTE = "attr/apparmor/current"


def row(feature: AppArmor | None, confined: Confined) -> Row:
    """Return the profile and its mode."""
    asked = f"{feature.profile} ({feature.mode})" if feature else ""
    if feature and confined.waits:
        return unknown(AppArmor.section, _WHAT, asked, "the kernel tells it from the execution of the command on")
    try:
        in_force, host = (each.read(_ATTRIBUTE).strip("\0\n ") for each in (confined, confined.host))
    except PermissionError:
        raise
    except OSError:
        confined.check()
        return unknown(AppArmor.section, _WHAT, asked, "AppArmor is not active on this host")
    return compared(AppArmor.section, _WHAT, asked, in_force, host, f"/proc/PID/{_ATTRIBUTE}")
