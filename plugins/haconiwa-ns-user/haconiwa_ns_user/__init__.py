"""A user namespace: ids and capabilities of the container's own (user_namespaces(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.facts import IdRange
from haconiwa_core.feature import option
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.namespace import NamespaceFeature
from haconiwa_core.stages import Stage

__all__ = ["IdRange", "UserNamespace"]


@dataclass(frozen=True, kw_only=True)
class UserNamespace(NamespaceFeature):
    """The container's users, groups and capabilities are its own; its root is no root on the host.

    Example: `UserNamespace(uid_map=[IdRange(0, 100000, 65536)], gid_map=[IdRange(0, 100000, 65536)])`.
    """

    section: ClassVar[str] = "ns-user"
    kind: ClassVar[str] = "user"
    flag: ClassVar[int] = CLONE_NEWUSER
    stages: ClassVar[tuple[Stage, ...]] = (*NamespaceFeature.stages, Stage.ADOPT)

    uid_map: Sequence[IdRange] | None = option(None, "ranges of users; 0 is the caller without it")
    gid_map: Sequence[IdRange] | None = option(None, "ranges of groups; 0 is the caller's without it")
