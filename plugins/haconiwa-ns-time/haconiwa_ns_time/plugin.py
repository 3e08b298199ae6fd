"""TimeNamespace: unshared and set by the intermediate process; its child is the first to enter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.namespace import entered_after, namespace_hooks
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_ns_time import TimeNamespace

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_OFFSETS = "/proc/self/timens_offsets"


def _steps(feature: TimeNamespace, planning: Planning) -> Iterator[Step]:
    offsets = {"boottime": feature.boottime, "monotonic": feature.monotonic}
    if feature.join is not None:
        wrong = [Problem("cannot be set in a namespace that is joined", key=key) for key in offsets if offsets[key]]
        if wrong:
            raise DefinitionError(wrong)
        return
    yield Step(Stage.ENTER, linux.unshare, feature.flag, after=entered_after(planning))
    text = "".join(f"{clock} {seconds} 0\n" for clock, seconds in offsets.items() if seconds)
    if text:
        yield Step(Stage.ENTER, linux.write_kernel_file, _OFFSETS, text)


def _rows(feature: TimeNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    from haconiwa_ns_time.isolation import rows

    yield from rows(feature, plan, confined)


haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(
    TimeNamespace, steps=_steps, rows=_rows
)
