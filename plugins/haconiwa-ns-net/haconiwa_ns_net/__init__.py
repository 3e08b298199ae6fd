"""A network namespace: devices, addresses, ports (network_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.feature import option
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.namespace import NamespaceFeature


@dataclass(frozen=True, kw_only=True)
class NetNamespace(NamespaceFeature):
    """The container has a network of its own, with nothing in it but the loopback interface."""

    section: ClassVar[str] = "ns-net"
    kind: ClassVar[str] = "net"
    flag: ClassVar[int] = CLONE_NEWNET

    loopback: bool = option(True, "bring the interface lo of a new namespace up")
