"""MountNamespace: nothing beyond what all namespace kinds do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core.namespace import namespace_hooks
from haconiwa_ns_mount import MountNamespace

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan


def _rows(feature: MountNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    from haconiwa_ns_mount.isolation import rows

    yield from rows(feature, plan, confined)


haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(MountNamespace, rows=_rows)
