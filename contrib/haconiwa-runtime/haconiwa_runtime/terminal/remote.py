"""The other terminal: reached through its broker, or the master itself."""

from __future__ import annotations

import os
import socket
import termios
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from haconiwa_core.runtime.processes import is_readable
from haconiwa_runtime.terminal import broker


class Remote(Protocol):
    """A container's terminal, as one who sits at it sees it. None of its methods blocks."""

    def watched(self) -> list[int]:
        """Return the descriptors that are readable when `read` would find something."""

    def writable(self) -> int:
        """Return the descriptor that is writable when `write` takes something."""

    def read(self) -> bytes | None:
        """Return what was written there, b"" for nothing; None when nothing will come any more."""

    def write(self, data: bytes) -> int:
        """Type; return how many bytes were taken."""

    def resize(self, rows: int, columns: int) -> None:
        """Tell how large the terminal is that it is shown on."""


class Brokered:
    """A terminal that a broker keeps; a context manager that leaves it.

    Attributes:
        status: the exit status of its container, when `read` has returned None; None where nobody knows it yet.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected
        self.status: int | None = None

    def __enter__(self) -> Brokered:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def watched(self) -> list[int]:
        """See `Remote`."""
        return [self._socket.fileno()]

    def writable(self) -> int:
        """See `Remote`."""
        return self._socket.fileno()

    def read(self) -> bytes | None:
        """See `Remote`."""
        try:
            message = self._socket.recv(1 + broker.MESSAGE)
        except BlockingIOError:
            return b""
        except ConnectionResetError:
            return None
        if message[:1] == broker.OUTPUT:
            return message[1:]
        if message[:1] == broker.END:
            (status,) = broker.STATUS.unpack(message[1:])
            self.status = None if status == broker.UNKNOWN else status
        return None

    def write(self, data: bytes) -> int:
        """See `Remote`."""
        piece = data[: broker.MESSAGE]
        # One that has gone is found out about by reading.
        with suppress(BlockingIOError):
            self._send(broker.INPUT + piece)
            return len(piece)
        return 0

    def resize(self, rows: int, columns: int) -> None:
        """See `Remote`."""
        with suppress(BlockingIOError):
            self._send(broker.SIZE + broker.WINDOW.pack(rows, columns))

    def _send(self, message: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.send(message, socket.MSG_NOSIGNAL)


class Owned:
    """A terminal whose master is this process's; a context manager that hangs it up.

    Args:
        master: descriptor.
        pidfd: of the process that it was made for.
    """

    def __init__(self, master: int, pidfd: int) -> None:
        os.set_blocking(master, False)
        self._master = master
        self._pidfd = pidfd
        self._is_open = True

    def __enter__(self) -> Owned:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._master)

    def watched(self) -> list[int]:
        """See `Remote`."""
        return [self._pidfd, *([self._master] if self._is_open else [])]

    def writable(self) -> int:
        """See `Remote`."""
        return self._master

    def read(self) -> bytes | None:
        """See `Remote`."""
        # Asked before: what was written until then is read.
        has_ended = is_readable(self._pidfd, 0)
        try:
            data = os.read(self._master, broker.MESSAGE)
        except BlockingIOError:
            data = b""
        except OSError:
            self._is_open, data = False, b""  # Nobody has the terminal open any more.
        return None if has_ended and not data else data

    def write(self, data: bytes) -> int:
        """See `Remote`."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # Nobody reads it.

    def resize(self, rows: int, columns: int) -> None:
        """See `Remote`."""
        termios.tcsetwinsize(self._master, (rows, columns))


def connected_to(directory: Path) -> Brokered | None:
    """Connect to the broker of a container's terminal; None where there is none.

    Args:
        directory: the container's own, below the state directory.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        # Thus no path is longer than an address can be (unix(7)).
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{broker.SOCKET_NAME}")
        finally:
            os.close(folder)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return Brokered(connection)
