"""The files by which programs find names: resolv.conf(5) and hosts(5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from haconiwa_core import linux
from haconiwa_core.facts import NewRoot
from haconiwa_core.linux.constants import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY
from haconiwa_core.operation import Slot
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Plain, Step
from haconiwa_user_network import UserNetwork
from haconiwa_user_network.kernel import detach, take_file, write_file_in
from haconiwa_user_network.network import hosts, network_of

RESOLV_CONF, HOSTS = "resolv.conf", "hosts"
_FOLDER = "/etc"
_MEMORY = Slot("network-files")
_QUIET = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
_LOCAL = "127.0.0.1 localhost\n::1 localhost\n"


def contents(feature: UserNetwork, name: str) -> dict[str, str]:
    """Return what stands in each file that the container gets.

    Args:
        feature: the section.
        name: of the container, which stands for its address.
    """
    network = network_of(feature)
    found = {}
    servers = (network.name_server,) if feature.dns is None else feature.dns
    if servers:
        found[RESOLV_CONF] = "".join(f"nameserver {server}\n" for server in servers)
    if feature.hosts is not None:
        others = "".join(f"{address} {host}\n" for host, address in hosts(feature).items())
        found[HOSTS] = f"{_LOCAL}{network.address} {name}\n{others}"
    return found


def mounted(files: dict[str, str]) -> Iterator[Step]:
    """Write files in memory of the container's own, and mount each read-only over the root's.

    A file can only be taken from what is mounted somewhere, hence for a moment over its folder.
    """
    options = (("mode", "0755"), ("size", "1M"))
    yield _step(linux.make_filesystem, "tmpfs", options, _QUIET, into=_MEMORY)
    for name, content in files.items():
        yield _step(write_file_in, _MEMORY, name, content.encode())
    yield _step(linux.attach_below_root, _MEMORY, _FOLDER)
    taken = {name: Slot(f"network-{name}") for name in files}
    for name, file in taken.items():
        yield _step(take_file, _MEMORY, name, into=file)
        yield _step(linux.set_tree_attributes, file, MOUNT_ATTR_RDONLY | _QUIET)
    yield _step(detach, _MEMORY)
    for name, file in taken.items():
        yield _step(linux.attach_below_root, file, f"{_FOLDER}/{name}")


def _step(function: Callable[..., Any], *arguments: Plain, into: Slot | None = None) -> Step:
    return Step(Stage.MOUNTS, function, *arguments, into=into, after=(NewRoot,))
