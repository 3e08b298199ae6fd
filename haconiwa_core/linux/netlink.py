"""Messages to the kernel, and those that take back what others did: noted first, so that a crash leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import struct
from _thread import get_native_id
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

NLM_F_ACK = 0x4

UNFINISHED = ".new"
"""End of the name of a note that is being written."""

_HEADER = struct.Struct("=IHHII")
_ERROR = 2
_LARGEST = 65536
_GONE = (errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL)


def open_netlink(family: int) -> socket.socket:
    """Return a socket for messages of a family, in this thread's network namespace (netlink(7))."""
    import socket

    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
    opened.bind((0, 0))
    return opened


def send_message(opened: socket.socket, message: bytes, accept: Sequence[int] = ()) -> None:
    """Send one message, or a batch, and wait until the kernel has done all of it.

    Args:
        opened: by `open_netlink`.
        message: with its header; what asks for an answer (NLM_F_ACK) is waited for.
        accept: error numbers that count as done.

    Raises:
        OSError: the kernel refuses.
    """
    opened.send(message)
    left = sum(bool(flags & NLM_F_ACK) for _, flags, _ in _parts(message))
    while left:
        for kind, _, content in _parts(opened.recv(_LARGEST)):
            if kind == _ERROR:
                left -= 1
                number = -struct.unpack_from("=i", content)[0]
                if number and number not in accept:
                    raise OSError(number, os.strerror(number))


def note_messages(family: int, messages: Sequence[bytes], note: Path) -> None:
    """Note what `send_noted` is to send.

    Args:
        family: of the messages.
        messages: each is harmless where there is nothing left to take back.
        note: a file; what was noted there before is replaced.
    """
    # Others may note the same of what they share.
    new = note.with_name(f"{note.name}.{get_native_id()}{UNFINISHED}")
    new.write_text(json.dumps([family, [message.hex() for message in messages]]), encoding="ascii")
    new.rename(note)


def send_noted(note: Path) -> None:
    """Send the messages of a note, and remove it; nothing happens where there is none."""
    if note.exists():
        family, messages = json.loads(note.read_text(encoding="ascii"))
        with open_netlink(family) as opened:
            for message in messages:
                send_message(opened, bytes.fromhex(message), accept=_GONE)
        note.unlink()


def message_note(name: str, directory: str) -> Path:
    """Return the file that says which messages take back what an instance did by netlink."""
    return Path(directory, f"netlink-{name}")


def send_own_messages(name: str, directory: str) -> None:
    """Send the messages that an instance has noted; nothing happens if it has noted none.

    Args:
        name: as that of `message_note`.
        directory: the instance's own.
    """
    send_noted(message_note(name, directory))


def _parts(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, flags and content of each message."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, start)
        yield kind, flags, data[start + _HEADER.size : start + length]
        start += (length + 3) & ~3
