"""Make the steps by which a running container changes to another definition."""

from __future__ import annotations

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.host import HostFacts
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import PlannedStep
from haconiwa_core.planning.planner import expanded, located, publish
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.stages import Stage


def plan_update(old: Container, new: Container, host: HostFacts, plugins: Plugins) -> tuple[PlannedStep, ...]:
    """Return the steps of a live update, in the order of their sections; none where nothing changes.

    Args:
        old: the definition that is in force.
        new: the definition that is to be.
        host: the facts of the machine.
        plugins: where the features come from.

    Raises:
        DefinitionError: with all that is wrong with the new definition or cannot change in a running container.
    """
    old, new = expanded(old, plugins), expanded(new, plugins)
    problems = new.problems()
    planning = Planning(new, host, running=old)
    steps: list[PlannedStep] = []
    if not problems:
        for feature in new.features:
            problems += publish(planning, feature, plugins)
    for section in _changed(old, new) if not problems else ():
        before, after = old.feature(section), new.feature(section)
        if before is None or after is None:
            problems.append(Problem("cannot be added to a running container or taken from it", section=section))
            continue
        try:
            found = plugins.update(before, after, planning)
        except DefinitionError as error:
            problems += [located(problem, after) for problem in error.problems]
            continue
        if found is None:
            hint = "stop the container and start it anew"
            problems.append(Problem("cannot change while the container runs", section=section, hint=hint))
        else:
            steps += [PlannedStep(section, step) for step in found]
    if problems:
        raise DefinitionError(problems)
    for planned in steps:
        if planned.step.stage is not Stage.ADOPT:
            raise PluginError(f"plugin {planned.plugin} is broken: it updates in the stage {planned.step.stage.name}")
    return tuple(steps)


def _changed(old: Container, new: Container) -> list[str]:
    before, after = ({feature.section: feature for feature in container.features} for container in (old, new))
    return sorted(section for section in before.keys() | after.keys() if before.get(section) != after.get(section))
