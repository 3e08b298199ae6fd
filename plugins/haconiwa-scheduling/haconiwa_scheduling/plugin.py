"""Scheduling: what was given becomes one step each; contradictions are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Wrapper
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CAP_SYS_NICE
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_scheduling import LAST_CPU, Scheduling
from haconiwa_scheduling.asked import cpus_of, io_level_of, ranges_of
from haconiwa_scheduling.kernel import (
    IoClass,
    Policy,
    set_affinity,
    set_deadline,
    set_io_priority,
    set_nice,
    set_policy,
)

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row

_IO_CLASSES = {
    "realtime": IoClass.IOPRIO_CLASS_RT,
    "best-effort": IoClass.IOPRIO_CLASS_BE,
    "idle": IoClass.IOPRIO_CLASS_IDLE,
}
_LEAST_RUNTIME = 1024

_USED_WITH = {
    "nice": (None, "other", "batch"),
    "priority": ("fifo", "rr"),
    "runtime": ("deadline",),
    "deadline": ("deadline",),
    "period": ("deadline",),
}
"""The policies with which each of these options means something."""

_NEEDED = {"fifo": ("priority",), "rr": ("priority",), "deadline": ("runtime", "deadline")}
"""The options without which a policy cannot be set."""


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Scheduling


@hookimpl
def haconiwa_steps(feature: Scheduling, planning: Planning) -> Iterator[Step]:
    """Set each thing that is given; the score by the host, the rest by the child."""
    problems = [*_policy_problems(feature), *_affinity_problems(feature), *_io_problems(feature)]
    problems += _not_possible(feature, planning)
    if problems:
        raise DefinitionError(problems)
    if feature.oom_score_adj is not None:
        yield Step(Stage.ADOPT, linux.set_oom_score_adj, Slot("target"), feature.oom_score_adj)
    if feature.affinity is not None:
        yield Step(Stage.LIMITS, set_affinity, cpus_of(feature))
    if feature.policy == "deadline":
        runtime, deadline = feature.runtime or 0, feature.deadline or 0
        yield Step(Stage.LIMITS, set_deadline, runtime, deadline, feature.period or deadline)
    elif feature.policy is not None:
        policy = Policy[f"SCHED_{feature.policy.upper()}"]
        yield Step(Stage.LIMITS, set_policy, policy, feature.nice or 0, feature.priority or 0)
    elif feature.nice is not None:
        yield Step(Stage.LIMITS, set_nice, feature.nice)
    if feature.ioprio is not None:
        yield Step(Stage.LIMITS, set_io_priority, _IO_CLASSES[feature.ioprio], io_level_of(feature))


@hookimpl
def haconiwa_isolation(feature: Scheduling | None, confined: Confined) -> Iterator[Row]:
    """Read it back."""
    from haconiwa_scheduling.isolation import rows

    yield from rows(feature, confined)


def _policy_problems(feature: Scheduling) -> Iterator[Problem]:
    for key, policies in _USED_WITH.items():
        if getattr(feature, key) is not None and feature.policy not in policies:
            named = " or ".join(policy for policy in policies if policy)
            yield Problem(f"means something with the policy {named} only", key=key)
    for key in _NEEDED.get(feature.policy or "", ()):
        if getattr(feature, key) is None:
            yield Problem(f"is missing: the policy {feature.policy} needs it", key=key)
    if feature.policy != "deadline" or feature.runtime is None or feature.deadline is None:
        return
    if feature.runtime < _LEAST_RUNTIME:
        yield Problem(f"must be at least {_LEAST_RUNTIME}, not {feature.runtime}", key="runtime")
    if feature.runtime > feature.deadline:
        yield Problem(f"must not be above the deadline, {feature.deadline}", key="runtime")
    if feature.period is not None and feature.deadline > feature.period:
        yield Problem(f"must not be above the period, {feature.period}", key="deadline")


def _affinity_problems(feature: Scheduling) -> Iterator[Problem]:
    if feature.affinity is None:
        return
    if feature.policy == "deadline":
        yield Problem("a process of the policy deadline runs on all CPUs", key="affinity")
    if not feature.affinity:
        yield Problem("names no CPU", key="affinity")
    for first, last in ranges_of(feature):
        if first > last:
            yield Problem(f"the range {first}-{last} is backwards", key="affinity")
        elif last > LAST_CPU:
            yield Problem(f"the highest CPU is {LAST_CPU}, not {last}", key="affinity")


def _io_problems(feature: Scheduling) -> Iterator[Problem]:
    if feature.ioprio_level is not None and feature.ioprio not in ("realtime", "best-effort"):
        yield Problem("means something with the ioprio realtime or best-effort only", key="ioprio_level")


def _not_possible(feature: Scheduling, planning: Planning) -> Iterator[Problem]:
    """Yield what the kernel allows to nobody without privilege; for the rest, RLIMIT_NICE and RLIMIT_RTPRIO decide."""
    demanding = (
        ("policy", feature.policy == "deadline", (CAP_SYS_NICE,)),
        ("ioprio", feature.ioprio == "realtime", (CAP_SYS_NICE, CAP_SYS_ADMIN)),
    )
    for key, demanded, capabilities in demanding:
        if demanded and planning.user_namespace:
            yield Problem("needs CAP_SYS_NICE on the host, which no process of a user namespace has", key=key)
        elif demanded and not any(map(planning.host.has_capability, capabilities)):
            yield Problem("needs CAP_SYS_NICE, which the caller does not have", key=key)
    if feature.policy == "deadline" and planning.entry == "start" and planning.facts.get(Wrapper):
        starter = planning.facts.publisher(Wrapper)
        yield Problem(
            f"{starter} starts the command, but a process of the policy deadline makes no others", key="policy"
        )
