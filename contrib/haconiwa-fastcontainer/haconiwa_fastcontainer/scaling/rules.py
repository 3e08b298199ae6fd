"""The rules: what was measured leads to decisions, each with its reason. Nothing here does anything.

They do not swing: more is given at once, and taken back only when less was enough for `calm_for` seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from haconiwa_fastcontainer import Scaling

STEP = 1.5
"""A limit grows and shrinks by this factor."""

_NEARLY_ALL = 0.9


class Decision(NamedTuple):
    """What is to be done.

    Attributes:
        direction: another instance or one less, more or less of the host for an instance.
        value: instances that there are to be, or the limit: bytes of memory, processors.
        reason: in words, with the figures.
    """

    direction: Literal["out", "in", "up", "down"]
    value: float
    reason: str


@dataclass(frozen=True)
class Load:
    """A service at one moment.

    Attributes:
        time: seconds, on any clock that does not go back.
        asked: requests and connections that have an instance, or wait for one.
        instances: that run, or are about to.
        concurrency: requests at once of one instance.
    """

    time: float
    asked: int
    instances: int
    concurrency: int

    @property
    def share(self) -> float:
        """Of what its instances may have at once."""
        return self.asked / (self.instances * self.concurrency) if self.instances else 0.0


@dataclass(frozen=True)
class Number:
    """Decides how many instances a service has.

    Attributes:
        calm_since: when the load began to be so low that there could be one less; None while it is not.
    """

    calm_since: float | None = None

    def decide(self, load: Load, rules: Scaling, least: int, most: int) -> tuple[Number, Decision | None]:
        """Return what follows from a look, and what decides about the next one.

        Args:
            load: now.
            rules: of the service.
            least: instances that there are to be.
            most: instances that there may be.
        """
        wanted = min(most, max(least, load.instances, math.ceil(load.asked / (load.concurrency * rules.load))))
        if load.instances and load.share > rules.load and wanted > load.instances:
            reason = f"{load.asked} requests at once are {load.share:.0%} of what {load.instances} instances may have"
            return Number(), Decision("out", wanted, reason)
        fewer = replace(load, instances=load.instances - 1)
        could_be_less = load.instances > max(least, 1) and load.share < rules.calm and fewer.share <= rules.load
        if not could_be_less:
            return Number(), None
        since = load.time if self.calm_since is None else self.calm_since
        if load.time - since < rules.calm_for:
            return Number(since), None
        reason = f"for {load.time - since:.0f} s less than {rules.calm:.0%} was asked of {load.instances} instances"
        return Number(load.time), Decision("in", load.instances - 1, reason)


@dataclass(frozen=True)
class Need:
    """What an instance wants of a resource at one moment.

    Attributes:
        time: as for `Load`.
        limit: bytes of memory, or processors.
        used: of the limit, 0 to 1.
        waits: share of the time, 0 to 1, in which its processes wait for more.
    """

    time: float
    limit: float
    used: float
    waits: float


@dataclass(frozen=True)
class Limit:
    """Decides how much of a resource an instance may use.

    Attributes:
        calm_since: when less began to be enough; None while it is not.
    """

    calm_since: float | None = None

    def decide(self, need: Need, rules: Scaling, least: float, most: float) -> tuple[Limit, Decision | None]:
        """Return what follows from a look, and what decides about the next one.

        Args:
            need: now.
            rules: of the service.
            least: the limit that the definition has.
            most: the limit that it may grow to.
        """
        is_short = need.waits > rules.pressure or need.used > _NEARLY_ALL
        if is_short:
            raised = min(most, need.limit * STEP)
            if raised <= need.limit:
                return Limit(), None
            reason = f"{need.used:.0%} is used, and for {need.waits:.0%} of the time it waits for more"
            return Limit(), Decision("up", raised, reason)
        lowered = max(least, need.limit / STEP)
        # As much as is used now must still be far from the lower limit.
        is_enough = lowered < need.limit and need.used * need.limit < lowered * _NEARLY_ALL / STEP
        if not is_enough or need.waits:
            return Limit(), None
        since = need.time if self.calm_since is None else self.calm_since
        if need.time - since < rules.calm_for:
            return Limit(since), None
        return Limit(need.time), Decision("down", lowered, f"for {need.time - since:.0f} s {need.used:.0%} was enough")
