"""What the container sees mounted, and what of it is hidden or read-only (mount(2))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import AbsolutePath, HostPath, Pattern, Range
from haconiwa_core.stages import Stage

Size = Annotated[str, Pattern(r"[0-9]+[kKmMgG%]?", "a size such as 64M or 50%")]
Mode = Annotated[int, Range(0, 0o7777)]


@dataclass(frozen=True)
class Bind:
    """A file or directory of the host, seen at a path of the container.

    Args:
        source: path on the host; a relative one starts at the definition's folder.
        target: path inside; made if it is missing and the root can be written.
        read_only: nothing can be written through it.
        recursive: what is mounted below the source comes along; the flags hold for all of it.
        nosuid: set-user-ID and file capabilities have no effect.
        nodev: device files cannot be opened.
        noexec: programs cannot be executed.
        idmapped: what belongs to root on the disk belongs to the container's root, and so on for all ids; needs a new
            user namespace, CAP_SYS_ADMIN, and a file system that can.
    """

    source: HostPath
    target: AbsolutePath
    read_only: bool = True
    recursive: bool = True
    nosuid: bool = True
    nodev: bool = True
    noexec: bool = False
    idmapped: bool = False


@dataclass(frozen=True)
class Tmpfs:
    """A new, empty file system in memory.

    Args:
        target: path inside.
        size: upper bound, in bytes or with k, M, G or %; half of the memory without it.
        mode: of its root directory.
        read_only: nothing can be written.
        nosuid: set-user-ID and file capabilities have no effect.
        nodev: device files cannot be opened.
        noexec: programs cannot be executed.
    """

    target: AbsolutePath
    size: Size | None = None
    mode: Mode = 0o755
    read_only: bool = False
    nosuid: bool = True
    nodev: bool = True
    noexec: bool = False


@dataclass(frozen=True)
class Overlay:
    """Directories of the host, merged (overlayfs).

    Args:
        target: path inside.
        lower: directories on the host, the topmost first; never written.
        upper: directory on the host that takes the changes; without it they live in memory and
            end with the container.
        work: empty directory on the same file system as `upper`; needed with it.
        read_only: no changes at all; needs two lower directories or more.
    """

    target: AbsolutePath
    lower: Sequence[HostPath]
    upper: HostPath | None = None
    work: HostPath | None = None
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Mount(Feature):
    """Mounts in the container's own mount namespace, below its root.

    Parents are mounted before what lies below them. Paths of the container never lead outside it.

    Example: `Mount(proc=True, dev=True, tmpfs=[Tmpfs("/tmp", size="64M")], bind=[Bind("/usr", "/usr")])`.
    """

    section: ClassVar[str] = "mount"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS)
    rootless: ClassVar[Rootless] = Rootless(
        "partly", "in a user namespace, with a new mount namespace; `idmapped` needs CAP_SYS_ADMIN of the host"
    )

    proc: bool = option(False, "a new proc on /proc")
    sysfs: bool = option(False, "a new, read-only sysfs on /sys")
    dev: bool = option(False, "a minimal /dev: null, zero, full, random, urandom, tty and the usual links")
    devpts: bool = option(False, "a new devpts on /dev/pts")
    shm: bool = option(False, "a tmpfs on /dev/shm")
    mqueue: bool = option(False, "a new mqueue on /dev/mqueue")
    bind: Sequence[Bind] = option((), "files and directories of the host")
    tmpfs: Sequence[Tmpfs] = option((), "empty file systems in memory")
    overlay: Sequence[Overlay] = option((), "merged directories of the host")
    masked: Sequence[AbsolutePath] | None = option(
        None, "paths that are hidden; without it what proc and sysfs show of the host's hardware and kernel"
    )
    read_only: Sequence[AbsolutePath] | None = option(
        None, "paths that are made read-only; without it the parts of proc that change the host"
    )
