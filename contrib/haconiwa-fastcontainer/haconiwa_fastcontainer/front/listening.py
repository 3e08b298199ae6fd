"""Connections of clients: accepted as long as there is room for them, each served by a task of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from haconiwa_supervision.tasks import Tasks

Serve = Callable[[socket.socket], Awaitable[None]]

_PAUSE = 0.1
"""Seconds until it is tried again to accept a connection when no descriptor is left."""


class Listener:
    """Accepts connections of one listening socket.

    Args:
        listening: which does not block; it is not closed.
        serve: is given each connection, and closes it.
        most: connections at once; more wait in the kernel's queue.
        fault: told what is wrong with one.
    """

    def __init__(
        self, listening: socket.socket, serve: Serve, *, most: int, fault: Callable[[BaseException], None]
    ) -> None:
        self._listening = listening
        self._serve = serve
        self._fault = fault
        self._places = asyncio.Semaphore(most)
        self._tasks = Tasks(fault)
        self._accepting = asyncio.ensure_future(self._accept_all())

    @property
    def connections(self) -> int:
        """That are open."""
        return len(self._tasks)

    async def close(self, patience: float) -> None:
        """Accept no more, and end what is open.

        Args:
            patience: seconds that connections get to end by themselves.
        """
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        await self._tasks.wait(patience)
        self._tasks.cancel()
        await self._tasks.wait(1.0)

    async def _accept_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._places.acquire()
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except OSError as error:
                self._places.release()
                # No descriptor is left, or the client has gone: the others wait.
                with suppress(ConnectionAbortedError):
                    self._fault(error)
                await asyncio.sleep(_PAUSE)
                continue
            except BaseException:
                self._places.release()
                raise
            task = self._tasks.begin(self._served(connection))
            task.add_done_callback(lambda _: self._places.release())

    async def _served(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._serve(connection)
