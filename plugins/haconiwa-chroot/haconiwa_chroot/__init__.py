"""Another root directory (pivot_root(2), chroot(2))."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import ClassVar

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import HostPath
from haconiwa_core.stages import Stage


@dataclass(frozen=True)
class Chroot(Feature):
    """A directory of the host is the container's root.

    With a new mount namespace the root is a mount of its own, read-only unless `read_only` is
    false, without set-user-ID programs and device files, and pivot_root detaches everything else.
    Without one, or in a mount namespace that is joined, chroot changes the root of the process
    only: such a root cannot be restricted, and a process with CAP_SYS_CHROOT can leave it.

    What is None is done where it is possible; True demands it, False leaves it out.

    Example: `Chroot("/srv/web")`.
    """

    section: ClassVar[str] = "chroot"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS, Stage.ROOT)
    rootless: ClassVar[Rootless] = Rootless("partly", "in a user namespace; `idmapped` needs CAP_SYS_ADMIN of the host")

    root: HostPath = option(MISSING, "directory on the host; a relative path starts at the definition's folder")
    pivot: bool | None = option(
        None, "true demands pivot_root, false plain chroot; pivot_root where it is possible without it", kw_only=True
    )
    read_only: bool | None = option(
        None,
        "true demands that nothing in the root can be written; read-only where it is possible without it",
        kw_only=True,
    )
    nosuid: bool | None = option(
        None, "set-user-ID and file capabilities have no effect, in mounts below the root too", kw_only=True
    )
    nodev: bool | None = option(
        None, "device files of the root cannot be opened; mounts below it keep theirs", kw_only=True
    )
    idmapped: bool = option(
        False,
        "files that belong to root on the disk belong to the container's root, and so on for all ids",
        kw_only=True,
    )
