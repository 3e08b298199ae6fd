"""Reports of containers that are started as they are planned, or otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haconiwa_verify.asked import Asked
from haconiwa_verify.containers import asked_of, started, starting
from haconiwa_verify.report import Report
from haconiwa_verify.scene import Scene
from haconiwa_verify.verifying import verified
from system.world import PLUGINS

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.feature import Feature
from haconiwa_core.planning.assembly import assembled
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan

OF_THE_ASSEMBLY = (linux.clone, linux.wait_at_gate, linux.set_dumpable, linux.note_time)
"""Steps that are no feature's."""

Change = Callable[[Plan], Plan]


def report_of(features: Sequence[Feature], change: Change = lambda plan: plan, *, launcher: str = "direct") -> Report:
    """Verify a container.

    Args:
        features: that are asked for.
        change: gives the plan that is executed instead.
        launcher: by name.
    """
    asked = asked_of(Container("probed", ["/no/such/program"], features), PLUGINS)
    with Scene(Asked(asked)) as scene, started(change(starting(asked, PLUGINS)), scene, launcher) as inside:
        return verified(scene, inside, PLUGINS)


def without(*functions: str) -> Change:
    """Return a change that leaves out all steps with these functions."""

    def change(plan: Plan) -> Plan:
        planning = Planning(plan.container, plan.host)
        planning.facts = plan.facts
        steps = [planned for planned in plan.steps if planned.step.function not in OF_THE_ASSEMBLY]
        kept = [planned for planned in steps if planned.step.function.__name__ not in functions]
        assert {planned.step.function.__name__ for planned in steps} >= set(functions)
        return assembled(planning, tuple(kept))

    return change


def like(features: Sequence[Feature]) -> Change:
    """Return a change to the plan of other features."""
    return lambda _: starting(asked_of(Container("probed", ["/no/such/program"], features), PLUGINS), PLUGINS)


def results(report: Report, *wanted: str) -> set[str]:
    """Return the attempts with one of these results."""
    return {outcome.name for outcome in report.outcomes if outcome.result in wanted}


def states(report: Report, *wanted: str) -> set[str]:
    """Return the rows in one of these states."""
    return {row.what for row in report.rows if row.state in wanted}
