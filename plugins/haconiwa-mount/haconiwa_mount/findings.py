"""What an audit should know of the host's files that a Mount gives away."""

from __future__ import annotations

import os
from collections.abc import Iterator

from haconiwa_core.finding import Finding
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_mount import Mount

_PROC = "/proc"

CONTROL_SOCKETS = (
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/dbus/system_bus_socket",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/systemd/private",
)
"""Where programs listen that do as root what they are told."""

HOST_PROC = Finding(
    "BIND-HOST-PROC",
    "the host's /proc is bound",
    "the host's processes are seen; with CAP_SYS_PTRACE their environment, memory and files are in reach",
    "bind less, or set proc = true instead",
    Mount.section,
)
CONTROL_SOCKET = Finding(
    "BIND-CONTROL-SOCKET",
    "a bind holds a socket by which the host is controlled, such as docker.sock; that it is read-only does not matter",
    "escape: who can connect to it has the host start programs",
    "bind less, or cover it with a tmpfs",
    Mount.section,
)


def findings_of(plan: Plan) -> Iterator[Finding]:
    """Yield what is weak in the binds of a plan."""
    feature = plan.container.feature(Mount.section)
    planning = Planning(plan.container, plan.host)
    binds = feature.bind if isinstance(feature, Mount) else ()
    given = [(_without_link(planning.host_path(item.source)), item.recursive) for item in binds]
    if any(_lies_below(source, _PROC) or _brings(source, recursive, _PROC) for source, recursive in given):
        yield HOST_PROC
    if any(_brings(source, recursive, socket) for source, recursive in given for socket in CONTROL_SOCKETS):
        yield CONTROL_SOCKET


def _without_link(path: str) -> str:
    """Return a path with /run instead of /var/run, which leads there on any host of today."""
    return path.removeprefix("/var") if _lies_below(path, "/var/run") else path


def _brings(source: str, recursive: bool, path: str) -> bool:
    """Whether a path comes with a source; proc and /run are mounts of their own below the root."""
    return _lies_below(path, source) and (recursive or source != "/")


def _lies_below(path: str, folder: str) -> bool:
    return os.path.commonpath((path, folder)) == folder
