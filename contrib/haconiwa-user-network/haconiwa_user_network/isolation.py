"""The network of a live process: its address, its gateway (netdevice(7), proc_pid_net(5))."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterator

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_user_network import UserNetwork
from haconiwa_user_network.network import INTERFACE, network_of

_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B
_REQUEST = "16s16x"
_ROUTES = "net/route"


def rows(feature: UserNetwork | None, confined: Confined) -> Iterator[Row]:
    """Yield the interface's address, and the default gateway."""
    network = network_of(feature) if feature else None
    what = f"address of {INTERFACE}"
    asked = f"{network.address}/{network.prefix}" if network else ""
    try:
        in_force = confined.inside(_address, "net", CLONE_NEWNET)
    except PermissionError as error:
        yield unknown(UserNetwork.section, what, asked, f"its namespace cannot be entered: {error.strerror}")
    else:
        yield compared(UserNetwork.section, what, asked, in_force, _address(), "SIOCGIFADDR in its namespace")
    gateway, of_host = (_gateway(each.read(_ROUTES)) for each in (confined, confined.host))
    wanted = network.gateway if network else ""
    yield compared(UserNetwork.section, "gateway", wanted, gateway, of_host, f"/proc/PID/{_ROUTES}")


def _address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        request = struct.pack(_REQUEST, INTERFACE.encode())
        try:
            found = [fcntl.ioctl(any_socket, number, request)[20:24] for number in (_SIOCGIFADDR, _SIOCGIFNETMASK)]
        except OSError:
            return "none"
    prefix = int.from_bytes(found[1], "big").bit_count()
    return f"{socket.inet_ntoa(found[0])}/{prefix}"


def _gateway(routes: str) -> str:
    """Return the gateway of the default route in /proc/PID/net/route, whose numbers are in the machine's own order."""
    for line in routes.splitlines()[1:]:
        _, destination, gateway, *_ = line.split()
        if int(destination, 16) == 0:
            return socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))
    return "none"
