"""A first process that starts the command, reaps what nobody else waits for, and forwards signals (tini, catatonit)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import HostPath, Pattern
from haconiwa_core.stages import Stage

Argument = Annotated[str, Pattern(r"[^\0]*", "a string without NUL characters")]


@dataclass(frozen=True, kw_only=True)
class Init(Feature):
    """A small program of the host is the container's first process, and the command is its child.

    It needs no file in the container: it is executed from a descriptor, and has to be linked statically where the
    root has no loader for it.

    Example: `Init()`, `Init(program="/usr/bin/catatonit", arguments=["-g"])`.
    """

    section: ClassVar[str] = "init"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS, Stage.IDENTITY)
    rootless: ClassVar[Rootless] = Rootless("yes", "in a user namespace, with a new mount namespace")

    program: HostPath = option("/usr/bin/tini-static", "on the host; a relative path starts at the definition's folder")
    arguments: Sequence[Argument] = option((), "options of the program; the command follows after --")
