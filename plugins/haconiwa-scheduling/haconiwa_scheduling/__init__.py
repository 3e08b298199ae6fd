"""When, where and in whose stead a container's processes run (sched(7), ioprio_set(2), proc(5))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.options import Pattern, Range
from haconiwa_core.stages import Stage

LAST_CPU = 8191
"""The highest number that a Linux kernel can give a CPU."""

Cpu = Annotated[int, Range(0, LAST_CPU)]
CpuList = Annotated[str, Pattern(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", 'CPU numbers and ranges such as "0-1,3"')]
Nanoseconds = Annotated[int, Range(1, 2**63 - 1)]


@dataclass(frozen=True, kw_only=True)
class Scheduling(Feature):
    """How the container's processes compete with others for processors, disks and memory.

    What is not given stays as the caller has it; a policy of time sharing comes with a nice value
    of its own. Children inherit all of it.

    Example: `Scheduling(policy="batch", nice=10, affinity="0-1", ioprio="idle")`.
    """

    section: ClassVar[str] = "scheduling"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.ADOPT, Stage.LIMITS)
    rootless: ClassVar[Rootless] = Rootless(
        "partly",
        "less than the caller has: more needs CAP_SYS_NICE or CAP_SYS_RESOURCE; limits.conf(5) gives nice and rtprio",
    )

    nice: Annotated[int, Range(-20, 19)] | None = option(
        None, "nice value, -20 (most favourable) to 19; 0 with the policies other and batch"
    )
    policy: Literal["other", "batch", "idle", "fifo", "rr", "deadline"] | None = option(
        None, "other, batch, idle, fifo, rr or deadline"
    )
    priority: Annotated[int, Range(1, 99)] | None = option(None, "with fifo and rr: 1 (lowest) to 99")
    runtime: Nanoseconds | None = option(None, "with deadline: processor time in each period, in nanoseconds")
    deadline: Nanoseconds | None = option(None, "with deadline: when it is due, in nanoseconds from a period's begin")
    period: Nanoseconds | None = option(None, "with deadline: in nanoseconds; the deadline without it")
    affinity: Sequence[Cpu] | CpuList | None = option(None, 'CPUs to run on: a list of numbers, or "0-1,3"')
    ioprio: Literal["realtime", "best-effort", "idle"] | None = option(
        None, "class of disk access: realtime, best-effort or idle"
    )
    ioprio_level: Annotated[int, Range(0, 7)] | None = option(
        None, "with realtime and best-effort: 0 (highest) to 7; 4 without it"
    )
    oom_score_adj: Annotated[int, Range(-1000, 1000)] | None = option(
        None, "added to the score when memory runs out: -1000 (never ended) to 1000 (first); 0 without it"
    )
