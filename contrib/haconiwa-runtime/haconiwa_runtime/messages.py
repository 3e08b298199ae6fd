"""Messages between a client and the supervisor: JSON objects with descriptors, on a socket that keeps them apart.

The socket is of the kind SOCK_SEQPACKET (unix(7)). A message that is larger than a packet travels in a sealed
memory file.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux.packets import receive_packet

PACKET_LIMIT = 64 << 10
MESSAGE_LIMIT = 8 << 20
DESCRIPTOR_LIMIT = 250

_PLAIN, _IN_MEMORY = b"j", b"m"
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_CREDENTIALS = struct.Struct("3i")


class MessageError(HaconiwaError):
    """What has arrived is no message, or one is too large to be sent."""


class Message(NamedTuple):
    """What was sent at once.

    Attributes:
        content: a JSON object.
        descriptors: which the receiver has to close.
    """

    content: dict[str, Any]
    descriptors: list[int]


def send(connection: socket.socket, content: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send a message whole.

    Raises:
        MessageError: it is too large.
        OSError: BlockingIOError where the receiver does not keep up, BrokenPipeError where it has gone.
    """
    data = json.dumps(content, separators=(",", ":")).encode()
    if len(data) > MESSAGE_LIMIT or len(descriptors) > DESCRIPTOR_LIMIT:
        raise MessageError(f"a message of {len(data)} bytes and {len(descriptors)} descriptors is too large")
    if len(data) < PACKET_LIMIT:
        _send(connection, _PLAIN + data, descriptors)
        return
    file = os.memfd_create("haconiwa-message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(file, "wb", closefd=False) as target:
            target.write(data)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        _send(connection, _IN_MEMORY, [file, *descriptors])
    finally:
        os.close(file)


def receive(connection: socket.socket, limit: int = MESSAGE_LIMIT) -> Message | None:
    """Receive a message; None at the end of the connection.

    Args:
        connection: to receive from.
        limit: bytes of a message.

    Raises:
        MessageError: it is none, or too large.
        OSError: BlockingIOError where none has arrived, TimeoutError after the socket's time limit.
    """
    try:
        data, descriptors, flags = receive_packet(connection, PACKET_LIMIT + 1, DESCRIPTOR_LIMIT + 1)
    except ConnectionResetError:
        return None
    if not data and not descriptors:
        return None
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise MessageError("a message was cut")
        if data[:1] == _IN_MEMORY and descriptors:
            file = descriptors.pop(0)
            try:
                content = _decoded(_read(file, limit))
            finally:
                os.close(file)
        else:
            content = _decoded(data[1:])
    except BaseException:
        close_all(descriptors)
        raise
    return Message(content, descriptors)


def close_all(descriptors: list[int]) -> None:
    """Close descriptors, and take them out of the list."""
    while descriptors:
        os.close(descriptors.pop())


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Return pid and uid of the process that has connected (SO_PEERCRED in unix(7))."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def _send(connection: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    packed = struct.pack(f"{len(descriptors)}i", *descriptors)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)] if descriptors else []
    connection.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)


def _read(file: int, limit: int) -> bytes:
    try:
        seals = fcntl.fcntl(file, fcntl.F_GET_SEALS)
    except OSError as error:
        raise MessageError("a message lies in what is no memory file") from error
    if seals & _SEALS != _SEALS:
        raise MessageError("a message could still be changed")
    size = os.fstat(file).st_size
    if size > limit:
        raise MessageError(f"a message of {size} bytes is too large: {limit} is the limit")
    return os.pread(file, size, 0)


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a message is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise MessageError("a message is no JSON object")
    return content
