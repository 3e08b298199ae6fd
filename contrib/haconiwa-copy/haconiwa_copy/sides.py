"""Copy between the host and a container: one process reads, another writes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from haconiwa_copy.entering import acting_in
from haconiwa_copy.entries import Entry, receive, send
from haconiwa_copy.places import Place
from haconiwa_copy.reading import read
from haconiwa_copy.writing import Writer
from haconiwa_core.runtime.record import Process


def copy_out(name: str, process: Process, path: str, *, follow: bool, take: Callable[[Iterator[Entry]], None]) -> None:
    """Copy out of a container.

    Args:
        name: the container's.
        process: its first one.
        path: inside.
        follow: as `read` has it.
        take: is given what is read.

    Raises:
        HaconiwaError: nothing can be read, or what is read cannot be taken.
    """

    def act(place: Place, channel: socket.socket) -> None:
        _send_all(channel, read(place, path, follow=follow))

    with acting_in(name, process, act) as channel:
        take(receive(channel))


def copy_in(name: str, process: Process, entries: Iterable[Entry], make: Callable[[Place], Writer]) -> list[str]:
    """Copy into a container.

    Args:
        name: the container's.
        process: its first one.
        entries: what is copied.
        make: makes the writer, which is used in a process that acts in the container.

    Returns:
        What was not copied, and why.

    Raises:
        HaconiwaError: nothing can be read or written.
    """

    def act(place: Place, channel: socket.socket) -> None:
        writer = make(place)
        writer.write(receive(channel))
        _send_all(channel, (Entry("lack", text) for text in writer.lacking))

    with acting_in(name, process, act) as channel:
        # Why nothing more is taken is told in the end.
        with suppress(BrokenPipeError, ConnectionResetError):
            _send_all(channel, entries)
        return [entry.text for entry in receive(channel)]


def _send_all(channel: socket.socket, entries: Iterable[Entry]) -> None:
    for entry in entries:
        send(channel, entry)
    send(channel, Entry("end"))
