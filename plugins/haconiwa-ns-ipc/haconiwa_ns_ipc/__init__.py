"""An IPC namespace: System V IPC and POSIX message queues (ipc_namespaces(7))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.linux.constants import CLONE_NEWIPC
from haconiwa_core.namespace import NamespaceFeature


@dataclass(frozen=True, kw_only=True)
class IpcNamespace(NamespaceFeature):
    """The container has System V IPC objects and POSIX message queues of its own."""

    section: ClassVar[str] = "ns-ipc"
    kind: ClassVar[str] = "ipc"
    flag: ClassVar[int] = CLONE_NEWIPC
