"""Talk to the resident supervisor: one request on each connection, and its answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.errors import error_from_json
from haconiwa_runtime.messages import Message, close_all, peer_of, receive, send

LINK_NAME = "supervisor"
"""In the directory of each container that is supervised: a link to the socket of its supervisor."""


class EndedError(HaconiwaError):
    """The supervisor has ended before it answered."""


class Connection:
    """A connection to the supervisor; a context manager that closes it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the socket's descriptor: it is readable when an answer has come."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the connection; what is bound to it ends, too."""
        self._socket.close()

    def ask(self, do: str, descriptors: Sequence[int] = (), **what: Any) -> Message:
        """Send the request and return the first answer.

        Args:
            do: the request.
            descriptors: which go with it.
            what: its other parts, as JSON has them.

        Raises:
            HaconiwaError: as the supervisor answers, or it has ended.
        """
        with suppress(BrokenPipeError):  # What it has said before comes with the next call.
            send(self._socket, {"do": do, **what}, descriptors)
        answer = self.next()
        if answer is None:
            raise EndedError("the supervisor has ended before it answered")
        return answer

    def next(self) -> Message | None:
        """Return the next answer; None where there are no more.

        Raises:
            HaconiwaError: as the supervisor answers.
        """
        message = receive(self._socket)
        if message and "error" in message.content:
            close_all(message.descriptors)
            raise error_from_json(message.content["error"])
        return message

    def all(self) -> Iterator[Mapping[str, Any]]:
        """Yield the contents of the answers that follow."""
        while message := self.next():
            close_all(message.descriptors)
            yield message.content


def connect(path: Path) -> Connection | None:
    """Connect to the supervisor that listens on a socket; None where none does.

    Raises:
        HaconiwaError: somebody else listens there, or it cannot be reached.
    """
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        _connect(connected, path)
        _, uid = peer_of(connected)
        if uid not in (0, os.geteuid()):
            raise HaconiwaError(f"{path} belongs to a process of user {uid}")
    except (FileNotFoundError, ConnectionRefusedError):
        connected.close()
        return None
    except OSError as error:
        connected.close()
        raise HaconiwaError(f"cannot connect to the supervisor at {path}: {error.strerror}") from error
    except BaseException:
        connected.close()
        raise
    return Connection(connected)


def _connect(connecting: socket.socket, path: Path) -> None:
    # Thus no path is longer than an address can be (unix(7)).
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connecting.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def supervisor_of(store: Store, name: str) -> Connection | None:
    """Connect to the supervisor that keeps a container; None where none that is resident does."""
    return connect(store.directory / name / LINK_NAME)


def ask_to_stop(store: Store, names: Sequence[str], timeout: float) -> None:
    """Let the supervisor stop containers, all at the same time; those that it does not keep are left alone.

    Args:
        store: with their records.
        names: of the containers.
        timeout: seconds until all that is left of one is killed.
    """
    # A state directory has one, which each of its containers leads to.
    kept = [name for name in names if (store.directory / name / LINK_NAME).is_symlink()]
    connection = supervisor_of(store, kept[0]) if kept else None
    if connection:
        with connection:
            connection.ask("stop_all", names=kept, timeout=timeout)


def ask_about(store: Store, name: str, do: str, **what: Any) -> Mapping[str, Any] | None:
    """Ask the supervisor of a container, and return its answer; None where none that is resident keeps it.

    Raises:
        RecordError: there is no such container.
        HaconiwaError: as the supervisor answers.
    """
    connection = supervisor_of(store, name)
    if connection is None:
        return None
    with connection:
        try:
            return connection.ask(do, name=name, **what).content
        except RecordError:
            if name not in store:
                raise
            return None  # It has ended for good meanwhile, and only its record is left.
