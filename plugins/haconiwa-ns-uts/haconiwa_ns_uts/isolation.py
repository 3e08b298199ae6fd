"""The names in the UTS namespace of a live process (uname(2))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.linux.constants import CLONE_NEWUTS
from haconiwa_ns_uts import UtsNamespace
from haconiwa_ns_uts.plugin import host_name

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan


def rows(feature: UtsNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield host name and domain name."""
    own = feature if feature and feature.join is None else None
    yield _row("host name", "hostname", host_name(own, plan.container.name) if own else "", confined)
    yield _row("domain name", "domainname", own.domainname or "" if own else "", confined)


def _row(what: str, file: str, asked: str, confined: Confined) -> Row:
    # Whoever reads it is told the name in his own namespace.
    name = Path("/proc/sys/kernel", file)
    host = name.read_text().strip()
    try:
        in_force = confined.inside(name.read_text, "uts", CLONE_NEWUTS).strip()
    except PermissionError as error:
        return unknown(UtsNamespace.section, what, asked, f"its namespace cannot be entered: {error.strerror}")
    return compared(UtsNamespace.section, what, asked, in_force, host, "uname(2) in its namespace")
