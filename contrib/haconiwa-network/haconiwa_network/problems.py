"""What is wrong with a Network that its types do not tell."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import combinations
from typing import TypeVar

from haconiwa_core.errors import Problem
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CAP_NET_ADMIN
from haconiwa_core.planning.context import Planning
from haconiwa_network import Network
from haconiwa_network.rules.ports import Destination, Published, destination, published

T = TypeVar("T")

_PREFIXES = {4: (8, 30), 6: (64, 126)}


def problems_of(feature: Network) -> Iterator[Problem]:
    """Yield every problem of the section itself."""
    if feature.kind == "bridge" and feature.parent:
        yield Problem("a bridge is no part of a device", key="parent", hint='set kind = "macvlan", or leave it out')
    if feature.kind != "bridge" and not feature.parent:
        yield Problem(f"{feature.kind} needs a device of the host", key="parent", hint='such as parent = "eth0"')
    yield from _pool(feature.subnet, 4, "subnet", {"address": feature.address, "gateway": feature.gateway})
    yield from _pool(feature.subnet6, 6, "subnet6", {"address6": feature.address6, "gateway6": feature.gateway6})
    if not (feature.subnet or feature.subnet6):
        yield Problem("there is neither an IPv4 nor an IPv6 pool", key="subnet", hint="set one of them")
    yield from _rules(feature)
    named = [("dns", server) for server in feature.dns or ()]
    named += [("hosts", host.split(":", 1)[1]) for host in feature.hosts or ()]
    for key, text in named:
        if not _is_address(text):
            yield Problem(f"{text!r} is no IP address", key=key)


def problems_with(feature: Network, planning: Planning) -> Iterator[Problem]:
    """Yield every problem of the section with the rest of the definition and with the host."""
    net = planning.facts.get(Namespace, "net")
    if net and net.joined:
        publisher = planning.facts.publisher(Namespace, "net")
        yield Problem(f"a network that is joined has what it has: {publisher}.join", hint="leave one of them out")
    if not planning.host.has_capability(CAP_NET_ADMIN) or not planning.privileged:
        text = "needs CAP_NET_ADMIN and CAP_SYS_ADMIN, which the caller does not have: links are the host's"
        yield Problem(text, hint="run as root, or use user-network, which needs neither")
    if (feature.dns is not None or feature.hosts is not None) and not planning.own_mounts:
        text = "files of the container's own need a mount namespace"
        yield Problem(text, key="dns", hint=f"{planning.providers('Namespace mnt')}, or leave dns and hosts out")


def gateway_of(feature: Network, subnet: str, given: str | None) -> str:
    """Return the address of the default route; "" where there is none."""
    return given or (str(ip_network(subnet)[1]) if feature.kind == "bridge" else "")


def _rules(feature: Network) -> Iterator[Problem]:
    ports = yield from _read("ports", published, feature.ports)
    allowed = yield from _read("to", destination, feature.to or ())
    for key, port in ports.items():
        yield from _without_pool(feature, key, ip_address(port.address).version if port.address else None)
    for key, item in allowed.items():
        yield from _without_pool(feature, key, item.network.version)
    for one, other in combinations(ports, 2):
        if _meet(ports[one], ports[other]):
            text = f"port {ports[other].outside}/{ports[other].protocol} is published by {one}, too"
            yield Problem(text, key=other, hint="leave one of them out, or take another port")
    # The kernel refuses an element inside another one.
    for one, other in combinations(allowed, 2):
        for part, whole in ((other, one), (one, other)):
            if _covers(allowed[whole], allowed[part]):
                yield Problem(f"is a part of {whole}, or the same", key=part, hint="leave one of them out")
                break
    asked = {"ports": bool(feature.ports), "masquerade": feature.masquerade, "to": feature.to is not None}
    for key, wanted in asked.items():
        if wanted and feature.kind != "bridge":
            yield Problem(
                f"what passes by {feature.kind} is not seen by the host's rules", key=key, hint="use a bridge"
            )


def _read(key: str, read: Callable[[str], T], texts: Sequence[str]) -> Generator[Problem, None, dict[str, T]]:
    """Return what texts say by their places; yield a problem for one that says nothing."""
    found = {}
    for number, text in enumerate(texts):
        try:
            found[f"{key}[{number}]"] = read(text)
        except ValueError as error:
            yield Problem(str(error), key=f"{key}[{number}]")
    return found


def _without_pool(feature: Network, key: str, version: int | None) -> Iterator[Problem]:
    pools = {4: ("subnet", feature.subnet), 6: ("subnet6", feature.subnet6)}
    if version and not pools[version][1]:
        hint = f"set {pools[version][0]}, or leave it out"
        yield Problem(f"the container has no IPv{version} address", key=key, hint=hint)


def _meet(one: Published, other: Published) -> bool:
    same_port = one.outside == other.outside and one.protocol == other.protocol
    return same_port and (one.address == other.address or not one.address or not other.address)


def _covers(whole: Destination, part: Destination) -> bool:
    return (
        whole.network.version == part.network.version
        and int(whole.network.network_address) <= int(part.network.network_address)
        and int(part.network.broadcast_address) <= int(whole.network.broadcast_address)
        and whole.port in (0, part.port)
        and whole.protocol in ("", part.protocol)
    )


def _pool(subnet: str, version: int, key: str, addresses: dict[str, str | None]) -> Iterator[Problem]:
    if not subnet:
        for name, text in addresses.items():
            if text:
                yield Problem("there is no pool for it", key=name, hint=f"set {key}")
        return
    try:
        pool = ip_network(subnet)
    except ValueError as error:
        yield Problem(str(error), key=key)
        return
    low, high = _PREFIXES[version]
    if pool.version != version or not low <= pool.prefixlen <= high:
        yield Problem(f"{subnet} is no IPv{version} network of /{low} to /{high}", key=key)
        return
    for name, text in addresses.items():
        if text and not _is_host(text, pool):
            yield Problem(f"{text!r} is no host's address in {subnet}", key=name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_host(text: str, pool: IPv4Network | IPv6Network) -> bool:
    if not _is_address(text):
        return False
    found = ip_address(text)
    return found in pool and found not in (pool.network_address, pool.broadcast_address)
