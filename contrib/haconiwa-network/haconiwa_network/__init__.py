"""A network of the host's kernel: an interface with addresses, a gateway, and names (rtnetlink(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern, Range
from haconiwa_core.stages import Stage

LinkName = Annotated[
    str, Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", "a name of at most 15 letters, digits, _, . or -")
]
Address = Annotated[str, Pattern(r"[0-9A-Fa-f.:]{2,45}", "an IP address")]
Subnet = Annotated[
    str, Pattern(r"([0-9A-Fa-f.:]{2,45}/\d{1,3})?", 'a network, such as "10.209.0.0/16", or "" for none')
]
Host = Annotated[
    str,
    Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}:[0-9A-Fa-f.:]{2,45}", 'a name and its address, such as "db:10.209.0.2"'),
]

Port = Annotated[
    str,
    Pattern(
        r"((\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\]):)?\d{1,5}:\d{1,5}(/(tcp|udp))?",
        'a port, such as "8080:80" or "127.0.0.1:5353:53/udp"',
    ),
]
Destination = Annotated[
    str,
    Pattern(
        r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\])(/\d{1,3})?(:\d{1,5})?(/(tcp|udp))?",
        'a destination, such as "10.0.0.0/8:5432" or "[fd00::]/64"',
    ),
]


@dataclass(frozen=True, kw_only=True)
class Network(Feature):
    """The container has an interface of its own on a bridge, or on a device of the host.

    Containers on one bridge reach each other and the host. Addresses come from a pool, and are given back with the end.

    Example: `Network(address="10.209.0.10", hosts=["db:10.209.0.11"])`.
    """

    section: ClassVar[str] = "network"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.ADOPT, Stage.MOUNTS)
    rootless: ClassVar[Rootless] = Rootless(
        "no", "links of the host need its CAP_NET_ADMIN and CAP_SYS_ADMIN; haconiwa-user-network needs neither"
    )

    kind: Literal["bridge", "macvlan", "ipvlan"] = option(
        "bridge", "how it is connected: a pair of veth on a bridge, or as part of the device `parent`"
    )
    bridge: LinkName = option("haconiwa0", "the bridge; made if it is missing, and removed with its last container")
    parent: LinkName | None = option(None, "the host's device that macvlan or ipvlan is part of")
    interface: LinkName = option("eth0", "the interface's name inside")
    subnet: Subnet = option("10.209.0.0/16", 'pool of IPv4 addresses, /8 to /30; "" for none')
    subnet6: Subnet = option("", "pool of IPv6 addresses, /64 to /126; without it there is no IPv6 address")
    address: Address | None = option(None, "this IPv4 address of the pool, instead of a free one")
    address6: Address | None = option(None, "this IPv6 address of the pool, instead of a free one")
    gateway: Address | None = option(None, "IPv4 default route; on a bridge its own address, the subnet's first")
    gateway6: Address | None = option(None, "IPv6 default route; on a bridge its own address, the subnet's first")
    mtu: Annotated[int, Range(1280, 65535)] = option(1500, "bytes of the largest packet")
    dns: Sequence[Address] | None = option(None, "name servers; without it /etc/resolv.conf stays as it is")
    hosts: Sequence[Host] | None = option(
        None, 'names for an /etc/hosts of its own, as "NAME:ADDRESS"; without it the file stays as it is'
    )
    ports: Sequence[Port] = option((), 'published ports: "[ADDRESS:]PORT:PORT INSIDE[/tcp or /udp]"; on a bridge')
    masquerade: bool = option(False, "beyond the host, the host's address stands for the container's; on a bridge")
    to: Sequence[Destination] | None = option(
        None, 'only these are reached: "NETWORK[:PORT][/tcp or /udp]"; [] for nothing; without it, all; on a bridge'
    )
