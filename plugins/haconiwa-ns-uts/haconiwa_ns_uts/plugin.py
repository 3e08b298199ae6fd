"""UtsNamespace: names the new namespace. A joined one keeps the names that its owner gave it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.namespace import namespace_hooks
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_ns_uts import UtsNamespace

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_LIMIT = 64


def _steps(feature: UtsNamespace, planning: Planning) -> Iterator[Step]:
    if feature.join is not None:
        _refuse_names_of_others(feature)
        return
    yield Step(Stage.IDENTITY, linux.set_host_name, host_name(feature, planning.container.name))
    if feature.domainname is not None:
        yield Step(Stage.IDENTITY, linux.set_domain_name, feature.domainname)


def host_name(feature: UtsNamespace, container: str) -> str:
    """Return the name of a new namespace: by default that of its container."""
    return feature.hostname or container[:_LIMIT]


def _rows(feature: UtsNamespace | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    from haconiwa_ns_uts.isolation import rows

    yield from rows(feature, plan, confined)


def _refuse_names_of_others(feature: UtsNamespace) -> None:
    problems = [
        Problem("would rename the namespace that is joined", key=key, hint="leave it out")
        for key in ("hostname", "domainname")
        if getattr(feature, key) is not None
    ]
    if problems:
        raise DefinitionError(problems)


haconiwa_feature, haconiwa_facts, haconiwa_steps, haconiwa_isolation = namespace_hooks(
    UtsNamespace, steps=_steps, rows=_rows
)
