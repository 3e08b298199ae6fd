"""The TCP sockets of a network namespace, asked of the kernel without a connection (sock_diag(7)).

The tables of proc_net(5) say the same, but the kernel goes through those of all its connections for that, which takes
milliseconds where there is much memory.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

NETLINK_SOCK_DIAG = 4
ESTABLISHED, SYN_RECV, FIN_WAIT1, CLOSE_WAIT, LISTEN, NEW_SYN_RECV = 1, 3, 4, 8, 10, 12
"""States of a socket."""

_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_ANY_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI HH16s16sIII")
_INODE = struct.Struct("=68xI")
_BUFFER = 32 << 10
_REASONS = {errno.ENOENT: "the kernel cannot tell who has which port; modprobe tcp_diag"}


def sockets(asked: socket.socket, port: int, states: tuple[int, ...]) -> Iterator[int]:
    """Yield the inode of each socket of a port, of IPv4 and IPv6; 0 for one that no process has.

    Args:
        asked: a socket of AF_NETLINK for NETLINK_SOCK_DIAG, in the namespace.
        port: the local one.
        states: of the sockets that are wanted.

    Raises:
        OSError: ENOENT where the kernel has no module tcp_diag.
    """
    mask = sum(1 << state for state in states)
    for family in (socket.AF_INET, socket.AF_INET6):
        yield from _of_family(asked, family, port, mask)


def _of_family(asked: socket.socket, family: int, port: int, states: int) -> Iterator[int]:
    place = (socket.htons(port), 0, b"", b"", 0, _ANY_COOKIE, _ANY_COOKIE)
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, states, *place)
    size = _HEADER.size + len(request)
    asked.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 0, 0) + request)
    while True:
        # The kernel answers while it is asked: this does not wait.
        messages = asked.recv(_BUFFER)
        while messages:
            length, kind, *_ = _HEADER.unpack_from(messages)
            content, messages = messages[_HEADER.size : length], messages[length + 3 & ~3 :]
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                number = -struct.unpack_from("=i", content)[0]
                raise OSError(number, _REASONS.get(number, os.strerror(number)))
            yield _INODE.unpack_from(content)[0]
