"""On which host an instance is started."""

from __future__ import annotations

from collections.abc import Sequence

from haconiwa_fastcontainer.state import Host

_FULL = 0.9
_MEMORY = 64 << 20
"""A host whose processors are busier, or that has less memory available, is taken last."""


def place(own: Host, hosts: Sequence[Host]) -> str | None:
    """Return the name of the host that an instance is started on: the one with the most room.

    Args:
        own: preferred among equals: its front need not be asked.
        hosts: all whose leases have not run out.
    """
    able = [host for host in hosts if host.instances < host.most]
    if not able:
        return None
    return min(able, key=lambda host: (_is_strained(host), _share(host), host.name != own.name)).name


def _is_strained(host: Host) -> bool:
    return host.load > _FULL or host.memory < _MEMORY


def _share(host: Host) -> float:
    return round(max(host.instances / host.most, host.load), 1)
