"""One connection to a log keeper, and how a keeper is started."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from haconiwa_runtime.waiting import within

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux.packets import receive_packet
from haconiwa_supervision.logs import keeper

ANSWER = 10.0
"""Seconds that a keeper has for an answer."""

_ERRORS_NAME = "keeper.errors"
_MAX_ERRORS = 4096

Answer = tuple[list[str], list[int]]


class Connection:
    """Requests to a keeper, one at a time, each with its answer."""

    def __init__(self, connected: socket.socket, lost: Callable[[Connection], None]) -> None:
        self._socket = connected
        self._socket.setblocking(False)
        self._lost = lost
        self._answer: asyncio.Future[Answer] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connected, self._receive)
        self.closed = False

    async def ask(self, *words: object, descriptors: Iterable[int] = ()) -> Answer:
        """Send a request; return the words and descriptors of the answer.

        Raises:
            ConnectionError: the keeper has ended, or does not answer.
            HaconiwaError: it refuses.
        """
        message = " ".join(map(str, words)).encode()
        if self.closed:
            raise ConnectionResetError("the log keeper has ended")
        sent = list(descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(sent)}i", *sent))] if sent else []
        try:
            self._socket.sendmsg([message], ancillary, socket.MSG_NOSIGNAL)
        except OSError as error:
            self._end()
            raise ConnectionResetError(f"the log keeper cannot be asked: {error.strerror}") from error
        (kind, *answer), taken = await self._answered()
        if kind != "ok":
            raise HaconiwaError(f"the log keeper refuses {words[0]}: {' '.join(answer)}")
        return answer, taken

    async def is_served(self) -> bool:
        """Wait for a keeper that was started with this connection; return False if another one has the lock.

        Raises:
            ConnectionError: it has ended.
        """
        words, _ = await self._answered()
        return words == ["ok"]

    def close(self) -> None:
        """End it; the keeper goes on."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            self._socket.close()
            if self._answer and not self._answer.done():
                self._answer.set_exception(ConnectionResetError("the log keeper has ended"))

    async def _answered(self) -> Answer:
        self._answer = self._loop.create_future()
        try:
            return await within(ANSWER, self._answer)
        except BaseException as error:
            # An answer that comes later would be taken for another one's.
            self._end()
            if isinstance(error, TimeoutError):
                raise ConnectionAbortedError("the log keeper does not answer") from error
            raise
        finally:
            self._answer = None

    def _receive(self) -> None:
        try:
            message, descriptors, _ = receive_packet(self._socket, keeper.MAX_MESSAGE, keeper.MAX_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if message and self._answer and not self._answer.done():
            self._answer.set_result((message.decode().split(), descriptors))
            return
        for descriptor in descriptors:
            os.close(descriptor)
        self._end()

    def _end(self) -> None:
        if not self.closed:
            self.close()
            self._lost(self)


def open_directory(directory: Path) -> int:
    """Open a directory of the supervisor's, or of a container's."""
    # A description of its own: the container's claim is a lock on another one (flock(2)).
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)


def connect(directory: Path) -> socket.socket:
    """Connect to the keeper that listens.

    Raises:
        FileNotFoundError, ConnectionRefusedError: there is none.
    """
    opened = open_directory(directory)
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        # Thus no path is longer than an address can be.
        connected.connect(f"/proc/self/fd/{opened}/{keeper.SOCKET_NAME}")
    except BaseException:
        connected.close()
        raise
    finally:
        os.close(opened)
    return connected


def spawn(directory: Path) -> tuple[socket.socket, int]:
    """Start a keeper; return the connection on which it says whether it serves, and the pid of its parent."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    errors = (os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with theirs:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", keeper.__file__, str(directory)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(directory / _ERRORS_NAME), *errors),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    return ours, pid


def last_words(directory: Path) -> str:
    """Return what a keeper that has failed by a fault of ours has said of it."""
    with suppress(FileNotFoundError), open(directory / _ERRORS_NAME, "rb") as file:
        if said := file.read(_MAX_ERRORS).decode(errors="replace").strip():
            return f": {said}"
    return ""
