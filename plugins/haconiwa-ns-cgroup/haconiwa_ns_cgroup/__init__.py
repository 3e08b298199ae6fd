"""A cgroup namespace: the container's cgroup looks like the root (cgroup_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.linux.constants import CLONE_NEWCGROUP
from haconiwa_core.namespace import NamespaceFeature


@dataclass(frozen=True, kw_only=True)
class CgroupNamespace(NamespaceFeature):
    """The container sees its own cgroup as the root of the hierarchy."""

    section: ClassVar[str] = "ns-cgroup"
    kind: ClassVar[str] = "cgroup"
    flag: ClassVar[int] = CLONE_NEWCGROUP
