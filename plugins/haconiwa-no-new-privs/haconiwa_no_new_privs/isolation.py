"""The bit of a live process (NoNewPrivs in proc_pid_status(5))."""

from __future__ import annotations

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_no_new_privs import NoNewPrivs

_SHOWN = {"0": "no", "1": "yes"}


def row(feature: NoNewPrivs | None, confined: Confined) -> Row:
    """Return whether programs can give rights."""
    in_force, host = (_SHOWN[each.status["NoNewPrivs"]] for each in (confined, confined.host))
    asked = "yes" if feature else ""
    verified = "NoNewPrivs in /proc/PID/status"
    return compared(NoNewPrivs.section, "no new privileges", asked, in_force, host, verified)
