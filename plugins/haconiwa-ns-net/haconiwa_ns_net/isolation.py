"""The loopback interface in the network namespace of a live process (netdevice(7))."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_ns_net import NetNamespace

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_WHAT = "loopback interface"
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1


def rows(feature: NetNamespace | None, _plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield whether it is up."""
    own = feature is not None and feature.join is None
    asked = "up" if own and feature is not None and feature.loopback else ""
    try:
        in_force = confined.inside(_state, "net", CLONE_NEWNET)
    except PermissionError as error:
        yield unknown(NetNamespace.section, _WHAT, asked, f"its namespace cannot be entered: {error.strerror}")
        return
    yield compared(NetNamespace.section, _WHAT, asked, in_force, _state(), "SIOCGIFFLAGS in its namespace")


def _state() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
    return "up" if struct.unpack_from("16xh", answer)[0] & _IFF_UP else "down"
