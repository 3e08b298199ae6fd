"""NetNamespace: brings lo up. A joined namespace is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.namespace import namespace_hooks
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_ns_net import NetNamespace

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan


def _steps(feature: NetNamespace, _planning: Planning) -> Iterator[Step]:
    if feature.join is None and feature.loopback:
        yield Step(Stage.SETTLE, linux.bring_link_up, "lo")


def _rows(feature: NetNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    from haconiwa_ns_net.isolation import rows

    yield from rows(feature, plan, confined)


haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(
    NetNamespace, steps=_steps, rows=_rows
)
