"""What is copied, as the side that reads sends it to the side that writes."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from typing import Literal, NamedTuple

from haconiwa_core.errors import HaconiwaError

Kind = Literal["file", "directory", "link", "up", "lack", "failure", "end"]

_LARGEST = 1 << 16
"""Bytes of a message: JSON writes a character as six bytes at most."""

_LONGEST = 255 + 1 + 4095
"""Characters of a name and the target of a link; a longer message is cut."""


class Entry(NamedTuple):
    """A file, or the begin or end of a directory; or what is to be told.

    Args:
        kind: "up" ends a directory, "lack" tells what cannot be read, "failure" that nothing can, "end" is the last.
        text: the name; for a link its target as well, after a NUL; for "lack" and "failure" what is wrong.
        mode: permission bits.
        owner: user and group, as the side that reads sees them.
        times: of access and of modification, in nanoseconds.
        size: of a file, in bytes.
        content: of a file, open for reading; who takes the entry closes it.
    """

    kind: Kind
    text: str = ""
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    times: tuple[int, int] = (0, 0)
    size: int = 0
    content: int = -1

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.text.partition("\0")[0]

    @property
    def target(self) -> str:
        """Where a symbolic link leads to."""
        return self.text.partition("\0")[2]


def entry_of(kind: Kind, text: str, status: os.stat_result, content: int = -1) -> Entry:
    """Return an entry with what is known of a file."""
    times = (status.st_atime_ns, status.st_mtime_ns)
    owner = (status.st_uid, status.st_gid)
    return Entry(kind, text, stat.S_IMODE(status.st_mode), owner, times, status.st_size, content)


def send(channel: socket.socket, entry: Entry) -> None:
    """Send an entry, and close its content here."""
    data = json.dumps([entry.kind, entry.text[:_LONGEST], *entry[2:-1]]).encode()
    if entry.content < 0:
        channel.send(data)
        return
    try:
        socket.send_fds(channel, [data], [entry.content])
    finally:
        os.close(entry.content)


def receive(channel: socket.socket) -> Iterator[Entry]:
    """Yield entries until the last.

    Raises:
        HaconiwaError: the other side has failed.
    """
    while True:
        try:
            data, descriptors, _, _ = socket.recv_fds(channel, _LARGEST, 1)
        except ConnectionResetError:
            continue  # The other side has left without taking all, and what it has sent before comes now.
        if not data:
            raise HaconiwaError("the process that acts in the container has ended before it was done")
        kind, text, mode, owner, times, size = json.loads(data)
        if kind == "end":
            return
        if kind == "failure":
            raise HaconiwaError(text)
        yield Entry(kind, text, mode, tuple(owner), tuple(times), size, *descriptors)
