"""Rows of the isolation matrix about what every process has: shared by plugins, and the core's where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.runtime.lookup import open_namespace_of_container

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

CORE = "core"
OWN = "own"
HOSTS = "the host's"

_TITLES = {"mnt": "mount namespace", "net": "network namespace"}

_STATUS = {
    "inheritable capabilities": "CapInh",
    "permitted capabilities": "CapPrm",
    "effective capabilities": "CapEff",
    "bounding capabilities": "CapBnd",
    "ambient capabilities": "CapAmb",
    "no new privileges": "NoNewPrivs",
    "seccomp mode": "Seccomp",
}
"""What belongs to some plugin where that is installed, and its field in /proc/PID/status."""


def namespace_row(section: str, kind: str, confined: Confined, asked: str = "", join: int | str | None = None) -> Row:
    """Return whether a process has a namespace apart from the host's (namespaces(7)).

    Args:
        section: the plugin's name.
        kind: the file in /proc/PID/ns.
        confined: the process.
        asked: "" where the host's is good.
        join: the pid, container or path whose namespace was asked for; None for one of its own.
    """
    what, verified = namespace_title(kind), f"/proc/PID/ns/{kind}"
    try:
        found, host = confined.namespace(kind), confined.host.namespace(kind)
    except (FileNotFoundError, PermissionError) as error:
        confined.check()
        return unknown(section, what, asked, f"{verified}: {error.strerror}")
    try:
        joined = join is not None and found == f"{kind}:[{_number_of(kind, join)}]"
    except OSError as error:
        return unknown(section, what, asked, f"what was joined is not there any more: {error.strerror}")
    in_force = asked if joined else HOSTS if found == host else OWN
    return compared(section, what, asked, in_force, host, f"{verified} is {found}")


def _number_of(kind: str, join: int | str) -> int:
    """Return the inode of a namespace that was joined."""
    if isinstance(join, int):
        return os.stat(f"/proc/{join}/ns/{kind}").st_ino
    if join.startswith("/"):
        return os.stat(join).st_ino
    descriptor = open_namespace_of_container(kind, join)
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def namespace_title(kind: str) -> str:
    """Return the key of a namespace's row: "mount namespace"."""
    return _TITLES.get(kind, f"{kind} namespace")


def module_title(name: str) -> str:
    """Return the key of the row of a security module: "LSM yama"."""
    return f"LSM {name}"


def core_rows(rows: Iterable[Row], plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield the core's rows: the session that every container has, and what no installed plugin stands for.

    Args:
        rows: of the plugins.
        plan: of the container.
        confined: the process.
    """
    in_force = OWN if confined.stat[3] == str(confined.pid) else HOSTS
    yield compared(CORE, "session", OWN, in_force, "", "/proc/PID/stat, setsid(2)")
    known = {row.what for row in rows}
    for kind in plan.host.namespaces:
        if namespace_title(kind) not in known:
            yield namespace_row(CORE, kind, confined)
    for what, field in _STATUS.items():
        if what not in known:
            value, host = (each.status[field] for each in (confined, confined.host))
            yield compared(CORE, what, "", value, host, f"{field} in /proc/PID/status")
    for name in plan.host.lsms:
        if module_title(name) not in known:
            yield compared(CORE, module_title(name), "", "active", "active", "/sys/kernel/security/lsm")
