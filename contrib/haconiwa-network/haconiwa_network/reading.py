"""What the kernel tells of addresses, routes and rules: asked for by netlink, and changed by nothing here."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, summarize_address_range
from typing import NamedTuple

from haconiwa_core.linux.netlink import open_netlink
from haconiwa_network.messages import NETLINK_ROUTE
from haconiwa_network.rules.encoding import BRIDGE, NETLINK_NETFILTER, TABLE, text
from haconiwa_network.rules.ports import PROTOCOLS, Destination
from haconiwa_network.rules.table import allowed_set

_GETADDR, _GETROUTE, _GETSETELEM = 22, 26, 10 << 8 | 13
_REQUEST, _DUMP = 0x1, 0x300
_HEADER = struct.Struct("=IHHII")
_ERROR, _DONE = 2, 3
_LARGEST = 65536
_TYPE = 0x3FFF
"""Of an attribute; the other bits say how it is written."""

_UNIVERSE = 0
_TABLE_MAIN = 254
_IFA_ADDRESS, _IFA_LOCAL, _RTA_GATEWAY = 1, 2, 5
_ELEMENTS, _KEY, _KEY_END, _VALUE = 3, 1, 10, 1
_NAME_SIZE = 16


class Answer(NamedTuple):
    """A message of the kernel's.

    Args:
        head: its fixed part.
        by_kind: its attributes.
    """

    head: bytes
    by_kind: dict[int, bytes]


def addresses(interface: str) -> Sequence[str]:
    """Return the addresses of a link of this thread's network namespace, as "ADDRESS/PREFIX", IPv4 first.

    Those by which the kernel speaks to neighbours (fe80::/10) are left out. A link that is not there has none.
    """
    indices = {name: index for index, name in socket.if_nameindex()}
    found = []
    with open_netlink(NETLINK_ROUTE) as opened:
        for message in _dump(opened, _GETADDR, bytes(8), 8):
            _, prefix, _, scope, of = struct.unpack("=BBBBI", message.head)
            if of == indices.get(interface) and scope == _UNIVERSE:
                packed = message.by_kind.get(_IFA_LOCAL) or message.by_kind[_IFA_ADDRESS]
                found.append(f"{_address(packed)}/{prefix}")
    return found


def gateways() -> Sequence[str]:
    """Return the gateways of this thread's network namespace, IPv4 first: those of the default routes."""
    found = []
    with open_netlink(NETLINK_ROUTE) as opened:
        for message in _dump(opened, _GETROUTE, bytes(12), 12):
            _, prefix, _, _, table, *_ = message.head
            if table == _TABLE_MAIN and prefix == 0 and _RTA_GATEWAY in message.by_kind:
                found.append(_address(message.by_kind[_RTA_GATEWAY]))
    return found


def destinations(link: str) -> Sequence[Destination] | None:
    """Return what the rules of this thread's network namespace let a link reach.

    Args:
        link: the host's end of a container's interface.

    Returns:
        None where they let it reach everything.
    """
    own = link.encode("ascii").ljust(_NAME_SIZE, b"\0")
    if not any(key == own for key, _ in _elements("restricted")):
        return None
    return [
        allowed
        for version in (4, 6)
        for key, end in _elements(allowed_set(link, version))
        for allowed in _allowed(key, end)
    ]


def _allowed(first: bytes, last: bytes) -> Iterator[Destination]:
    """Yield the destinations of one range, whose fields are an address, a protocol and a port."""
    ends = [(ip_address(key[:-8]), key[-8], int.from_bytes(key[-4:-2], "big")) for key in (first, last)]
    (low, protocol, port), (high, last_protocol, _) = ends
    names = {number: name for name, number in PROTOCOLS.items()}
    for network in summarize_address_range(low, high):
        yield Destination(network, port, names[protocol] if protocol == last_protocol else "")


def _elements(name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield first and last key of each element of a set; none where there is no such set."""
    head = struct.pack(">BBH", BRIDGE, 0, 0)
    with open_netlink(NETLINK_NETFILTER) as opened:
        try:
            for message in _dump(opened, _GETSETELEM, head + text(1, TABLE) + text(2, name), 4):
                for _, element in _attributes(message.by_kind.get(_ELEMENTS, b"")):
                    keys = dict(_attributes(element))
                    first = _value(keys[_KEY])
                    yield first, _value(keys[_KEY_END]) if _KEY_END in keys else first
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _value(data: bytes) -> bytes:
    return dict(_attributes(data))[_VALUE]


def _dump(opened: socket.socket, kind: int, content: bytes, head: int) -> Iterator[Answer]:
    """Ask for all of a kind, and yield them.

    Raises:
        OSError: the kernel refuses.
    """
    opened.send(_HEADER.pack(_HEADER.size + len(content), kind, _REQUEST | _DUMP, 1, 0) + content)
    while True:
        data = opened.recv(_LARGEST)
        start = 0
        while start < len(data):
            length, answer, *_ = _HEADER.unpack_from(data, start)
            body = data[start + _HEADER.size : start + length]
            if answer in (_ERROR, _DONE):
                number = -struct.unpack_from("=i", body)[0]
                if number:
                    raise OSError(number, os.strerror(number))
                return
            yield Answer(body[:head], dict(_attributes(body[head:])))
            start += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(data):
        length, kind = struct.unpack_from("=HH", data, start)
        yield kind & _TYPE, data[start + 4 : start + length]
        start += (length + 3) & ~3


def _address(packed: bytes) -> str:
    return str(ip_address(packed))
