"""Resident launchers: a process of their own, to which each start is one message."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from abc import ABC, abstractmethod
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from haconiwa_core.launch.encoding import encode
from haconiwa_core.program import Program

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
file_limit: tuple[int, int] | None = None
"""Of open files, for what is spawned: set by a process that has raised its own (RLIMIT_NOFILE in getrlimit(2))."""

_FIRST_SLOTS = ("clone", "pidfd", "channel")
_MAXIMUM_KNOWN = 4


class _Known(NamedTuple):
    """A program that was started before: its memory file, and the places of its slots."""

    program: Program
    file: int
    places: dict[str, int]


class ResidentLauncher(ABC):
    """Starts programs through a process that is spawned with the first of them.

    Safe from several threads. The process ends when this is closed, or with the program that has it.
    """

    name: str

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[int, _Known] = {}
        self._socket: socket.socket | None = None
        self._pid = 0
        self._owner = 0

    @abstractmethod
    def _spawn(self, connection: int) -> int:
        """Spawn the process that serves a socket, and return its pid; see `spawn`."""

    def launch(self, program: Program, descriptors: dict[str, int]) -> socket.socket:
        """Start a program and return the host's end of its channel; see `choice.Launcher`.

        Raises:
            OSError: the process could not be spawned or reached.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with self._lock:
                _, file, places = self._sealed(program)
                given = {name: number for name, number in descriptors.items() if name in places}
                slots = (places[name] for name in (*_FIRST_SLOTS, *given))
                self._send(_packed(*slots), _packed(file, theirs.fileno(), *given.values()))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def close(self) -> None:
        """End the process; containers that it has started live on."""
        with self._lock:
            self._end()
            while self._known:
                os.close(self._known.popitem()[1].file)

    def _sealed(self, program: Program) -> _Known:
        """Return a program's memory file, which is kept: it is likely to be started again."""
        known = self._known.pop(id(program), None)
        if known is None:
            if len(self._known) == _MAXIMUM_KNOWN:
                os.close(self._known.pop(next(iter(self._known))).file)
            places = {name: place for place, name in enumerate(program.slots)}
            # It holds the program, so that no other has its identity.
            known = _Known(program, sealed("haconiwa-program", encode(program)), places)
        # Last, for the first is the one that was not started for longest.
        self._known[id(program)] = known
        return known

    def _send(self, request: bytes, descriptors: bytes) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        if self._socket is not None and self._owner != os.getpid():
            # A copy in a forked process: the launcher's containers would be its parent's children.
            self._socket.close()
            self._socket = None
        if self._socket is not None:
            try:
                self._socket.sendmsg([request], ancillary, socket.MSG_NOSIGNAL)
            except (BrokenPipeError, ConnectionResetError):
                # Somebody has ended it; no container depends on it.
                self._end()
            else:
                return
        self._owner = os.getpid()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._pid = self._spawn(theirs.fileno())
        self._socket.sendmsg([request], ancillary, socket.MSG_NOSIGNAL)

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            # A host program that reaps everything may have been faster.
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


def spawn(path: str, arguments: list[str], connection: int) -> int:
    """Spawn a program that inherits a socket as descriptor 0, and nothing else (posix_spawn(3)).

    Signals are neither ignored nor blocked, and what a terminal sends to this process's group is
    not meant for it. It closes what is open above 2, and leaves the working directory, itself.

    Args:
        path: of the program.
        arguments: argv, the program's name first; its environment is empty.
        connection: the socket.

    Returns:
        The pid of the child.

    Raises:
        OSError: the program cannot be executed.
    """
    pid = os.posix_spawn(
        path,
        arguments,
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, connection, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setpgroup=0,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )
    if file_limit:
        import resource

        resource.prlimit(pid, resource.RLIMIT_NOFILE, file_limit)
    return pid


def sealed(name: str, content: bytes) -> int:
    """Return a memory file that nobody can change (memfd_create(2))."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _packed(*numbers: int) -> bytes:
    return struct.pack(f"{len(numbers)}i", *numbers)
