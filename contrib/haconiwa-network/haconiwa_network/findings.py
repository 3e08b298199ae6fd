"""What an audit should know of a network: who reaches the container, and what it reaches."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.finding import Finding
from haconiwa_core.planning.plan import Plan
from haconiwa_network import Network
from haconiwa_network.rules.ports import published

PUBLISHED = Finding(
    "NETWORK-PUBLISHED",
    "a port is published on every address of the host",
    "whoever reaches the host reaches the container",
    "publish it on an address: 127.0.0.1:8080:80",
    Network.section,
)
OPEN = Finding(
    "NETWORK-OPEN",
    "the container may connect to everything that it has a route to",
    "from inside, other containers, services of the host and its networks are attacked, and data is carried away",
    'on a bridge, list what it needs in to: ["10.209.0.2:5432"], or [] for nothing',
    Network.section,
)


def findings_of(plan: Plan) -> Iterator[Finding]:
    """Yield what is weak in the network of a plan."""
    feature = plan.container.feature(Network.section)
    if isinstance(feature, Network):
        if any(not published(port).address for port in feature.ports):
            yield PUBLISHED
        if feature.to is None:
            yield OPEN
