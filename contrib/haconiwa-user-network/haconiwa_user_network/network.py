"""The addresses of a container, and its published ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from haconiwa_core.errors import Problem
from haconiwa_user_network import UserNetwork

INTERFACE = "eth0"

_OWN, _GATEWAY, _NAME_SERVER = 100, 2, 3
"""Numbers of hosts in the subnet; slirp4netns knows no others."""

_LONGEST_PREFIX = 25
_LARGEST_PORT = 65535


class Network(NamedTuple):
    """What the container's interface has.

    Args:
        subnet: as CIDR.
        prefix: its length.
        address: of the container.
        gateway: where all else is reached.
        name_server: that asks the host's.
    """

    subnet: str
    prefix: int
    address: str
    gateway: str
    name_server: str


class Published(NamedTuple):
    """A port of the host that leads into the container.

    Args:
        address: of the host; "" is every one.
        outside: the port there.
        inside: the port in the container.
        protocol: "tcp" or "udp".
    """

    address: str
    outside: int
    inside: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.address or '*'}:{self.outside}:{self.inside}/{self.protocol}"


def network_of(feature: UserNetwork) -> Network:
    """Return the addresses of a section in which `problems_of` finds nothing."""
    from ipaddress import IPv4Network

    subnet = IPv4Network(feature.subnet)
    own, gateway, name_server = (str(subnet[number]) for number in (_OWN, _GATEWAY, _NAME_SERVER))
    return Network(str(subnet), subnet.prefixlen, own, gateway, name_server)


def published(feature: UserNetwork) -> list[Published]:
    """Return the ports of a section."""
    found = []
    for text in feature.ports:
        numbers, _, protocol = text.partition("/")
        *address, outside, inside = numbers.split(":")
        found.append(Published("".join(address), int(outside), int(inside), protocol or "tcp"))
    return found


def hosts(feature: UserNetwork) -> dict[str, str]:
    """Return the addresses of a section by name."""
    pairs = (text.partition(":") for text in feature.hosts or ())
    return {name: address for name, _, address in pairs}


def problems_of(feature: UserNetwork) -> Iterator[Problem]:
    """Yield what is wrong with addresses and ports."""
    from ipaddress import IPv4Network, ip_address

    try:
        if IPv4Network(feature.subnet).prefixlen > _LONGEST_PREFIX:
            yield Problem(f"{feature.subnet} has no host number {_OWN}", key="subnet", hint="take /24")
    except ValueError as error:
        yield Problem(str(error), key="subnet")
    for key, address in _addresses(feature):
        if not _is_address(address):
            yield Problem(f"{address!r} is no IP address", key=key)
    ports = published(feature)
    for port in ports:
        if port.address and not _is_address(port.address):
            yield Problem(f"{port.address!r} is no IP address", key="ports")
        elif port.address and ip_address(port.address).is_unspecified:
            yield Problem(f"{port}: every address of the host is meant without one", key="ports")
        if not (1 <= port.outside <= _LARGEST_PORT and 1 <= port.inside <= _LARGEST_PORT):
            yield Problem(f"{port}: ports are 1 to {_LARGEST_PORT}", key="ports")
    places = [(port.address, port.outside, port.protocol) for port in ports]
    for place in sorted({place for place in places if places.count(place) > 1}):
        yield Problem(f"port {place[1]}/{place[2]} is published twice", key="ports")


def _addresses(feature: UserNetwork) -> Iterator[tuple[str, str]]:
    yield from (("dns", address) for address in feature.dns or ())
    yield from (("hosts", address) for address in hosts(feature).values())


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True
