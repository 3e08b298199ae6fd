"""The state of several hosts: tables of a PostgreSQL database, which tells all of them what has changed."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from haconiwa_fastcontainer.state import LEASE, Host, Row, StateError
from haconiwa_runtime.waiting import within
from psycopg import AsyncConnection

from haconiwa_core.runtime.processes import is_readable
from haconiwa_state_postgres import statements
from haconiwa_state_postgres.listening import Listening
from haconiwa_state_postgres.server import Server

T = TypeVar("T")

_PATIENCE = 10.0
"""Seconds that all of a question may take, from the connection to the answer."""

_FRESH = LEASE / 2
"""Seconds after its last renewal for which a lease is not looked at."""


class PostgresState:
    """A state that hosts share.

    Nothing is tried again here: while the server is away, all is refused at once, and when it is back, the function of
    `watch` is called with "".

    Args:
        url: "postgresql://USER@HOST:PORT/DATABASE".

    Attributes:
        grace: see `haconiwa_fastcontainer.state.State`.

    Raises:
        StateError: it is no such URL.
    """

    grace = 0.5

    def __init__(self, url: str) -> None:
        self._server = Server(url)
        self._changed: Callable[[str], None] = lambda _: None
        self._listening = Listening(self._server)
        self._connection: AsyncConnection | None = None
        self._is_free = asyncio.Lock()
        self._is_open = False
        self._host = Host("", 0, 0, 0, 0.0)
        self._renewed = 0.0
        self._front = secrets.token_hex(8)
        self._takes = True

    async def open(self, host: Host) -> None:
        """Make the tables if need be, and take the host's lease; see `State`."""
        self._host, self._is_open = host, True
        try:
            async with await self._server.connect() as connection:
                await _make_tables(connection)
            await self._ask(self._forget_hosts)
            await self._listening.open(self._tell)
        except psycopg.Error as error:
            raise self._server.error(error) from None
        finally:
            if not self._listening.is_open:
                self._is_open = False
                await self._hang_up()

    async def close(self) -> None:
        """Have nothing more started here; the lease runs out, unless the next front renews it; see `State`."""
        await self._listening.close()
        # Where it cannot be told, the end of the lease tells it.
        with suppress(StateError):
            await self._ask(lambda connection: connection.execute(statements.CLOSE, self._told()))
        self._is_open = False
        await self._hang_up()

    def watch(self, changed: Callable[[str], None]) -> None:
        """Tell changes; see `State`."""
        self._changed = changed

    async def report(self, host: Host) -> None:
        """Renew the lease, and forget hosts whose leases have run out; see `State`."""
        self._host, self._renewed = host, 0.0
        await self._ask(self._forget_hosts)

    async def hosts(self) -> list[Host]:
        """Return the hosts; see `State`."""
        return [Host(*each) for each in await self._fetch(statements.HOSTS, {"lease": LEASE})]

    async def rows(self, service: str = "") -> list[Row]:
        """Return instances; see `State`."""
        return [Row(*each) for each in await self._fetch(statements.ROWS, {"lease": LEASE, "service": service})]

    async def reserve(self, row: Row, fewer_than: int) -> bool:
        """Add an instance if there is room, for the service and on the host; see `State`."""

        async def add(connection: AsyncConnection) -> bool:
            await self._forget_hosts(connection)
            async with connection.transaction():
                await connection.execute(statements.TAKE_LOCK, [_key(row.service)])
                found = await (await connection.execute(statements.LOCK_HOST, {"host": row.host})).fetchone()
                if found is None:
                    return False
                told = {**row._asdict(), "fewer_than": fewer_than, "most": found[0]}
                added = (await connection.execute(statements.ADD, told)).rowcount == 1
                if added:
                    await connection.execute(statements.TELL, [row.service])
                return added

        return await self._ask(add)

    async def put(self, row: Row) -> bool:
        """Change an instance; see `State`."""
        return await self._ask(lambda connection: _change(connection, statements.PUT, row._asdict()))

    async def remove(self, name: str) -> None:
        """Forget an instance; see `State`."""
        await self._ask(lambda connection: _change(connection, statements.REMOVE, {"name": name}))

    def _tell(self, name: str) -> None:
        self._changed(name)

    # One question at a time, on one connection, by a host whose lease is in force.

    async def _fetch(self, query: str, told: Mapping[str, Any]) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            return await (await connection.execute(query, told)).fetchall()

        return await self._ask(fetch)

    async def _ask(self, question: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def asked() -> T:
            return await question(await self._renewed_connection())

        async with self._is_free:
            if not self._is_open:
                raise StateError("the state in PostgreSQL is closed")
            try:
                return await within(_PATIENCE, asked())
            except psycopg.Error as error:
                if self._connection and self._connection.broken:
                    await self._hang_up()
                raise self._server.error(error) from None
            except (TimeoutError, asyncio.CancelledError) as error:
                await self._hang_up()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise self._server.error(error) from None

    async def _renewed_connection(self) -> AsyncConnection:
        """Return the connection. The host may have counted as gone meanwhile: it reports first."""
        if self._connection and is_readable(self._connection.fileno(), 0):
            await self._hang_up()  # Nothing was asked: it has been closed meanwhile.
        if self._connection is None:
            self._connection = await self._server.connect()
            self._renewed = 0.0
        if time.clock_gettime(time.CLOCK_BOOTTIME) > self._renewed + _FRESH:
            began = time.clock_gettime(time.CLOCK_BOOTTIME)
            if (await self._connection.execute(statements.REPORT, self._told())).rowcount != 1:
                raise StateError(f"another front has reported a host {self._host.name} within the last {LEASE:g} s")
            self._renewed, self._takes = began, False
        return self._connection

    async def _forget_hosts(self, connection: AsyncConnection) -> None:
        async with connection.transaction():
            if (await connection.execute(statements.FORGET_HOSTS, {"lease": LEASE})).rowcount:
                await connection.execute(statements.TELL, [""])

    def _told(self) -> dict[str, Any]:
        return {**self._host._asdict(), "front": self._front, "takes": self._takes, "lease": LEASE}

    async def _hang_up(self) -> None:
        if self._connection:
            await self._connection.close()
            self._connection = None


async def _make_tables(connection: AsyncConnection) -> None:
    """Make the tables where there are none.

    Raises:
        StateError: they are another release's.
    """
    async with connection.transaction():
        await connection.execute(statements.TAKE_LOCK, [statements.LOCK])
        found = await (await connection.execute(statements.FIND)).fetchone()
        if found == (False,):
            await connection.execute(statements.CREATE)
            await connection.execute(statements.NOTE_VERSION, [statements.VERSION])
        version = await (await connection.execute(statements.READ_VERSION)).fetchall()
        if version != [(statements.VERSION,)]:
            numbers = ", ".join(str(number) for (number,) in version) or "none"
            raise StateError(
                f"the tables in the schema haconiwa have the version {numbers}, and not {statements.VERSION}: end all"
                " fronts of the other release, then DROP SCHEMA haconiwa CASCADE; instances are started anew"
            )


async def _change(connection: AsyncConnection, statement: str, told: Mapping[str, Any]) -> bool:
    """Change an instance, and tell its service; return whether it was there."""
    async with connection.transaction():
        changed = await (await connection.execute(statement, told)).fetchone()
        if changed:
            await connection.execute(statements.TELL, changed)
    return changed is not None


def _key(service: str) -> int:
    """Return the key of a service's advisory lock; two that have the same one wait for each other, at worst."""
    return int.from_bytes(hashlib.sha256(service.encode()).digest()[:8], "big", signed=True)
