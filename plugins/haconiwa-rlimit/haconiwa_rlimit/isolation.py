"""The limits of a live process (proc_pid_limits(5))."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_core.linux.constants import RLIM_INFINITY
from haconiwa_rlimit import Rlimit
from haconiwa_rlimit.limits import Limit, given, resource_of

_FILE = "/proc/PID/limits"


def rows(feature: Rlimit | None, confined: Confined) -> Iterator[Row]:
    """Yield a row for each limit that is given; where none is, one that says so."""
    limits = given(feature) if feature else {}
    if feature is None or not limits:
        yield compared(Rlimit.section, "resource limits", "", "the host's", "", _FILE)
        return
    for name, asked in limits.items():
        in_force, host = (_limit(each, name) for each in (confined, confined.host))
        row = compared(Rlimit.section, f"rlimit {name}", str(asked), str(in_force), str(host), _FILE)
        # Less than was asked for is no failure where it is good enough.
        enough = feature.is_lenient and asked.within(in_force.hard) == in_force != asked
        yield row._replace(asked=f"{asked}, best effort", state="weak") if enough else row


def _limit(confined: Confined, name: str) -> Limit:
    soft, hard = (RLIM_INFINITY if value < 0 else value for value in confined.limits[resource_of(name)])
    return Limit(soft, hard)
