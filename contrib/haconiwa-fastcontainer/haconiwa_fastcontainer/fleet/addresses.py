"""Where an instance is reached from other hosts."""

from __future__ import annotations

from haconiwa_fastcontainer.services import Definition
from haconiwa_fastcontainer.state import Host


def shared_address(definition: Definition, host: Host) -> str:
    """Return the address at which other hosts reach an instance; "" where only its own host does.

    Addresses of containers in a network of their own are no such ones: they mean something else on each host.

    Args:
        definition: of its service.
        host: on which it runs.
    """
    return host.address if definition.in_host_network else ""
