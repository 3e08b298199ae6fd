"""On which host an instance is started."""

from __future__ import annotations

from collections.abc import Sequence, Set

from haconiwa_fastcontainer.state import Host

_FULL = 0.9
_MEMORY = 64 << 20
"""A host whose processors are busier, or that has less memory available, is taken last."""


def place(own: Host, hosts: Sequence[Host], *, anywhere: bool, avoided: Set[str] = frozenset()) -> str | None:
    """Return the name of the host that an instance is started on: the one with the most room; None if none has any.

    Args:
        own: preferred among equals: its front need not be asked.
        hosts: all whose leases have not run out.
        anywhere: instances on other hosts that have an address are reached from here.
        avoided: hosts that are taken only where nothing else has room.
    """
    able = [host for host in hosts if host.instances < host.most]
    able = [host for host in able if host.name == own.name or (anywhere and host.address)]
    if not able:
        return None
    return min(able, key=lambda host: (host.name in avoided, *_burden(host), host.name != own.name, host.name)).name


def _burden(host: Host) -> tuple[bool, float, float]:
    is_strained = host.load > _FULL or host.memory < _MEMORY
    share = host.instances / host.most
    # A load is some seconds old, and moves; the number of instances is that of this moment.
    return is_strained, round(max(share, host.load), 1), share
