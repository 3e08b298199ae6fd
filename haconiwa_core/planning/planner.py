"""Make a plan of a container: facts of all features first, then their steps, then the order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.host import HostFacts
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Slot
from haconiwa_core.options import check, converted
from haconiwa_core.planning.assembly import assembled
from haconiwa_core.planning.baseline import core_steps
from haconiwa_core.planning.context import Entry, Planning
from haconiwa_core.planning.ordering import ordered
from haconiwa_core.planning.plan import CORE, Plan, PlannedStep
from haconiwa_core.planning.refusals import refusals
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.stages import Stage

if TYPE_CHECKING:
    from haconiwa_core.hooks.hook import Hook

INSTANCE_SLOTS = ("name", "directory")
"""Slots that hold text and are known before the first step: the instance's name and its directory."""


def plan(
    container: Container,
    host: HostFacts,
    plugins: Plugins,
    entry: Entry = "start",
    *,
    hold: bool = False,
    running: Container | None = None,
) -> Plan:
    """Return the plan of a container's start, or of a process that is attached to a running one.

    Args:
        container: the definition; of a process that is attached, with its own command.
        host: the facts of the machine that the plan is for.
        plugins: where the features come from.
        entry: "start" or "attach".
        hold: the start waits before EXEC until it is told to go on.
        running: of an attached process: the definition of the container that it is put into, as it is in force.

    Raises:
        DefinitionError: with all problems that were found; nothing has been started.
    """
    container = expanded(container, plugins)
    problems = container.problems()
    wrong = {problem.section for problem in problems}
    usable: list[Feature] = []
    for feature in container.features:
        try:
            plugins.feature_class(feature.section)
            usable += [] if feature.section in wrong else [feature]
        except PluginError as error:
            problems.append(located(Problem(str(error)), feature))
            wrong.add(feature.section)

    planning = Planning(container, host, entry, running)
    steps: list[PlannedStep] = []
    for feature in usable:
        complaints = publish(planning, feature, plugins)
        problems += complaints
        wrong |= {feature.section} if complaints else set()
    found = _located_all(refusals(planning), container)
    for feature in usable:
        try:
            steps += [PlannedStep(feature.section, step) for step in plugins.steps(feature, planning)]
        except DefinitionError as error:
            found += [located(problem, feature) for problem in error.problems]
    # What a feature would have provided that is itself wrong is not missing.
    problems += [problem for problem in found if not any(section and section in problem.hint for section in wrong)]
    _raise(_distinct(problems))
    if entry == "attach":
        steps = _of_one_process(steps)
    steps += [PlannedStep(CORE, step) for step in core_steps(planning, [planned.step for planned in steps])]
    for planned in steps:
        _check_step(planned)
    hooks = _hooks(container, usable, plugins) if entry == "start" else ()
    made = assembled(planning, ordered(steps, planning.facts), hooks, hold=hold)
    _raise([located(problem, feature) for feature in usable for problem in plugins.check(feature, made)])
    return made


def _hooks(container: Container, features: Sequence[Feature], plugins: Plugins) -> tuple[Hook, ...]:
    found: list[Hook] = []
    for feature in features:
        given = plugins.hooks(feature)
        if given and not feature.supervised:
            raise PluginError(
                f"plugin {feature.section} is broken: it gives hooks, which only the resident supervisor runs;"
                f" its {type(feature).__name__} must say `supervised = True`"
            )
        found += [replace(hook, name=f"{feature.section}:{hook.name}") for hook in given]
    return (*found, *container.hooks)


def publish(planning: Planning, feature: Feature, plugins: Plugins) -> list[Problem]:
    """Let a feature publish its facts; return what is wrong with it."""
    try:
        for fact in plugins.facts(feature, planning):
            planning.facts.publish(fact, feature.section)
    except DefinitionError as error:
        return [located(problem, feature) for problem in error.problems]
    return []


def plan_all(containers: Sequence[Container], host: HostFacts, plugins: Plugins) -> list[Plan]:
    """Return the plans of several containers.

    Raises:
        DefinitionError: with all problems of all of them.
    """
    plans: list[Plan] = []
    problems: list[Problem] = []
    for container in containers:
        try:
            plans.append(plan(container, host, plugins))
        except DefinitionError as error:
            problems += error.problems
    _raise(problems)
    return plans


def expanded(container: Container, plugins: Plugins) -> Container:
    """Return the container with all features that its features stand for, and each as its plugin wants it."""
    features = {feature.section: _as_wanted(feature) for feature in container.features}
    left = [feature for feature in features.values() if not check(feature)]
    while left:
        feature = left.pop()
        with suppress(PluginError):  # It is told about with all other problems.
            for part in plugins.expand(feature):
                if part.section not in features:
                    features[part.section] = _as_wanted(part.at(feature.place))
                    left.append(features[part.section])
    if list(features.values()) == list(container.features):
        return container
    return replace(container, features=tuple(features.values())).at(container.place)


def _as_wanted(feature: Feature) -> Feature:
    return feature if check(feature) else converted(feature).at(feature.place)


def _of_one_process(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Return the steps that confine a process: without those that make the container, and what prepares only them."""
    lasting = [planned for planned in steps if not planned.step.stage.once]
    used = {slot for planned in lasting if planned.step.stage is not Stage.PREPARE for slot in _slots(planned)}
    kept: list[PlannedStep] = []
    for planned in reversed(lasting):
        slots = _slots(planned)
        if planned.step.stage is not Stage.PREPARE or not slots or slots & used:
            kept.append(planned)
            used |= slots
    return kept[::-1]


def _slots(planned: PlannedStep) -> set[Slot]:
    step = planned.step
    return {argument for argument in (*step.arguments, step.into) if isinstance(argument, Slot)}


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise DefinitionError(problems)


def _distinct(problems: Sequence[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def located(problem: Problem, feature: Feature) -> Problem:
    """Add what a plugin need not know: its section, and where it was written."""
    file, line = feature.place
    return Problem(
        problem.text,
        section=problem.section or feature.section,
        key=problem.key,
        file=problem.file or file,
        line=problem.line if problem.file else line,
        hint=problem.hint,
    )


def _located_all(problems: Sequence[Problem], container: Container) -> list[Problem]:
    found = []
    for problem in problems:
        feature = container.feature(problem.section)
        found.append(located(problem, feature) if feature else problem)
    return found


def _check_step(planned: PlannedStep) -> None:
    """Refuse what would run a plugin's code in the child, or need the plugin for cleaning up.

    Raises:
        PluginError: naming the plugin.
    """
    step, undo = planned.step, planned.step.undo
    if not step.stage.on_host and not is_lowering(step.function):
        raise PluginError(
            f"plugin {planned.plugin} is broken: {step.function.__name__} runs in the child ({step.stage.name})"
            " but does not lower itself to system calls"
        )
    if undo is None:
        return
    name = undo.function.__name__
    slots = [argument for argument in undo.arguments if isinstance(argument, Slot)]
    if linux.UNDO.get(name) is not undo.function or any(slot.name not in INSTANCE_SLOTS for slot in slots):
        raise PluginError(
            f"plugin {planned.plugin} is broken: the undo {name} is no function of haconiwa_core.linux.undo,"
            f" or takes slots other than {', '.join(INSTANCE_SLOTS)}"
        )
