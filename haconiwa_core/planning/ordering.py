"""The order of steps: by stage, then by what each must come after, then by plugin."""

from __future__ import annotations

import heapq
from itertools import pairwise

from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Facts
from haconiwa_core.planning.plan import CORE, PlannedStep
from haconiwa_core.stages import Stage


def ordered(steps: list[PlannedStep], facts: Facts) -> tuple[PlannedStep, ...]:
    """Return steps in the order in which they run, whatever order they are given in.

    Raises:
        DefinitionError: steps of one stage each want to come after the other.
    """
    ordered: list[PlannedStep] = []
    for stage in Stage:
        ordered += _ordered_in_stage([planned for planned in steps if planned.step.stage is stage], facts)
    return tuple(ordered)


def _ordered_in_stage(steps: list[PlannedStep], facts: Facts) -> list[PlannedStep]:
    """Sort topologically by `after`; where that leaves a choice, the core first, then by plugin name."""
    by_plugin: dict[str, list[int]] = {}
    for index, planned in enumerate(steps):
        by_plugin.setdefault(planned.plugin, []).append(index)
    before: dict[int, set[int]] = {index: set() for index in range(len(steps))}
    for own in by_plugin.values():
        for former, latter in pairwise(own):
            before[latter].add(former)
    for index, planned in enumerate(steps):
        for wanted in planned.step.after:
            publishers = {wanted} if isinstance(wanted, str) else facts.publishers(wanted)
            for plugin in publishers - {planned.plugin}:
                before[index].update(by_plugin.get(plugin, ()))

    def priority(index: int) -> tuple[bool, str, int]:
        return (steps[index].plugin != CORE, steps[index].plugin, index)

    ready = [priority(index) for index, earlier in before.items() if not earlier]
    heapq.heapify(ready)
    ordered: list[PlannedStep] = []
    while ready:
        index = heapq.heappop(ready)[2]
        ordered.append(steps[index])
        for other, earlier in before.items():
            if index in earlier:
                earlier.remove(index)
                if not earlier:
                    heapq.heappush(ready, priority(other))
    if len(ordered) < len(steps):
        stuck = sorted({steps[index].plugin for index, earlier in before.items() if earlier})
        raise DefinitionError([Problem(f"the steps of {' and '.join(stuck)} each want to come after the other")])
    return ordered
