"""The state of one host: a database in a file, which the fronts that follow each other share (sqlite3)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from haconiwa_fastcontainer.state import Host, Row, StateError

_POLL = 0.05
"""Seconds between two looks at whether another process has changed something."""

_PATIENCE = 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS instance (
    name TEXT PRIMARY KEY, service TEXT NOT NULL, host TEXT NOT NULL, phase TEXT NOT NULL, generation TEXT NOT NULL,
    address TEXT NOT NULL, port INTEGER NOT NULL, since REAL NOT NULL,
    owner TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_service ON instance (service);
"""


class SqliteState:
    """A state that processes of one host share.

    There is no other host, hence no lease: the instances are those of the host, whichever front looks.

    Args:
        url: "sqlite:PATH".
    """

    def __init__(self, url: str) -> None:
        self._path = Path(unquote(urlsplit(url).path))
        self._changed: Callable[[str], None] = lambda _: None
        self._database: sqlite3.Connection | None = None
        self._host: Host | None = None
        self._watching: asyncio.Task[None] | None = None

    async def open(self, host: Host) -> None:
        """Open the file; see `State`."""
        self._host = host
        try:
            self._database = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
            self._path.chmod(0o600)
            # What is lost with the host, its containers, is all that the file tells of.
            self._database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"cannot open the state {self._path}: {error}") from error
        self._watching = asyncio.ensure_future(self._watch())

    async def close(self) -> None:
        """Close the file."""
        if self._watching:
            self._watching.cancel()
        if self._database:
            self._database.close()
            self._database = None

    def watch(self, changed: Callable[[str], None]) -> None:
        """Tell changes; see `State`."""
        self._changed = changed

    async def report(self, host: Host) -> None:
        """Note the host."""
        self._host = host

    async def hosts(self) -> list[Host]:
        """Return the only one."""
        return [self._host] if self._host else []

    async def rows(self, service: str = "") -> list[Row]:
        """Return instances; see `State`."""
        with self._used() as database:
            return [Row(*row) for row in database.execute(f"{_SELECT} WHERE ?1 IN ('', service)", (service,))]

    async def reserve(self, row: Row, fewer_than: int) -> bool:
        """Add an instance if there is room; see `State`."""
        counted = "SELECT count(*) FROM instance WHERE service = ?2 AND phase <> 'draining'"
        insert = f"INSERT INTO instance SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE ({counted}) < ?10"
        with self._used() as database:
            added = database.execute(insert, (*row, fewer_than)).rowcount == 1
        if added:
            self._changed(row.service)
        return added

    async def put(self, row: Row) -> None:
        """Change an instance; see `State`."""
        with self._used() as database:
            database.execute("INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._changed(row.service)

    async def remove(self, name: str) -> None:
        """Forget an instance; see `State`."""
        with self._used() as database:
            gone = database.execute("DELETE FROM instance WHERE name = ? RETURNING service", (name,)).fetchall()
        for (service,) in gone:
            self._changed(service)

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        if self._database is None:
            raise StateError(f"the state {self._path} is closed")
        try:
            yield self._database
        except sqlite3.Error as error:
            raise StateError(f"the state {self._path}: {error}") from error

    async def _watch(self) -> None:
        """Notice what other processes write."""
        seen = None
        while self._database:
            version = self._database.execute("PRAGMA data_version").fetchone()
            if seen is not None and version != seen:
                self._changed("")
            seen = version
            await asyncio.sleep(_POLL)


_SELECT = "SELECT name, service, host, phase, generation, address, port, since, owner FROM instance"
