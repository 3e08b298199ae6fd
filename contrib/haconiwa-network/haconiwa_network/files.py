"""The files by which programs find names, resolv.conf(5) and hosts(5): made by the host, mounted read-only."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from haconiwa_core.linux.host import system_call
from haconiwa_network.addresses import noted_leases

_ATTRIBUTES = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
_LOCAL = "127.0.0.1 localhost\n::1 localhost\n"


def resolver_file(servers: Sequence[str], directory: str) -> int:
    """Write the file that names the name servers.

    Args:
        servers: their addresses.
        directory: the instance's own.

    Returns:
        Descriptor of a detached mount of the file.
    """
    return _mounted(directory, "resolv.conf", "".join(f"nameserver {server}\n" for server in servers))


def hosts_file(name: str, others: Sequence[str], directory: str) -> int:
    """Write the file that names hosts.

    Args:
        name: of the container, which stands for its addresses.
        others: each "NAME:ADDRESS".
        directory: the instance's own, with its leases.

    Returns:
        Descriptor of a detached mount of the file.
    """
    own = "".join(f"{lease.address} {name}\n" for lease in noted_leases(directory))
    pairs = (other.split(":", 1) for other in others)
    return _mounted(directory, "hosts", _LOCAL + own + "".join(f"{address} {host}\n" for host, address in pairs))


def _mounted(directory: str, name: str, content: str) -> int:
    file = Path(directory, f"network-{name}")
    file.write_text(content, encoding="ascii")
    # The container's users are others than the one who wrote it.
    file.chmod(0o444)
    tree = system_call(Call.open_tree, AT_FDCWD, str(file), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    attributes = struct.pack("QQQQ", _ATTRIBUTES, 0, 0, 0)
    try:
        system_call(Call.mount_setattr, tree, "", AT_EMPTY_PATH, attributes, len(attributes))
    except OSError:
        os.close(tree)
        raise
    return tree
