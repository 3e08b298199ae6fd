"""A mount namespace: the container's mounts are its own (mount_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.namespace import NamespaceFeature


@dataclass(frozen=True, kw_only=True)
class MountNamespace(NamespaceFeature):
    """The container has a mount tree of its own; no mount propagates to or from the host.

    A kept handle's path must lie on a private mount of the host:
    `mount --bind DIR DIR; mount --make-private DIR`.
    """

    section: ClassVar[str] = "ns-mount"
    kind: ClassVar[str] = "mnt"
    flag: ClassVar[int] = CLONE_NEWNS
