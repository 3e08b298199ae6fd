"""Another root directory (pivot_root(2), chroot(2))."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import ClassVar

from haconiwa_core.feature import Feature, option
from haconiwa_core.options import HostPath
from haconiwa_core.stages import Stage


@dataclass(frozen=True)
class Chroot(Feature):
    """A directory of the host is the container's root.

    With a new mount namespace the root is a mount of its own, read-only unless `read_only` is
    false, and pivot_root detaches everything else. Without one, or in a mount namespace that is
    joined, chroot changes the root of the process only: such a root cannot be read-only, and a
    process with CAP_SYS_CHROOT can leave it.

    Example: `Chroot("/srv/web")`.
    """

    section: ClassVar[str] = "chroot"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS, Stage.ROOT)

    root: HostPath = option(MISSING, "directory on the host; a relative path starts at the definition's folder")
    pivot: bool | None = option(
        None, "true demands pivot_root, false plain chroot; pivot_root where it is possible without it", kw_only=True
    )
    read_only: bool | None = option(
        None,
        "true demands that nothing in the root can be written; read-only where it is possible without it",
        kw_only=True,
    )
