"""What a container got: noted in the instance's directory, for its files and for whoever asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_LINK = "network-link"
_NAMES = ("network-4.json", "network-6.json")


class Lease(NamedTuple):
    """An address of a pool.

    Args:
        address: without the prefix.
        prefix: bits of the pool's prefix.
        gateway: of the default route; "" for none.
    """

    address: str
    prefix: int
    gateway: str

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an IPv6 address."""
        return ":" in self.address


def note_lease(lease: Lease, directory: str) -> None:
    """Note an address as an instance's.

    Args:
        lease: the address; an instance has at most one of each version.
        directory: the instance's own.
    """
    Path(directory, _NAMES[lease.is_ipv6]).write_text(json.dumps(lease), encoding="ascii")


def noted_leases(directory: str) -> Sequence[Lease]:
    """Return the addresses of an instance, IPv4 first."""
    files = (Path(directory, name) for name in _NAMES)
    return [Lease(*json.loads(file.read_text(encoding="ascii"))) for file in files if file.exists()]


def note_link(name: str, directory: str) -> None:
    """Note the name of the host's end of an instance's interface."""
    Path(directory, _LINK).write_text(name, encoding="ascii")


def noted_link(directory: str) -> str:
    """Return the name of the host's end of an instance's interface, which is on a bridge."""
    return Path(directory, _LINK).read_text(encoding="ascii")
