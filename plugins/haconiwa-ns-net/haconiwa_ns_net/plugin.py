"""NetNamespace: brings lo up. A joined namespace is left as it is."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core import linux
from haconiwa_core.namespace import namespace_hooks
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_ns_net import NetNamespace


def _steps(feature: NetNamespace, _planning: Planning) -> Iterator[Step]:
    if feature.join is None and feature.loopback:
        yield Step(Stage.SETTLE, linux.bring_link_up, "lo")


haconiwa_feature, haconiwa_facts, haconiwa_steps = namespace_hooks(NetNamespace, steps=_steps)
