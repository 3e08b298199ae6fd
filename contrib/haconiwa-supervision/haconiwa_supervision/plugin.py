"""supervision: a section that concerns the supervisor; a container gets the socket for its messages, if any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haconiwa_core.errors import Problem
from haconiwa_core.feature import Feature
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.steps import Step
from haconiwa_supervision import Supervision


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Supervision


@hookimpl
def haconiwa_steps(feature: Supervision, planning: Planning) -> Iterator[Step]:
    """Give the container the socket by which it tells that it is ready."""
    if feature.ready and feature.ready.notify:
        from haconiwa_supervision.readiness.notify import steps

        yield from steps(planning)


@hookimpl
def haconiwa_check(feature: Supervision, plan: Plan) -> Iterator[Problem]:
    """Refuse a container that waits for itself, or for what cannot come."""
    if plan.container.name in feature.depends:
        yield Problem("it depends on itself", key="depends")
    if feature.ready and feature.ready.notify:
        from haconiwa_supervision.readiness.notify import problems_of

        yield from problems_of(plan)
    if feature.ready and feature.ready.http:
        from haconiwa_supervision.readiness.http import Request

        try:
            Request(feature.ready.http)
        except ValueError as error:
            yield Problem(str(error), key="ready.http")


@hookimpl
def haconiwa_update() -> Iterable[Step]:
    """All of it can change: the supervisor looks at the definition that is in force."""
    return ()
