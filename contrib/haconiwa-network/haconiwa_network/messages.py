"""Messages about links, addresses and routes, as the kernel takes them (rtnetlink(7)).

pyroute2 makes the same ones, but importing it takes longer than all else of a start.
"""

from __future__ import annotations

import socket
import struct

from haconiwa_core.linux.netlink import NLM_F_ACK

NETLINK_ROUTE = 0
MACVLAN_BRIDGE, IPVLAN_L2 = struct.pack("=I", 4), struct.pack("=H", 0)

_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_REQUEST, _EXCLUSIVE, _CREATE = 0x1, 0x200, 0x400
_IFF_UP = 1
_IFNAME, _MTU, _LINK, _MASTER, _LINKINFO, _NAMESPACE = 3, 4, 5, 10, 18, 28
_INFO_KIND, _INFO_DATA, _INFO_PEER, _INFO_MODE = 1, 2, 1, 1
_INFO_SLAVE_KIND, _INFO_SLAVE_DATA, _BRPORT_MODE = 4, 5, 4
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_IFA_F_NODAD = 0x2
_RTA_OIF, _RTA_GATEWAY = 4, 5
_TABLE_MAIN, _BY_ADMINISTRATOR, _EVERYWHERE, _UNICAST = 254, 4, 0, 1


def bridge(name: str, mtu: int) -> bytes:
    """Return the message that makes a bridge."""
    info = _attribute(_LINKINFO, _text(_INFO_KIND, "bridge"))
    return _message(_NEWLINK, _EXCLUSIVE | _CREATE, _link(), _text(_IFNAME, name), _number(_MTU, mtu), info)


def veth(name: str, master: int, mtu: int, inside: str, namespace: int) -> bytes:
    """Return the message that makes a pair: one end up on a bridge, the other in a namespace.

    Args:
        name: of the host's end.
        master: index of the bridge.
        mtu: of both.
        inside: name of the other end.
        namespace: descriptor of its network namespace.
    """
    peer = (_text(_IFNAME, inside), _number(_MTU, mtu), _number(_NAMESPACE, namespace))
    data = _attribute(_INFO_DATA, _attribute(_INFO_PEER, _link(), *peer))
    info = _attribute(_LINKINFO, _text(_INFO_KIND, "veth"), data)
    own = (_text(_IFNAME, name), _number(_MTU, mtu), _number(_MASTER, master))
    return _message(_NEWLINK, _EXCLUSIVE | _CREATE, _link(flags=_IFF_UP), *own, info)


def part_of(parent: int, kind: str, mode: bytes, mtu: int, inside: str, namespace: int) -> bytes:
    """Return the message that makes a macvlan or ipvlan in a namespace.

    Args:
        parent: index of the host's device.
        kind: "macvlan" or "ipvlan".
        mode: as the kind has it.
        mtu: of the new interface.
        inside: its name.
        namespace: descriptor of its network namespace.
    """
    info = _attribute(_LINKINFO, _text(_INFO_KIND, kind), _attribute(_INFO_DATA, _attribute(_INFO_MODE, mode)))
    own = (_text(_IFNAME, inside), _number(_MTU, mtu), _number(_LINK, parent), _number(_NAMESPACE, namespace))
    return _message(_NEWLINK, _EXCLUSIVE | _CREATE, _link(), *own, info)


def up(index: int) -> bytes:
    """Return the message that brings a link up."""
    return _message(_NEWLINK, 0, _link(index, _IFF_UP))


def hairpin(index: int) -> bytes:
    """Return the message by which a bridge sends back to a port what came from there, if it is addressed so."""
    mode = _attribute(_INFO_SLAVE_DATA, _attribute(_BRPORT_MODE, b"\1"))
    return _message(_NEWLINK, 0, _link(index), _attribute(_LINKINFO, _text(_INFO_SLAVE_KIND, "bridge"), mode))


def removal(name: str) -> bytes:
    """Return the message that removes a link."""
    return _message(_DELLINK, 0, _link(), _text(_IFNAME, name))


def address(index: int, text: str, prefix: int) -> bytes:
    """Return the message that gives a link an address.

    An IPv6 address is usable at once: the pool sees to it that nobody else has it (IFA_F_NODAD).
    """
    family, packed = _packed(text)
    attributes = [_attribute(_IFA_LOCAL, packed), _attribute(_IFA_ADDRESS, packed)]
    if family == socket.AF_INET6:
        attributes.append(_number(_IFA_FLAGS, _IFA_F_NODAD))
    else:
        hosts = (1 << 32 - prefix) - 1
        broadcast = int.from_bytes(packed, "big") | hosts
        attributes.append(_attribute(_IFA_BROADCAST, broadcast.to_bytes(4, "big")))
    head = struct.pack("=BBBBI", family, prefix, 0, _EVERYWHERE, index)
    return _message(_NEWADDR, _EXCLUSIVE | _CREATE, head, *attributes)


def default_route(index: int, gateway: str) -> bytes:
    """Return the message that sends through a gateway what has no other route."""
    family, packed = _packed(gateway)
    head = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _TABLE_MAIN, _BY_ADMINISTRATOR, _EVERYWHERE, _UNICAST, 0)
    return _message(_NEWROUTE, _EXCLUSIVE | _CREATE, head, _attribute(_RTA_GATEWAY, packed), _number(_RTA_OIF, index))


def _message(kind: int, flags: int, head: bytes, *attributes: bytes) -> bytes:
    content = head + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(content), kind, _REQUEST | NLM_F_ACK | flags, 1, 0) + content


def _link(index: int = 0, flags: int = 0) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, flags, flags)


def _attribute(kind: int, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack("=HH", 4 + len(whole), kind) + whole + bytes(-len(whole) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode("ascii") + b"\0")


def _number(kind: int, number: int) -> bytes:
    return _attribute(kind, struct.pack("=I", number))


def _packed(text: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text)
