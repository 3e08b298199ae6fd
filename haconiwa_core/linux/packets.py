"""Packets with descriptors, on sockets that keep them apart (unix(7))."""

from __future__ import annotations

import socket
import struct

_DESCRIPTOR = struct.Struct("i")


def receive_packet(connection: socket.socket, size: int, most: int) -> tuple[bytes, list[int], int]:
    """Receive a packet; return its bytes, its descriptors, which no other program inherits, and flags of recvmsg(2).

    Args:
        connection: to receive from.
        size: bytes at most.
        most: descriptors at most.
    """
    # socket.recv_fds() leaves its flags out.
    room = socket.CMSG_LEN(most * _DESCRIPTOR.size)
    data, ancillary, flags, _ = connection.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = [
        descriptor
        for level, kind, packed in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (descriptor,) in _DESCRIPTOR.iter_unpack(packed[: len(packed) // _DESCRIPTOR.size * _DESCRIPTOR.size])
    ]
    return data, descriptors, flags
