"""Pools of addresses: which is free is known by files below the state directory, one for each that is leased."""

from __future__ import annotations

import errno
import os
from ipaddress import ip_address, ip_network
from pathlib import Path

from haconiwa_core.errors import StepError
from haconiwa_core.linux.shares import join_share
from haconiwa_network.addresses import Lease, note_lease

_FOLDER = ".networks"
_RESERVED = 2
"""Numbers at a pool's start that are not given away: the network's and the gateway's."""

_MOST = 1 << 16
"""Addresses that are tried of a larger pool."""


def share_folder(share: str, directory: str) -> str:
    """Return the folder of those who share a bridge or a device.

    Args:
        share: its name.
        directory: of one of the instances.
    """
    return str(Path(directory).parent / _FOLDER / share)


def lease_note(subnet: str) -> str:
    """Return the name of the note of a lease, for `leave_share`."""
    return "lease-6" if ":" in subnet else "lease-4"


def take_address(share: str, subnet: str, address: str, gateway: str, directory: str) -> None:
    """Lease an address of a pool; `leave_share` is the undo.

    Args:
        share: name of the bridge or device whose pool it is.
        subnet: the pool.
        address: this one; "" for one that is free.
        gateway: of the default route; "" for none.
        directory: the instance's own.

    Raises:
        StepError: the address is in use, or all of the pool are.
    """
    pool = ip_network(subnet)
    folder = share_folder(share, directory)
    last = pool.num_addresses - (1 if pool.version == 6 else 2)
    count = last - _RESERVED + 1
    # An address that was given back is not given away at once: neighbours remember whose it was.
    first = int.from_bytes(os.urandom(8), "big") % count
    numbers = (_RESERVED + (first + index) % count for index in range(min(count, _MOST)))
    wanted = (address,) if address else (str(pool[number]) for number in numbers)
    for found in wanted:
        if found != gateway and join_share(folder, str(ip_address(found)), lease_note(subnet), directory):
            note_lease(Lease(found, pool.prefixlen, gateway), directory)
            return
    if address:
        raise StepError(
            errno.EADDRINUSE,
            f"{address} is the gateway's or another container's",
            "leave `address` out, or end the other",
        )
    raise StepError(errno.EADDRNOTAVAIL, f"all addresses of {subnet} are in use", "take a larger subnet")
