"""The resident supervisor ends when it has nothing to do; a front keeps it there, for the next first request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from haconiwa_runtime.client import Connection
from haconiwa_runtime.waiting import is_readable
from haconiwa_supervision.control.spawning import connected

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.store import Store

_NOBODY = "-"
"""No container's name."""

_PAUSE = 1.0


class Holding:
    """Stays connected with the supervisor of a state directory, and starts another one if that has ended.

    Args:
        store: of the containers.
        work: calls what blocks in a thread.
        fault: told why it cannot be started.
    """

    def __init__(
        self,
        store: Store,
        work: Callable[[Callable[[], Connection]], Awaitable[Connection]],
        fault: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._work = work
        self._fault = fault

    async def run(self) -> None:
        """Hold it until this is cancelled."""
        while True:
            try:
                connection = await self._work(self._connected)
            except HaconiwaError as error:
                self._fault(error)
                await asyncio.sleep(_PAUSE)
                continue
            with connection:
                # Nothing is told of nobody: what comes is the end.
                await is_readable(connection)

    def _connected(self) -> Connection:
        connection = connected(self._store)
        try:
            connection.ask("events", names=[_NOBODY], after=None)
        except BaseException:
            connection.close()
            raise
        return connection
