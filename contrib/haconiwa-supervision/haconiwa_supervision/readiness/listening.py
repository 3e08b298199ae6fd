"""Which TCP ports of a container are listened on."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from haconiwa_core.linux.host import descendants
from haconiwa_supervision.readiness import Subject
from haconiwa_supervision.readiness.network import is_shared, socket_in
from haconiwa_supervision.readiness.sock_diag import LISTEN, NETLINK_SOCK_DIAG, sockets

_SOCKET = re.compile(r"socket:\[([0-9]+)\]")


class Listening:
    """Looks at who listens in one namespace; a context manager.

    Args:
        opened: netlink socket in the namespace.
        owner: the container if others share the namespace: only what its processes have open counts.
    """

    def __init__(self, opened: socket.socket, owner: Subject | None) -> None:
        self._socket = opened
        self._owner = owner

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def lack(self, port: int) -> str:
        """Return "" if something listens on a port, with IPv4 or IPv6, else what is wrong.

        Raises:
            OSError: ENOENT where the kernel has no module tcp_diag.
        """
        found = set(sockets(self._socket, port, (LISTEN,)))
        if not found:
            return "nothing listens"
        if self._owner and found.isdisjoint(_open_sockets(self._owner)):
            return "only what is not of the container listens"
        return ""


async def listening_in(subject: Subject) -> Listening:
    """Return what looks at the network namespace that a container is in now.

    Raises:
        OSError: as `socket_in`.
    """
    opened = await socket_in(subject, socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    return Listening(opened, subject if is_shared(subject) else None)


def _open_sockets(subject: Subject) -> set[int]:
    """Return the inodes of all sockets that a container's processes have open (proc_pid_fd(5))."""
    found = set()
    for pid in _processes(subject):
        # Processes end, and close files, while they are looked at.
        with suppress(FileNotFoundError, ProcessLookupError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    if link := _SOCKET.fullmatch(os.readlink(entry.path)):
                        found.add(int(link[1]))
    return found


def _processes(subject: Subject) -> Iterator[int]:
    """Yield the pids of a container: of its control group, or the first one and those that descend from it."""
    if not subject.group:
        yield subject.pid
        yield from (pid for pid, _ in descendants(subject.pid))
        return
    for folder, _, _ in os.walk(Path(*subject.group)):
        yield from map(int, Path(folder, "cgroup.procs").read_text().split())
