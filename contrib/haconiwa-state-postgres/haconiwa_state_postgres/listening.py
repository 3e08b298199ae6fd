"""A connection on which the server tells what has changed; one that is lost is made again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg import AsyncConnection

from haconiwa_state_postgres.server import Server
from haconiwa_state_postgres.statements import LISTEN

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two attempts to connect."""


class Listening:
    """Calls a function with each name that is told, and with "" after some may have been missed.

    Args:
        server: to listen to.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it listens, or tries to."""
        return self._task is not None

    async def open(self, changed: Callable[[str], None]) -> None:
        """Begin to listen.

        Args:
            changed: the function.

        Raises:
            psycopg.Error: the server cannot be reached.
        """
        self._connection = await self._connected()
        self._task = asyncio.ensure_future(self._listen(changed))

    async def close(self) -> None:
        """Listen no more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection:
            await self._connection.close()

    async def _connected(self) -> AsyncConnection:
        connection = await self._server.connect()
        try:
            await connection.execute(LISTEN)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _listen(self, changed: Callable[[str], None]) -> None:
        while self._connection:
            # Its end is told when there is another one; why there is none, whoever asks something hears.
            with suppress(psycopg.Error):
                async for told in self._connection.notifies():
                    changed(told.payload)
            await self._connection.close()
            self._connection = await self._again()
            changed("")

    async def _again(self) -> AsyncConnection:
        pause = _FIRST_PAUSE
        while True:
            with suppress(psycopg.Error):
                return await self._connected()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
