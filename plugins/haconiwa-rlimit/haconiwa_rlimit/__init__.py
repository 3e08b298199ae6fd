"""Resource limits of a container's processes (getrlimit(2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Range
from haconiwa_core.stages import Stage

Value = Annotated[int, Range(0, 2**63 - 1)] | Literal["unlimited"]
Limit = Value | tuple[Value, Value] | None
"""One value for both limits, or (soft, hard); None leaves the caller's."""


@dataclass(frozen=True, kw_only=True)
class Rlimit(Feature):
    """Limits that every process of the container starts with.

    Each option takes one value for the soft and the hard limit, or the pair (soft, hard).
    Raising a hard limit needs CAP_SYS_RESOURCE.

    Example: `Rlimit(nofile=1024, core=0, stack=(8 << 20, "unlimited"))`.
    """

    section: ClassVar[str] = "rlimit"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.LIMITS,)
    rootless: ClassVar[Rootless] = Rootless(
        "partly",
        "up to the hard limits of the caller: raising one needs CAP_SYS_RESOURCE; limits.conf(5) gives a user more",
    )

    cpu: Limit = option(None, "CPU time, in seconds")
    fsize: Limit = option(None, "size of a file that is written, in bytes")
    data: Limit = option(None, "data segment, in bytes")
    stack: Limit = option(None, "stack of the main thread, in bytes")
    core: Limit = option(None, "size of a core file, in bytes")
    rss: Limit = option(None, "resident set, in bytes; the kernel ignores it")
    nproc: Limit = option(None, "processes of the same user on the whole host")
    nofile: Limit = option(None, "one more than the highest file descriptor")
    memlock: Limit = option(None, "locked memory, in bytes")
    as_: Limit = option(None, "address space, in bytes")
    locks: Limit = option(None, "file locks; the kernel ignores it")
    sigpending: Limit = option(None, "queued signals")
    msgqueue: Limit = option(None, "bytes in POSIX message queues")
    nice: Limit = option(None, "20 minus the lowest nice value")
    rtprio: Limit = option(None, "highest real-time priority")
    rttime: Limit = option(None, "CPU time without a blocking call under real-time policy, in microseconds")
    require: Literal["all", "best-effort"] = option(
        "all", '"best-effort" lowers what the caller may not raise to his own hard limit, and says so'
    )

    @property
    def is_lenient(self) -> bool:
        """Whether less than is asked for is good enough."""
        return self.require == "best-effort"
