"""One instance of a service as a front uses it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable

from haconiwa_supervision.readiness.sock_diag import (
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT1,
    NETLINK_SOCK_DIAG,
    NEW_SYN_RECV,
    SYN_RECV,
    sockets,
)

from haconiwa_core.runtime.processes import is_readable
from haconiwa_fastcontainer.fleet.network import Subject, Way
from haconiwa_fastcontainer.state import LEASE, Row

_SHARE_OF_TIME, _FIRST_PAUSE, _LONGEST_PAUSE = 0.03, 0.0003, 0.005
"""Pauses between two attempts to connect: a share of the time that was waited already, and seconds."""

# One whose client has gone, while its server still has something to say, is open.
_OPEN = (ESTABLISHED, SYN_RECV, FIN_WAIT1, CLOSE_WAIT, NEW_SYN_RECV)
_SPARE = 32
_SPARE_FOR = 2.0
"""Connections to one instance that are kept for the next request, and seconds for which they are."""

_CLOSING = 0.02
"""Seconds that an instance gets to close its ends of such connections, which count as open until then."""


class Instance:
    """An instance: how it is reached, and how much it is used by this front.

    Args:
        row: as the state has it.
        subject: the container if it runs on this host; its descriptor is closed with this.
        ended: called when its first process has ended.

    Attributes:
        row: its present one.
        in_flight: requests or connections of this front.
        used: when the last of them began or ended, on the monotonic clock.
        ready: seconds from the start of its command until it accepted a connection.
        shunned: time until which it gets no requests of this front, on the monotonic clock.
    """

    def __init__(self, row: Row, subject: Subject | None, ended: Callable[[Instance], None]) -> None:
        self.row = row
        self.subject = subject
        self.in_flight = 0
        self.used = time.monotonic()
        self.ready = 0.0
        self.shunned = 0.0
        self._way = Way(row.address, row.port, subject)
        self._spare: list[tuple[socket.socket, float]] = []
        self._ended = ended
        if subject:
            asyncio.get_running_loop().add_reader(subject.pidfd, self._has_ended)

    @property
    def name(self) -> str:
        """Of the container."""
        return self.row.name

    @property
    def has_ended(self) -> bool:
        """Whether its first process has ended; of one on another host, nobody knows here."""
        return self.subject is not None and is_readable(self.subject.pidfd, 0)

    def shun(self) -> None:
        """Send no requests there for a while: it is on another host, and could not be reached.

        Its own front ends it, or the lease of its host runs out meanwhile.
        """
        self.shunned = time.monotonic() + LEASE

    async def connect(self) -> socket.socket:
        """Return a connection: one that was used before and is still open, or a new one.

        Raises:
            OSError: as `Way.connect`.
        """
        while self._spare:
            spare, _ = self._spare.pop()
            if not is_readable(spare.fileno(), 0):
                return spare
            spare.close()  # It was closed at the other end, or says what nobody has asked for.
        return await self._way.connect()

    async def connect_anew(self) -> socket.socket:
        """Return a connection that nobody has used before; errors are those of `connect`."""
        return await self._way.connect()

    def keep(self, connection: socket.socket) -> None:
        """Take a connection back, on which the next request may go, or close it."""
        if len(self._spare) < _SPARE and self.row.phase == "running":
            self._spare.append((connection, time.monotonic()))
        else:
            connection.close()

    async def until_ready(self) -> None:
        """Wait until it accepts a connection, which the first request gets.

        Raises:
            OSError: it cannot be reached, for another reason than that nobody listens yet.
            ProcessLookupError: it has ended.
        """
        began = time.monotonic()
        while True:
            try:
                self._spare.append((await self._way.connect(), time.monotonic()))
                break
            except ConnectionRefusedError:
                if self.has_ended:
                    raise ProcessLookupError from None
            waited = time.monotonic() - began
            await asyncio.sleep(min(max(waited * _SHARE_OF_TIME, _FIRST_PAUSE), _LONGEST_PAUSE))
        self.ready = time.monotonic() - began

    async def is_connected_to(self) -> bool:
        """Return whether anybody has a connection to its port, as the kernel of this host knows (sock_diag(7)).

        The connections that this front keeps for later are closed first.

        Raises:
            OSError: the kernel cannot tell.
        """
        if self._spare:
            self._close_spare()
            await asyncio.sleep(_CLOSING)
        try:
            asked = await self._way.socket(socket.SOCK_RAW, socket.AF_NETLINK, NETLINK_SOCK_DIAG)
        except (FileNotFoundError, ProcessLookupError):
            return False  # It has ended.
        with asked:
            return next(sockets(asked, self.row.port, _OPEN), None) is not None

    def close(self) -> None:
        """Let go of it; the container stays."""
        self._close_spare()
        self._way.close()
        if self.subject:
            asyncio.get_running_loop().remove_reader(self.subject.pidfd)
            os.close(self.subject.pidfd)
            self.subject = None

    def trim(self) -> None:
        """Close connections that were kept, and that nobody has wanted for a while: they look like use to others."""
        oldest = time.monotonic() - _SPARE_FOR
        while self._spare and self._spare[0][1] < oldest:
            self._spare.pop(0)[0].close()

    def _close_spare(self) -> None:
        while self._spare:
            self._spare.pop()[0].close()

    def _has_ended(self) -> None:
        self._ended(self)
