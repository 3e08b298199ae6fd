"""A user namespace: ids and capabilities of the container's own (user_namespaces(7))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from haconiwa_core.facts import IdRange
from haconiwa_core.feature import Rootless, option
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.namespace import NamespaceFeature
from haconiwa_core.stages import Stage

__all__ = ["IdRange", "UserNamespace"]


@dataclass(frozen=True, kw_only=True)
class UserNamespace(NamespaceFeature):
    """The container's users, groups and capabilities are its own; its root is no root on the host.

    Without maps user and group 0 are the caller, and there are no others. "auto" gives an ordinary user all that
    /etc/subuid and /etc/subgid let him map: himself as 0, then those ids. Root's 0 is the first of those ids.

    Example: `UserNamespace(uid_map=[IdRange(0, 100000, 65536)], gid_map=[IdRange(0, 100000, 65536)])`.
    """

    section: ClassVar[str] = "ns-user"
    kind: ClassVar[str] = "user"
    flag: ClassVar[int] = CLONE_NEWUSER
    stages: ClassVar[tuple[Stage, ...]] = (*NamespaceFeature.stages, Stage.ADOPT)

    rootless: ClassVar[Rootless] = Rootless(
        "partly",
        "one id, his own, or the ranges that /etc/subuid and /etc/subgid give him, through newuidmap and newgidmap;"
        " `keep` needs CAP_SYS_ADMIN: a handle is a mount of the host",
    )

    uid_map: Sequence[IdRange] | Literal["auto"] | None = option(
        None, 'ranges of users, or "auto" for those of /etc/subuid; 0 is the caller without it'
    )
    gid_map: Sequence[IdRange] | Literal["auto"] | None = option(
        None, 'ranges of groups, or "auto" for those of /etc/subgid; 0 is the caller\'s without it'
    )
