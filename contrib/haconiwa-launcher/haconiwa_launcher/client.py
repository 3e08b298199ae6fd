"""The static launcher: a resident program of a few kilobytes that clones containers for this process."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
from contextlib import suppress
from threading import Lock

from haconiwa_core.program import Program
from haconiwa_launcher import executable
from haconiwa_launcher.encoding import encode

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_FIRST_SLOTS = ("clone", "pidfd", "channel")


class HelperLauncher:
    """Starts programs through the helper, which is spawned with the first of them.

    Safe from several threads. It ends when it is closed, or with this process.

    The static program is read once, and run from memory.
    """

    name = "helper"

    def __init__(self) -> None:
        self._image: bytes | None = None
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._pid = 0
        self._owner = 0

    def launch(self, program: Program, descriptors: dict[str, int]) -> socket.socket:
        """Start a program and return the host's end of its channel; see `haconiwa_core.launch.choice.Launcher`.

        Raises:
            OSError: the helper could not be spawned or reached.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        file = _sealed("haconiwa-program", encode(program))
        try:
            given = {name: number for name, number in descriptors.items() if name in program.slots}
            places = (program.slots.index(name) for name in (*_FIRST_SLOTS, *given))
            request = struct.pack(f"={len(_FIRST_SLOTS) + len(given)}i", *places)
            passed = array.array("i", (file, theirs.fileno(), *given.values()))
            with self._lock:
                self._send(request, passed)
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(file)
            theirs.close()
        return ours

    def close(self) -> None:
        """End the helper; containers that it has started live on."""
        with self._lock:
            self._end()

    def _send(self, request: bytes, descriptors: array.array[int]) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        if self._socket is not None and self._owner != os.getpid():
            # A copy in a forked process: the helper's containers would be its parent's children.
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
        self._socket = self._spawn()
        self._socket.sendmsg([request], ancillary, socket.MSG_NOSIGNAL)

    def _spawn(self) -> socket.socket:
        if self._image is None:
            self._image = executable().read_bytes()
        self._owner = os.getpid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # From a sealed memory file: the program on disk is out of every container's reach.
        program = _sealed("haconiwa-launcher", self._image)
        try:
            self._pid = os.posix_spawn(
                f"/proc/self/fd/{program}",
                ["haconiwa-launcher"],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                # What a terminal sends to this process's group is not meant for it.
                setpgroup=0,
            )
        finally:
            os.close(program)
            theirs.close()
        return ours

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            # A host program that reaps everything may have been faster.
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


def _sealed(name: str, content: bytes) -> int:
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
