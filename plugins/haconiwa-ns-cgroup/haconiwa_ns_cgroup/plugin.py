"""CgroupNamespace: unshared by the child itself, once it is in the cgroup that is to be the root."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core import linux
from haconiwa_core.facts import CgroupPlace
from haconiwa_core.namespace import namespace_hooks
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_ns_cgroup import CgroupNamespace


def _steps(feature: CgroupNamespace, _planning: Planning) -> Iterator[Step]:
    if feature.join is None:
        yield Step(Stage.SETTLE, linux.unshare, feature.flag, after=(CgroupPlace,))


haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(CgroupNamespace, steps=_steps)
