"""What an audit should know of a network: who reaches the container, and what of the host it reaches."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.finding import Finding
from haconiwa_core.planning.plan import Plan
from haconiwa_user_network import UserNetwork
from haconiwa_user_network.network import published

PUBLISHED = Finding(
    "USER-NETWORK-PUBLISHED",
    "a port is published on every address of the host",
    "whoever reaches the host reaches the container",
    "publish it on an address: 127.0.0.1:8080:80",
    UserNetwork.section,
)
HOST_LOOPBACK = Finding(
    "USER-NETWORK-LOOPBACK",
    "the container reaches what listens on the host's 127.0.0.1",
    "services that trust whoever is on the host, such as databases and debuggers, take orders from inside",
    "leave host_loopback out",
    UserNetwork.section,
)


def findings_of(plan: Plan) -> Iterator[Finding]:
    """Yield what is weak in the network of a plan."""
    feature = plan.container.feature(UserNetwork.section)
    if isinstance(feature, UserNetwork):
        if not all(port.address for port in published(feature)):
            yield PUBLISHED
        if feature.host_loopback:
            yield HOST_LOOPBACK
