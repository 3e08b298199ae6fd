"""Which TCP ports are listened on in a network namespace, asked of the kernel without a connection (sock_diag(7)).

The tables of proc_net(5) say the same, but the kernel goes through those of all its connections for that, which takes
milliseconds where there is much memory.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from haconiwa_core.linux.host import descendants
from haconiwa_supervision.readiness import Subject
from haconiwa_supervision.readiness.network import is_shared, socket_in

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_STATE_LISTEN = 1 << 10
_ANY_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI HH16s16sIII")
_INODE = struct.Struct("=68xI")
_BUFFER = 32 << 10
_REASONS = {errno.ENOENT: "the kernel cannot tell who listens; modprobe tcp_diag"}
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
        found = {inode for family in (socket.AF_INET, socket.AF_INET6) for inode in self._inodes(family, port)}
        if not found:
            return "nothing listens"
        if self._owner and found.isdisjoint(_open_sockets(self._owner)):
            return "only what is not of the container listens"
        return ""

    def _inodes(self, family: int, port: int) -> Iterator[int]:
        """Yield the inode of each socket that listens on a port."""
        place = (socket.htons(port), 0, b"", b"", 0, _ANY_COOKIE, _ANY_COOKIE)
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _STATE_LISTEN, *place)
        size = _HEADER.size + len(request)
        self._socket.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 0, 0) + request)
        while True:
            # The kernel answers while it is asked: this does not wait.
            messages = self._socket.recv(_BUFFER)
            while messages:
                length, kind, *_ = _HEADER.unpack_from(messages)
                content, messages = messages[_HEADER.size : length], messages[length + 3 & ~3 :]
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", content)[0]
                    raise OSError(number, _REASONS.get(number, os.strerror(number)))
                yield _INODE.unpack_from(content)[0]


async def listening_in(subject: Subject) -> Listening:
    """Return what looks at the network namespace that a container is in now.

    Raises:
        OSError: as `socket_in`.
    """
    opened = await socket_in(subject, socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
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
