"""One of the two connections of an exchange: to the client, or to the instance."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import h11

from haconiwa_fastcontainer.front.http.head import LIMIT, BadRequestError, Request, checked, end_of_head

_CHUNK = 64 << 10


class Side:
    """A connection, and how far its messages have come.

    Args:
        connection: which does not block.
        role: of this end (h11.SERVER towards the client).

    Attributes:
        deadline: time of the loop's clock at which somebody breaks the connection off.
        is_silent: whether nothing has come from the other end so far.
    """

    def __init__(self, connection: socket.socket, role: type[Any]) -> None:
        self.socket = connection
        self.deadline = math.inf
        self.is_silent = True
        self._role = role
        self._loop = asyncio.get_running_loop()
        self._left = b""
        self._queued: list[bytes] = []
        self.renew()

    def renew(self) -> None:
        """Begin with the next message; what has come of it already is kept."""
        self.h11 = h11.Connection(self._role, max_incomplete_event_size=LIMIT)

    def limit(self, seconds: float) -> None:
        """Let the connection be broken off after a time."""
        self.deadline = self._loop.time() + seconds

    async def receive(self) -> bytes:
        """Return what has come; nothing at the end."""
        data = await self._loop.sock_recv(self.socket, _CHUNK)
        if data:
            self.is_silent = False
        return data

    async def request(self, began: Callable[[], None]) -> Request | None:
        """Return the head of the next request; None where there is none any more.

        Args:
            began: called when the first byte of it has come.

        Raises:
            BadRequestError: it is no request that could be read in one way alone.
        """
        data = self._left
        self.renew()
        if data:
            began()
        while (end := end_of_head(data)) < 0:
            more = await self.receive()
            if not more:
                return None
            if not data:
                began()
            data += more
        self._left = b""
        self.h11.receive_data(data)
        try:
            event = self.h11.next_event()
        except h11.RemoteProtocolError as error:
            raise BadRequestError(str(error), error.error_status_hint) from error
        if not isinstance(event, h11.Request):
            raise BadRequestError(f"the first {end} bytes are no request")
        return checked(event, data[:end])

    def end_request(self) -> bool:
        """Keep what has come of the next request; return whether one may follow."""
        if self.h11.our_state is not h11.DONE or self.h11.their_state is not h11.DONE:
            return False
        self._left, ended = self.h11.trailing_data
        return not ended or bool(self._left)

    async def event(self, before: Callable[[], Awaitable[None]] | None = None) -> Any:
        """Return the next event of the present message, as h11 has it.

        Args:
            before: called before it is waited for.

        Raises:
            h11.RemoteProtocolError: the other end does not speak HTTP/1.1, or has left in the middle.
        """
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            if before:
                await before()
            self.h11.receive_data(await self.receive())
        return event

    def queue(self, event: Any) -> None:
        """Let an event go out with the next `flush`."""
        if data := self.h11.send(event):
            self._queued.append(data)

    async def flush(self) -> None:
        """Send what is queued."""
        if self._queued:
            data, self._queued = b"".join(self._queued), []
            await self._loop.sock_sendall(self.socket, data)

    async def send(self, event: Any) -> None:
        """Send an event."""
        self.queue(event)
        await self.flush()

    def taken_over(self) -> bytes:
        """Return what has come after the last message, which is of another protocol."""
        return self.h11.trailing_data[0]

    def break_off(self) -> None:
        """Let everything that waits for this connection end."""
        self.deadline = math.inf
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It has ended meanwhile.
