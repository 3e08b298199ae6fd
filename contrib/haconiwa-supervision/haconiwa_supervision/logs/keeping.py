"""The supervisor's side of the log keeper: pipes for containers, and always a keeper that reads them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from haconiwa_runtime.waiting import within

from haconiwa_core.container import is_name
from haconiwa_core.errors import HaconiwaError
from haconiwa_supervision.logs import keeper
from haconiwa_supervision.logs.connection import Connection, connect, last_words, open_directory, spawn

AGAIN = 1.0
"""Seconds between two attempts to have a keeper, and until one is replaced that has not lived as long."""

_REACHING = 10.0
_POLL = 0.01


class Keeper:
    """A log keeper, which outlives this process: another one that has the same directory goes on with it.

    The read ends of the pipes are held here, too. If the keeper is killed, another one is started and given all
    that it had; what it had read and not written yet, at most the beginning of a line and a chunk, is lost.

    Args:
        directory: of the supervisor; nobody else can enter it.
        report: told, in a sentence, what has happened to the keeper.
    """

    def __init__(self, directory: Path, report: Callable[[str], None]) -> None:
        self._directory = directory
        self._report = report
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._kept: dict[str, _Kept] = {}
        self._restoring: asyncio.Task[None] | None = None
        self._since = 0.0
        self._closed = False

    async def start(self) -> None:
        """Connect to the keeper that an earlier supervisor has left, or start one.

        Raises:
            HaconiwaError: it cannot be started or reached.
        """
        async with self._lock:
            await self._connected()

    async def keep(self, name: str, directory: Path, size: int, files: int) -> tuple[int, int]:
        """Keep a container's log; what was kept under its name is forgotten.

        Args:
            name: of the container.
            directory: its own, where the files are.
            size: bytes of one file, at least 4096.
            files: how many there are at most.

        Returns:
            Descriptors of two pipes to write to, for its standard output and error. They are the caller's:
            the log ends when all copies of them are closed.

        Raises:
            HaconiwaError: it cannot be kept.
            OSError: the directory or the pipes cannot be opened.
        """
        _check(name)
        if size < keeper.MIN_SIZE or files < 1:
            raise ValueError(f"no log can have {files} files of {size} bytes")
        async with self._lock:
            connection = await self._connected()
            with ExitStack() as undo:
                kept = _Kept(size, files, {"directory": open_directory(directory)})
                undo.callback(kept.close)
                writers = {}
                for kind in ("stdout", "stderr"):
                    kept.descriptors[kind], writers[kind] = os.pipe()
                    undo.callback(os.close, writers[kind])
                if former := self._kept.pop(name, None):
                    former.close()
                # Known first: if the keeper is killed now, it is given to the next one.
                self._kept[name] = kept
                undo.callback(self._kept.pop, name, None)
                with suppress(ConnectionError):
                    await connection.ask(*kept.request(name), descriptors=kept.descriptors.values())
                undo.pop_all()
        return writers["stdout"], writers["stderr"]

    async def hold(self, name: str, descriptors: Mapping[str, int]) -> None:
        """Let the keeper hold what a later supervisor needs of a container, with its log or without.

        Args:
            name: of the container.
            descriptors: which are copied; a "pidfd" of its first process, of which its end can be asked after that
                was reaped (PIDFD_GET_INFO in ioctl(2)), and the socket "notify" that it sends messages to.

        Raises:
            HaconiwaError: the keeper cannot be reached.
        """
        _check(name)
        async with self._lock:
            connection = await self._connected()
            kept = self._kept.setdefault(name, _Kept(0, 0, {}))
            for kind, descriptor in descriptors.items():
                if kind in kept.descriptors:
                    os.close(kept.descriptors[kind])
                kept.descriptors[kind] = os.dup(descriptor)
            copies = [kept.descriptors[kind] for kind in descriptors]
            with suppress(ConnectionError):
                await connection.ask("hold", name, *descriptors, descriptors=copies)

    async def kept(self) -> dict[str, dict[str, int]]:
        """Return what is kept: for each name copies, which are the caller's, of what is held.

        Raises:
            HaconiwaError: the keeper cannot be reached.
        """
        async with self._lock:
            await self._connected()
            return {name: kept.copies_of_held() for name, kept in self._kept.items()}

    async def flush(self, name: str) -> None:
        """Wait until what a container has written is in its files; nothing happens if it is not kept.

        Raises:
            HaconiwaError: the keeper cannot be reached.
        """
        async with self._lock:
            if name not in self._kept:
                return
            with suppress(ConnectionError):
                await (await self._connected()).ask("flush", name)
                return
            # It was killed meanwhile. Another one reads what is left in the pipes.
            try:
                await (await self._connected()).ask("flush", name)
            except ConnectionError as error:
                raise HaconiwaError(f"the log keeper ends again and again: {error}") from error

    async def forget(self, name: str) -> None:
        """Keep a container no longer; what is in its pipes is still written. Nothing happens if it was not kept.

        Raises:
            HaconiwaError: the keeper cannot be reached.
        """
        async with self._lock:
            connection = await self._connected()
            if kept := self._kept.pop(name, None):
                with suppress(ConnectionError):
                    await connection.ask("forget", name)
                kept.close()

    def close(self) -> None:
        """Let go of the keeper, which goes on."""
        self._closed = True
        if self._restoring:
            self._restoring.cancel()
        if self._connection:
            self._connection.close()
        while self._kept:
            self._kept.popitem()[1].close()

    async def _connected(self) -> Connection:
        """Return a connection to a keeper that has all that is kept."""
        if self._closed:
            raise HaconiwaError("the log keeper was closed")
        if self._connection and not self._connection.closed:
            return self._connection
        try:
            return await within(_REACHING, self._reach())
        except TimeoutError as error:
            raise HaconiwaError(f"the log keeper of {self._directory} does not answer") from error

    async def _reach(self) -> Connection:
        while True:
            with ExitStack() as undo:
                connection = await self._opened(undo)
                if connection is None:
                    # The keeper that has the lock is about to listen, or about to end.
                    await asyncio.sleep(_POLL)
                    continue
                with suppress(ConnectionError):
                    await self._hand_over(connection)
                    if self._closed:
                        raise HaconiwaError("the log keeper was closed")
                    # Here, for who waits for it may have been cancelled meanwhile.
                    self._connection, self._since = connection, asyncio.get_running_loop().time()
                    undo.pop_all()
                    return connection

    async def _opened(self, undo: ExitStack) -> Connection | None:
        """Return a connection, which the stack closes, to the keeper or a new one; None where another one has begun."""
        try:
            connection = Connection(connect(self._directory), self._lost)
            undo.callback(connection.close)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            spawned, pid = spawn(self._directory)
        connection = Connection(spawned, self._lost)
        undo.callback(connection.close)
        try:
            return connection if await connection.is_served() else None
        except ConnectionError as error:
            raise HaconiwaError(f"the log keeper could not be started{last_words(self._directory)}") from error
        finally:
            # The keeper is a child of this one, which ends at once. Who reaps everything may have been faster.
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)

    async def _hand_over(self, connection: Connection) -> None:
        """Take what the keeper has and this process has not, and give it the rest."""
        names: set[str] = set()
        while answer := await connection.ask("take", len(names)):
            words, descriptors = answer
            if not words:
                break
            name, size, files, *kinds = words
            names.add(name)
            found = _Kept(int(size), int(files), dict(zip(kinds, descriptors, strict=True)))
            if name in self._kept:
                found.close()
            else:
                self._kept[name] = found
        for name in self._kept.keys() - names:
            kept = self._kept[name]
            await connection.ask(*kept.request(name), descriptors=kept.descriptors.values())

    def _lost(self, connection: Connection) -> None:
        if connection is self._connection and not self._closed:
            self._report(f"the log keeper has ended or does not answer{last_words(self._directory)}")
            if self._restoring is None or self._restoring.done():
                self._restoring = asyncio.ensure_future(self._restore())

    async def _restore(self) -> None:
        # Who ends it again and again is not answered as often.
        if asyncio.get_running_loop().time() - self._since < AGAIN:
            await asyncio.sleep(AGAIN)
        while True:
            try:
                return await self.start()
            except (HaconiwaError, OSError) as error:
                self._report(f"no log is kept: {error}")
            await asyncio.sleep(AGAIN)


@dataclass
class _Kept:
    """What is handed to a keeper for one container."""

    size: int
    files: int
    descriptors: dict[str, int]

    def request(self, name: str) -> Sequence[object]:
        return ("keep", name, self.size, self.files, *self.descriptors)

    def copies_of_held(self) -> dict[str, int]:
        return {kind: os.dup(each) for kind, each in self.descriptors.items() if kind in ("pidfd", "notify")}

    def close(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])


def _check(name: str) -> None:
    if not is_name(name):
        raise ValueError(f"{name!r} cannot name a container")
