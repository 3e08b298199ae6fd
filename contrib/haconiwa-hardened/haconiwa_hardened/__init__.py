"""A whole profile of isolation, as one feature that stands for others."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import HostPath, Pattern, Range
from haconiwa_core.stages import Stage

IDS = 65536
"""How many users and groups the container has."""

Id = Annotated[int, Range(1, 2**32 - 1 - IDS)] | Literal["host"]
Number = Annotated[int, Range(1, 2**63 - 1)]
Size = Number | Annotated[str, Pattern(r"[0-9]{1,19}[KMGT]?|max", 'a size, such as "256M", or "max"')]


@dataclass(frozen=True, kw_only=True)
class Hardened(Feature):
    """The container has all that isolates it, and a read-only root.

    What it stands for is left as it is where the definition has the section itself.

    Example: `Hardened(root="/srv/web")`, with `Seccomp(profile="web.json")` beside it.
    """

    section: ClassVar[str] = "hardened"
    stages: ClassVar[tuple[Stage, ...]] = ()
    rootless: ClassVar[Rootless] = Rootless(
        "partly",
        "with a section ns-user that maps what he may map, and limits in a group that is delegated to him",
    )

    root: HostPath = option(MISSING, "directory on the host; a relative path starts at the definition's folder")
    ids: Id = option(
        2_000_000_000,
        'first of the 65536 users and groups of the host that stand for those from 0 inside; "host" for the same ones',
    )
    network: Literal["own", "host"] = option("own", '"own" for none but the loopback interface, or "host"')
    memory: Size = option("512M", 'memory, in bytes or as "256M"; "max" is no limit')
    pids: Number | Literal["max"] = option(512, 'processes and threads; "max" is no limit')
    cpu: Annotated[float, Range(0, 10_000)] | Literal["max"] = option(
        "max", 'processor time, in processors: 0.5 is half of one, at least 0.01; "max" is no limit'
    )
