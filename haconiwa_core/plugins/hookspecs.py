"""The hooks that plugins implement. All are called in the planning or supervising process, never in a container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.errors import Problem
    from haconiwa_core.facts import Fact
    from haconiwa_core.feature import Feature
    from haconiwa_core.finding import Finding
    from haconiwa_core.hooks.hook import Hook
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.context import Planning
    from haconiwa_core.planning.plan import Plan
    from haconiwa_core.steps import Step

PROJECT = "haconiwa"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def haconiwa_feature() -> type[Feature]:  # type: ignore[empty-body]
    """Give the class of the plugin's feature.

    Called: once after the plugin is loaded.
    Return: a frozen dataclass below Feature; its `section` is the plugin's name.
    Must not: touch the kernel or read files.
    If it raises: the plugin is broken.
    Example: `return Rlimit`.
    """


@hookspec
def haconiwa_expand(feature: Feature) -> Iterable[Feature]:  # type: ignore[empty-body]
    """Give the features that this one stands for.

    Called: before anything else is asked of any feature; what is given is expanded in its turn.
    Given: the plugin's own section.
    Return: features; one whose section the definition has itself is left as the definition has it.
    Must not: touch the kernel or read files.
    If it raises: as haconiwa_facts.
    Example: `yield feature.seccomp`.
    """


@hookspec
def haconiwa_facts(feature: Feature, planning: Planning) -> Iterable[Fact]:  # type: ignore[empty-body]
    """Publish what other features need to know of this one.

    Called: while planning, for all features before any steps are asked for.
    Given: the plugin's own section; the planning, whose facts are not complete yet.
    Return: facts; each may be published by one plugin only.
    Must not: change anything; read files other than through `planning.read_in_root` and `planning.read_on_host`.
    If it raises: DefinitionError is reported with the other problems, anything else is a fault of
        the plugin and ends the planning.
    Example: `yield NewRoot("/srv/web")`.
    """


@hookspec
def haconiwa_steps(feature: Feature, planning: Planning) -> Iterable[Step]:  # type: ignore[empty-body]
    """Turn the section into steps, for a start as for an attach.

    Called: while planning, after all facts are known. `planning.entry` tells which entry it is.
    Given: the plugin's own section; the planning with all facts.
    Return: steps; within a stage they keep the order in which they are yielded.
    Must not: change anything; read files other than through `planning.read_in_root` and `planning.read_on_host`.
    If it raises: as haconiwa_facts.
    Example: `yield Step(Stage.LIMITS, linux.set_limit, 7, 64, 64)`.
    """


@hookspec
def haconiwa_check(feature: Feature, plan: Plan) -> Iterable[Problem]:  # type: ignore[empty-body]
    """Look at a finished plan for what the section makes impossible in it.

    Called: when the plan is complete, for a start as for an attach.
    Given: the plugin's own section; the plan, with the steps of all features and the program.
    Return: problems; any of them refuses the plan.
    Must not: change anything.
    If it raises: as haconiwa_facts.
    Example: `yield Problem("the filter denies execve, which starts the command")`.
    """


@hookspec
def haconiwa_update(old: Feature, new: Feature, planning: Planning) -> Iterable[Step]:  # type: ignore[empty-body]
    """Turn the change of a running container's section into steps.

    Called: for a live update, after all facts are known; a plugin without it cannot be updated live.
    Given: the section as it is in force and as it is to be; the planning with the facts of the latter.
    Return: steps of the stage ADOPT, which run in the updating process; the slots "name" and "directory"
        are the instance's. After a failure those of the way back are run.
    Must not: change anything.
    If it raises: as haconiwa_facts.
    Example: `yield Step(Stage.ADOPT, write_level, Slot("name"), new.level)`.
    """


@hookspec
def haconiwa_hooks(feature: Feature) -> Iterable[Hook]:  # type: ignore[empty-body]
    """Give hooks to a container that has the section; they run before those of its definition.

    Called: while a start is planned.
    Given: the plugin's own section, whose class says `supervised = True`.
    Return: hooks, each with a function that is named as "package.module:function".
    Must not: change anything.
    If it raises: as haconiwa_facts.
    Example: `yield Hook("announce", On("after_ready"), "haconiwa_announce.hooks:announce")`.
    """


@hookspec
def haconiwa_event(event: Mapping[str, object]) -> None:
    """Observe what happens to containers.

    Called: of every observer (entry points of the group `haconiwa.v1.observers`), for each event, in a process of the
        resident supervisor's that does nothing else: a slow observer misses events, and delays nobody.
    Given: what `haconiwa events` prints as JSON: at least "event", "container" and "time".
    Must not: keep the mapping.
    If it raises: it is logged, and the observer gets the next event all the same.
    Example: `print(event["container"], event["event"])`.
    """


@hookspec
def haconiwa_findings(plan: Plan) -> Iterable[Finding]:  # type: ignore[empty-body]
    """Say what is weak in a plan, as far as the plugin knows about it.

    Called: when a definition is audited, of every plugin that is installed and usable, named or not.
    Given: the finished plan.
    Return: findings, each with a code of the plugin's own.
    Must not: change anything.
    If it raises: the audit ends with a fault of the plugin.
    Example: `yield Finding("CGROUP-PIDS", "no limit on processes", "a fork bomb", "cgroup.pids")`.
    """


@hookspec
def haconiwa_diagnose() -> Iterable[Diagnosis]:  # type: ignore[empty-body]
    """Say whether this host has what the plugin's feature needs of it.

    Called: by `haconiwa doctor`, of every plugin that is installed and usable.
    Return: what was found, each with a name of its own; the remedy is a command, or a file and its content.
    Must not: leave anything changed; what has to be tried is tried in a process of its own, which ends with it.
    If it raises: the plugin is told to be broken.
    Example: `yield Diagnosis("lamp", "missing", "the kernel has no lamps", "modprobe lamp")`.
    """


@hookspec(firstresult=True)
def haconiwa_status(feature: Feature, name: str) -> Mapping[str, object] | None:
    """Read back what is in force and in use in a running container.

    Called: when a container is inspected.
    Given: the plugin's own section as it is in force; the instance's name.
    Return: what the kernel tells, by names of the plugin's own, as JSON has it; None where it has ended.
    Must not: change anything.
    If it raises: OSError is shown in place of the values.
    Example: `return {"pids": {"current": 3, "max": 64}}`.
    """


@hookspec
def haconiwa_isolation(feature: Feature | None, plan: Plan, confined: Confined) -> Iterable[Row]:  # type: ignore[empty-body]
    """Read back from the kernel what the plugin isolates a process from.

    Called: when somebody asks for the matrix of a live process, of every plugin that is installed and usable, named or
        not.
    Given: the plugin's own section as it is in force, None where the container has none; the plan of the container;
        the process, looked at from outside.
    Return: rows, the same ones with and without a section, whose `section` is the plugin's name; what was asked for
        comes from the section and the plan, what is in force from the process alone.
    Must not: change anything; touch files of the container other than through `confined`.
    If it raises: ProcessLookupError means that the process has ended; any other OSError becomes one row that says
        that it is unknown. Anything else is a fault of the plugin.
    Example: `yield compared("ns-pid", "pid namespace", "own", "own", "", "/proc/PID/ns/pid")`.
    """
