"""Whether filters are loaded in a live process (proc_pid_status(5)); what they deny, it does not tell."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_seccomp import Seccomp

_MODES = {"0": "none", "1": "strict", "2": "filter"}
_FIELDS = ("Seccomp", "Seccomp_filters")


def rows(feature: Seccomp | None, confined: Confined) -> Iterator[Row]:
    """Yield the mode, and how many filters there are: one more than the caller has."""
    mode, number = (f"{field} in /proc/PID/status" for field in _FIELDS)
    in_force, host = (_MODES[each.status["Seccomp"]] for each in (confined, confined.host))
    yield compared(Seccomp.section, "seccomp mode", "filter" if feature else "", in_force, host, mode)
    loaded, before = (each.status.get("Seccomp_filters", "") for each in (confined, confined.host))
    if not loaded.isdigit() or not before.isdigit():
        yield unknown(Seccomp.section, "seccomp filters", "1" if feature else "", f"there is no {number}")
        return
    asked = int(before) + 1
    row = compared(Seccomp.section, "seccomp filters", f"{asked}" if feature else "", loaded, before, number)
    # A program may load filters of its own, after the container's.
    yield row._replace(state="holds") if feature and int(loaded) > asked else row
