"""Give the terminal of a container that was started to a broker of its own."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.runtime.running import Running
from haconiwa_runtime.terminal import broker

LOG_SIZE = 10 << 20
LOG_FILES = 3


def give_to_broker(
    running: Running, directory: Path, first: int | None, size: int = LOG_SIZE, files: int = LOG_FILES
) -> socket.socket:
    """Let a broker have the terminal of a container that this process has started, and serve those who sit at it.

    Args:
        running: has a terminal, which this process has no more afterwards.
        directory: the instance's own.
        first: a socket that sits at the terminal from the beginning; it is copied.
        size: bytes of each file of its log.
        files: of its log.

    Returns:
        A socket on which the broker waits for `tell_status`.

    Raises:
        HaconiwaError: it cannot be started.
    """
    assert running.terminal is not None
    try:
        with ExitStack() as opened:
            opened.callback(os.close, running.terminal)
            folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
            opened.callback(os.close, folder)
            # There is a log from now on.
            os.close(os.open(broker.LOG_NAME, broker.LOG_FLAGS, 0o600, dir_fd=folder))
            listener = opened.enter_context(_listening(folder))
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                _spawn(directory.name, theirs.fileno())
            given = [folder, listener.fileno(), running.terminal, running.pidfd]
            socket.send_fds(ours, [f"{size} {files}".encode()], given + ([] if first is None else [first]))
    except OSError as error:
        raise HaconiwaError(f"cannot keep the terminal of {running.name}: {error.strerror}") from error
    running.terminal = None
    return ours


def tell_status(kept: socket.socket, exit_status: int | None) -> None:
    """Tell a broker how its container has ended, when nothing is left of that; the socket ends when others know."""
    status = EXIT_SETUP if exit_status is None else exit_status
    # It may have been killed.
    with suppress(OSError):
        kept.send(broker.STATUS.pack(status), socket.MSG_NOSIGNAL)


def size_asked_by(first: int) -> tuple[int, int]:
    """Return the rows and columns that a connection has told first, (0, 0) where it has told nothing."""
    with socket.socket(fileno=os.dup(first)) as connection, suppress(BlockingIOError):
        message = connection.recv(1 + broker.WINDOW.size, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        if message[:1] == broker.SIZE and len(message) == 1 + broker.WINDOW.size:
            rows, columns = broker.WINDOW.unpack(message[1:])
            return rows, columns
    return 0, 0


def _listening(folder: int) -> socket.socket:
    """Return the socket that others connect to; that of a broker which has ended gives way."""
    with suppress(FileNotFoundError):
        os.unlink(broker.SOCKET_NAME, dir_fd=folder)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Thus no path is longer than an address can be (unix(7)).
    listener.bind(f"/proc/self/fd/{folder}/{broker.SOCKET_NAME}")
    listener.listen()
    return listener


def _spawn(name: str, connection: int) -> None:
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", broker.__file__, name],
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, connection, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )
    # It has left a child behind, which nobody has to wait for.
    os.waitpid(pid, 0)
