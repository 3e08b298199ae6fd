"""A pid namespace: the container sees its own processes only (pid_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.linux.constants import CLONE_NEWPID
from haconiwa_core.namespace import NamespaceFeature


@dataclass(frozen=True, kw_only=True)
class PidNamespace(NamespaceFeature):
    """The command is process 1 of a new pid namespace; when it ends, all others are killed.

    With `join` it becomes an ordinary process of an existing one. A pid namespace dies with its
    process 1, so it cannot be kept.
    """

    section: ClassVar[str] = "ns-pid"
    kind: ClassVar[str] = "pid"
    flag: ClassVar[int] = CLONE_NEWPID
    may_be_kept: ClassVar[bool] = False
