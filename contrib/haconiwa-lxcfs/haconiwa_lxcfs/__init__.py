"""Proc tells of the container, not of the host, by lxcfs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core import Feature, Rootless, Stage, option
from haconiwa_core.options import HostPath


@dataclass(frozen=True, kw_only=True)
class Lxcfs(Feature):
    """Files of proc and sysfs tell of the container's control group: its memory, processors, load and age.

    The host runs lxcfs(1), whose files cover those of the container's own proc, and of its own sysfs if it has one.

    Example: `Lxcfs()`.
    """

    section: ClassVar[str] = "lxcfs"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS)
    rootless: ClassVar[Rootless] = Rootless("yes", "where lxcfs runs on the host; only root can start it")

    directory: HostPath = option(
        "/var/lib/lxcfs", "where lxcfs is mounted on the host; a relative path starts at the definition's folder"
    )
