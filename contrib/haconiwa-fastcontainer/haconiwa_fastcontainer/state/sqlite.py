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

    Attributes:
        grace: see `State`.
    """

    grace = 0.0

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
        self._watching = asyncio.ensure_future(self._watch(self._version()))

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
        if self._host is None:
            return []
        with self._used() as database:
            (count,) = database.execute("SELECT count(*) FROM instance").fetchone()
        return [self._host._replace(instances=count)]

    async def rows(self, service: str = "") -> list[Row]:
        """Return instances; see `State`."""
        with self._used() as database:
            return [Row(*row) for row in database.execute(f"{_SELECT} WHERE ?1 IN ('', service)", (service,))]

    async def reserve(self, row: Row, fewer_than: int) -> bool:
        """Add an instance if there is room; see `State`."""
        most = self._host.most if self._host else 0
        with self._used() as database:
            added = database.execute(_ADD, (*row, fewer_than, most)).rowcount == 1
        if added:
            self._changed(row.service)
        return added

    async def put(self, row: Row) -> bool:
        """Change an instance; see `State`."""
        with self._used() as database:
            changed = database.execute(_PUT, (*row[3:], row.name)).rowcount == 1
        self._changed(row.service)
        return changed

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

    async def _watch(self, seen: int) -> None:
        """Notice what other processes write."""
        while self._database:
            await asyncio.sleep(_POLL)
            if (version := self._version()) != seen:
                self._changed("")
            seen = version

    def _version(self) -> int:
        """Return a number that changes with what others write."""
        with self._used() as database:
            (version,) = database.execute("PRAGMA data_version").fetchone()
        return int(version)


_SELECT = "SELECT name, service, host, phase, generation, address, port, since, owner FROM instance"
_ADD = """
INSERT INTO instance SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
WHERE (SELECT count(*) FROM instance WHERE service = ?2 AND phase <> 'draining') < ?10
    AND (SELECT count(*) FROM instance) < ?11
"""
_PUT = "UPDATE instance SET phase = ?, generation = ?, address = ?, port = ?, since = ?, owner = ? WHERE name = ?"
