"""A network through a process of the host, which needs no rights there (pasta(1), slirp4netns(1))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern, Range
from haconiwa_core.stages import Stage

Port = Annotated[
    str,
    Pattern(
        r"((\d{1,3}\.){3}\d{1,3}:)?\d{1,5}:\d{1,5}(/(tcp|udp))?", 'a port, such as "8080:80" or "127.0.0.1:5353:53/udp"'
    ),
]
Address = Annotated[str, Pattern(r"[0-9A-Fa-f.:]{2,45}", "an IP address")]
Host = Annotated[
    str,
    Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}:[0-9A-Fa-f.:]{2,45}", 'a name and its address, such as "db:10.0.2.2"'),
]
Subnet = Annotated[str, Pattern(r"(\d{1,3}\.){3}\d{1,3}/\d{1,2}", 'an IPv4 network, such as "10.0.2.0/24"')]


@dataclass(frozen=True, kw_only=True)
class UserNetwork(Feature):
    """The container reaches what its starter reaches, through a process of the host that forwards for it.

    Nothing of the host's network is changed, and no rights over it are needed.

    Example: `UserNetwork(ports=["127.0.0.1:8080:80"])`.
    """

    section: ClassVar[str] = "user-network"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.ADOPT, Stage.MOUNTS)
    rootless: ClassVar[Rootless] = Rootless(
        "yes",
        "through pasta or slirp4netns, which must be installed, and /dev/net/tun, which the user must be able to open",
    )

    helper: Literal["pasta", "slirp4netns"] | None = option(
        None, "what forwards: by default pasta, or slirp4netns where the container has no user namespace"
    )
    ports: Sequence[Port] = option((), 'published ports: "[ADDRESS:]PORT:PORT INSIDE[/tcp or /udp]"')
    subnet: Subnet = option("10.0.2.0/24", "its network: it is number 100 there, the gateway 2, the name server 3")
    mtu: Annotated[int, Range(576, 65520)] = option(65520, "bytes of the largest packet")
    dns: Sequence[Address] | None = option(
        None, "name servers; by default those of the host are asked for it; [] leaves /etc/resolv.conf as it is"
    )
    hosts: Sequence[Host] | None = option(
        None, 'names for an /etc/hosts of its own, as "NAME:ADDRESS"; without it the file stays as it is'
    )
    host_loopback: bool = option(False, "the gateway's address stands for the host's own 127.0.0.1")
