"""The control socket: a path that only its owner reaches; bound here, or passed by the service manager."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from haconiwa_runtime.client import connect

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.supervisor import SOCKET_NAME

_BACKLOG = 1024


class Endpoint:
    """Where clients connect.

    Args:
        folder: of the supervisor, who alone has its lock.
        path: where to listen.
        passed: a socket that listens already (sd_listen_fds(3)), instead of the path.
        replace: take the place of another one, which is about to end.

    Raises:
        HaconiwaError: nobody can listen there, or the passed socket is not such a one.
    """

    def __init__(self, folder: Path, path: Path, passed: socket.socket | None = None, *, replace: bool = False) -> None:
        self._path = None if passed else path
        if replace:
            path.unlink(missing_ok=True)
        self.socket = passed or _bound(path)
        self._inode = path.stat().st_ino if self._path else 0
        found = Path(_checked(passed)) if passed else path
        usual = folder / SOCKET_NAME
        if found != usual:
            # Clients know containers, and these know the usual place.
            _link(usual, found)

    def refuse(self) -> None:
        """Let nobody connect from now on; those who have are still accepted. A passed socket goes on to take them."""
        if self._path:
            self.socket.shutdown(socket.SHUT_RD)

    def renew(self) -> None:
        """Take connections again after `refuse`."""
        if self._path:
            self.socket.close()
            self.socket = _bound(self._path)
            self._inode = self._path.stat().st_ino

    def close(self) -> None:
        """Listen no more."""
        self.socket.close()
        with suppress(FileNotFoundError):
            # Another one may have taken its place.
            if self._path and self._path.stat().st_ino == self._inode:
                self._path.unlink()


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        # Thus no path is longer than an address can be (unix(7)).
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _remove_unused(path)
            os.fchmod(listening.fileno(), 0o600)  # The path has this mode from the first moment.
            listening.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise HaconiwaError(f"cannot listen on {path}: {error.strerror}") from error
    return listening


def _remove_unused(path: Path) -> None:
    """Remove the socket of one that was killed.

    Raises:
        HaconiwaError: somebody listens there, or it is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if connection := connect(path):
        connection.close()
        raise HaconiwaError(f"somebody listens on {path} already")
    if not stat.S_ISSOCK(mode) and not stat.S_ISLNK(mode):
        raise HaconiwaError(f"{path} is there, and is no socket")
    path.unlink()


def _checked(passed: socket.socket) -> str:
    """Return the path of a socket that listens there for its owner alone.

    Raises:
        HaconiwaError: it is no such socket.
    """
    is_right = (passed.family, passed.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = passed.getsockname() if is_right and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else ""
    if not isinstance(path, str) or not path:
        raise HaconiwaError("the service manager's socket must be a ListenSequentialPacket= with a path")
    found = os.lstat(path)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o177:
        raise HaconiwaError(
            f"only user {os.geteuid()} may connect to {path}; write SocketMode=0600 in the .socket unit"
        )
    passed.setblocking(False)
    return path


def _link(place: Path, target: Path) -> None:
    new = place.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(place)
