"""A root that is built, stored once, and shared by all who use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Annotated, ClassVar

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import HostPath, Pattern
from haconiwa_core.stages import Stage
from haconiwa_rootfs.provisioning import Provision

Size = Annotated[str, Pattern(r"[0-9]+[kKmMgG%]?", "a size such as 64M or 50%")]
Owner = Annotated[str, Pattern(r"[0-9]{1,9}:[0-9]{1,9}", "UID:GID")]
Value = bool | int | float | str | tuple[str, ...]


@dataclass(frozen=True)
class Rootfs(Feature):
    """A root that `haconiwa create` has built is the container's; its layers are shared by all, and never written.

    Example: `Rootfs(host(), writable=True, size="64M")`, with `haconiwa_rootfs.strategies.host.host`.
    """

    section: ClassVar[str] = "rootfs"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS, Stage.ROOT)
    rootless: ClassVar[Rootless] = Rootless(
        "partly", "in a user namespace, with roots of one's own; `idmapped` needs CAP_SYS_ADMIN of the host"
    )

    strategy: Mapping[str, Mapping[str, Value]] = option(
        MISSING, "what it is made from: the name of one strategy, with its options"
    )
    writable: bool = option(False, "changes go into memory, and end with the container", kw_only=True)
    size: Size | None = option(
        None, "of all changes at most, in bytes or with k, M, G or %; half of the memory without it", kw_only=True
    )
    owner: Owner | None = option(None, "to whom all files are given that the strategy has made, UID:GID", kw_only=True)
    postprocess: str | None = option(
        None, "a script for /bin/sh of the root, run in a container without network when it is built", kw_only=True
    )
    provision: Sequence[Provision] = option((), "named steps that change it, run by `haconiwa provision`", kw_only=True)
    idmapped: bool | None = option(
        None, "files of root belong to the container's root, and so on for all ids; where it is possible", kw_only=True
    )
    store: HostPath | None = option(
        None, "directory that keeps the roots; the caller's own without it, see `haconiwa roots`", kw_only=True
    )
    nosuid: bool = option(True, "set-user-ID and file capabilities have no effect", kw_only=True)
    nodev: bool = option(True, "device files of the root cannot be opened", kw_only=True)

    def __hash__(self) -> int:
        return hash(json.dumps(self.strategy, sort_keys=True, default=str))
