"""How a live process is scheduled (sched(7), ioprio_set(2), proc(5))."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, lines_of
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.host import system_call
from haconiwa_scheduling import Scheduling
from haconiwa_scheduling.asked import cpus_of, io_level_of
from haconiwa_scheduling.kernel import IO_CLASS_SHIFT, WHO_PROCESS, IoClass, Policy

_IO_NAMES = {
    0: "none",
    IoClass.IOPRIO_CLASS_RT: "realtime",
    IoClass.IOPRIO_CLASS_BE: "best-effort",
    IoClass.IOPRIO_CLASS_IDLE: "idle",
}
_SHARING = ("other", "batch")


def rows(feature: Scheduling | None, confined: Confined) -> Iterator[Row]:
    """Yield a row for each thing that can be asked for."""
    asked = _asked(feature) if feature else {}
    for what, (read, verified) in _READERS.items():
        in_force, host = read(confined), read(confined.host)
        yield compared(Scheduling.section, what, asked.get(what, ""), in_force, host, verified)
    confined.check()
    confined.host.check()


def _asked(feature: Scheduling) -> dict[str, str]:
    found: dict[str, str] = {}
    if feature.policy is not None:
        found["scheduling policy"] = f"{feature.policy} {feature.priority or 0}"
    if feature.nice is not None or feature.policy in _SHARING:
        found["nice value"] = str(feature.nice or 0)
    if feature.affinity is not None:
        found["processors"] = lines_of(cpus_of(feature))
    if feature.ioprio is not None:
        found["disk priority"] = f"{feature.ioprio} {io_level_of(feature)}"
    if feature.oom_score_adj is not None:
        found["oom score adjustment"] = str(feature.oom_score_adj)
    return found


def _policy(confined: Confined) -> str:
    policy = Policy(os.sched_getscheduler(confined.pid) & ~os.SCHED_RESET_ON_FORK)
    priority = os.sched_getparam(confined.pid).sched_priority
    return f"{policy.name.removeprefix('SCHED_').lower()} {priority}"


def _nice(confined: Confined) -> str:
    return str(os.getpriority(os.PRIO_PROCESS, confined.pid))


def _processors(confined: Confined) -> str:
    return lines_of(sorted(os.sched_getaffinity(confined.pid)))


def _disk(confined: Confined) -> str:
    value = system_call(Call.ioprio_get, WHO_PROCESS, confined.pid)
    return f"{_IO_NAMES[value >> IO_CLASS_SHIFT]} {value & 7}"


def _score(confined: Confined) -> str:
    return confined.read("oom_score_adj").strip()


_READERS: dict[str, tuple[Callable[[Confined], str], str]] = {
    "scheduling policy": (_policy, "sched_getscheduler(2)"),
    "nice value": (_nice, "getpriority(2)"),
    "processors": (_processors, "sched_getaffinity(2)"),
    "disk priority": (_disk, "ioprio_get(2)"),
    "oom score adjustment": (_score, "/proc/PID/oom_score_adj"),
}
