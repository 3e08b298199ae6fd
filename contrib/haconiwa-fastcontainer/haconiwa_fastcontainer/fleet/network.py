"""TCP sockets that lead to an instance, in the network namespace that it is in (network_namespaces(7))."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from haconiwa_runtime.waiting import within
from haconiwa_supervision.readiness.network import is_shared, socket_in

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.linux.host import open_process, system_call

_LOCAL = "127.0.0.1"
_PATIENCE = 2.0
"""Seconds that another host has to accept a connection."""


@dataclass(frozen=True)
class Subject:
    """A container as `haconiwa_supervision.readiness.network` knows it.

    Attributes:
        name: of the instance.
        pid: of the first process, on the host.
        started: when that was started, in clock ticks since boot.
        pidfd: descriptor of that process.
    """

    name: str
    pid: int
    started: int
    pidfd: int


class Way:
    """How an instance's port is reached.

    Args:
        address: where all reach it; "" for its own loopback.
        port: TCP port.
        subject: the container, whose namespace is entered; None for one of another host.
    """

    def __init__(self, address: str, port: int, subject: Subject | None) -> None:
        self.address = address or _LOCAL
        self.port = port
        self._subject = subject
        self._is_here = subject is not None
        self._namespaces: tuple[int, int] | None = None

    def close(self) -> None:
        """Let go of the namespace, which would stay as long as a descriptor of it."""
        for descriptor in self._namespaces or ():
            os.close(descriptor)
        self._namespaces = None

    async def connect(self) -> socket.socket:
        """Return a new connection, which does not block.

        Raises:
            OSError: ECONNREFUSED while nobody listens; TimeoutError where another host does not answer; what else
                setns(2) and connect(2) say.
        """
        opened = await self.socket(socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connecting = asyncio.get_running_loop().sock_connect(opened, (self.address, self.port))
            # A host that has gone does not even refuse.
            await (connecting if self._is_here else within(_PATIENCE, connecting))
        except BaseException:
            opened.close()
            raise
        return opened

    async def socket(self, kind: int, family: int | None = None, protocol: int = 0) -> socket.socket:
        """Return a new socket in the namespace.

        Args:
            kind: as for `socket.socket`.
            family: by default that of the address.
            protocol: of the family.

        Raises:
            OSError: as `connect`; FileNotFoundError or ProcessLookupError where the container has ended.
        """
        if family is None:
            family = socket.AF_INET6 if ip_address(self.address).version == 6 else socket.AF_INET
        if self._subject and self._namespaces is None and is_shared(self._subject):
            self._subject = None
        if self._subject is None:
            return socket.socket(family, kind, protocol)
        if os.geteuid() != 0:
            return await socket_in(self._subject, family, kind, protocol)
        if self._namespaces is None:
            self._namespaces = _opened(self._subject)
        own, its = self._namespaces
        # Nothing else happens in this thread meanwhile, and other threads stay where they are.
        system_call(Call.setns, its, CLONE_NEWNET)
        try:
            return socket.socket(family, kind, protocol)
        finally:
            system_call(Call.setns, own, CLONE_NEWNET)


def _opened(subject: Subject) -> tuple[int, int]:
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        its = os.open(f"/proc/{subject.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        # The pid may have come to mean another process in between.
        os.close(open_process(subject.pid, subject.started))
    except BaseException:
        os.close(own)
        raise
    return own, its
