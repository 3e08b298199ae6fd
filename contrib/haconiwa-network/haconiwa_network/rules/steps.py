"""Put a container into the rules, while its first process waits: what is added is noted before."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

from haconiwa_core.errors import StepError
from haconiwa_core.linux.netlink import message_note, note_messages, open_netlink, send_message
from haconiwa_core.linux.shares import join_share, removal_note
from haconiwa_network import messages
from haconiwa_network.addresses import Lease, noted_leases, noted_link
from haconiwa_network.rules.encoding import (
    BRIDGE,
    INET,
    NETLINK_NETFILTER,
    Element,
    addition,
    batch,
    element_removal,
    table_removal,
)
from haconiwa_network.rules.ports import PROTOCOLS, destination, published
from haconiwa_network.rules.table import allowed_set, allowing, allowing_removal, policy, table

NAME = "rules"
"""Of the note of what an instance has added, and of its share in the tables."""

_SETTINGS = Path("/proc/sys/net")
_LARGEST = 65535


def join_rules(directory: str) -> None:
    """Become one of those for whom the tables are there; `leave_share` is the undo.

    Args:
        directory: the instance's own.
    """
    folder = _folder(directory)
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    join_share(str(folder), Path(directory).name, NAME, directory)
    removals = [table_removal(family) for family in (INET, BRIDGE)]
    note_messages(NETLINK_NETFILTER, removals, removal_note("tables", str(folder)))


def need_forwarding(setting: str) -> None:
    """Check that the host forwards packets, without which nothing outside can be reached (ip-sysctl).

    Args:
        setting: which says so, below net.

    Raises:
        StepError: it does not.
    """
    if (_SETTINGS / setting.replace(".", "/")).read_text().strip() == "0":
        text = f"masquerade needs a host that forwards packets: net.{setting} is 0"
        raise StepError(errno.ENETUNREACH, text, f"sysctl net.{setting}=1, or leave masquerade out")


def add_rules(
    bridge: str, ports: tuple[str, ...], masquerade: bool, to: tuple[str, ...] | None, directory: str
) -> None:
    """Publish a container's ports, hide its addresses, and keep it to its destinations.

    `send_own_messages` is the undo.

    Args:
        bridge: on which it is.
        ports: as the option has them.
        masquerade: whether the host's address stands for its own elsewhere.
        to: its destinations; None for all.
        directory: the instance's own, with its leases and its link.

    Raises:
        OSError: the kernel refuses.
    """
    elements = list(_translation(bridge, ports, masquerade, noted_leases(directory)))
    made, removed = [*map(addition, elements)], [*map(element_removal, elements)]
    if to is not None:
        link = noted_link(directory)
        leading = Element(BRIDGE, "restricted", link.encode("ascii").ljust(16, b"\0"), chain=link)
        made += [*allowing(link), *map(addition, _allowed(to, link)), addition(leading)]
        # What leads to a chain goes before it, and it before the sets that its rules use.
        removed += [element_removal(leading), *allowing_removal(link)]
    with open_netlink(NETLINK_NETFILTER) as host:
        for shared in (table, *(() if to is None else (policy,))):
            send_message(host, batch(list(shared())), accept=(errno.EEXIST,))
        note_messages(NETLINK_NETFILTER, [batch(removed)], message_note(NAME, directory))
        send_message(host, batch(made))
    if ports:
        with open_netlink(messages.NETLINK_ROUTE) as links:
            send_message(links, messages.hairpin(socket.if_nametoindex(noted_link(directory))))
        # Both end with the bridge. What asks for 127.0.0.1 from outside is refused by a rule.
        for setting in ("route_localnet", "forwarding"):
            (_SETTINGS / "ipv4/conf" / bridge / setting).write_text("1")


def _folder(directory: str) -> Path:
    return Path(directory).parent / ".networks" / "rules"


def _translation(bridge: str, ports: Sequence[str], masquerade: bool, leases: Sequence[Lease]) -> Iterator[Element]:
    for lease in leases:
        version = 6 if lease.is_ipv6 else 4
        own = _packed(lease.address)
        yield Element(INET, f"containers{version}", own)
        yield Element(INET, f"neighbours{version}", own + bridge.encode("ascii").ljust(16, b"\0"))
        if masquerade:
            yield Element(INET, f"masqueraded{version}", own)
        for port in map(published, ports):
            service = _field(bytes([PROTOCOLS[port.protocol]])) + _port(port.outside)
            target = own + _port(port.inside)
            if not port.address:
                yield Element(INET, f"published-anywhere{version}", service, target)
            elif (":" in port.address) == lease.is_ipv6:
                yield Element(INET, f"published{version}", _packed(port.address) + service, target)


def _allowed(to: Sequence[str], link: str) -> Iterator[Element]:
    # The kernel refuses a range that begins inside an older one; so the wider network comes first.
    for allowed in sorted(map(destination, to), key=lambda item: item.network.prefixlen):
        network = ip_network(allowed.network)
        protocols = [PROTOCOLS[allowed.protocol]] * 2 if allowed.protocol else [0, 255]
        ports = [allowed.port] * 2 if allowed.port else [0, _LARGEST]
        addresses = (network.network_address.packed, network.broadcast_address.packed)
        first, last = (
            address + _field(bytes([protocol])) + _port(port)
            for address, protocol, port in zip(addresses, protocols, ports, strict=True)
        )
        yield Element(BRIDGE, allowed_set(link, network.version), first, end=last)


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _port(number: int) -> bytes:
    return _field(struct.pack(">H", number))


def _field(content: bytes) -> bytes:
    return content.ljust(4, b"\0")
