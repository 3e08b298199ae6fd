"""The hooks that plugins implement. All are called in the planning process, never in a container."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from haconiwa_core.facts import Fact
    from haconiwa_core.feature import Feature
    from haconiwa_core.planning.context import Planning
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
def haconiwa_facts(feature: Feature, planning: Planning) -> Iterable[Fact]:  # type: ignore[empty-body]
    """Publish what other features need to know of this one.

    Called: while planning, for all features before any steps are asked for.
    Given: the plugin's own section; the planning, whose facts are not complete yet.
    Return: facts; each may be published by one plugin only.
    Must not: change anything; read files other than through `planning.read_in_root`.
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
    Must not: change anything; read files other than through `planning.read_in_root`.
    If it raises: as haconiwa_facts.
    Example: `yield Step(Stage.LIMITS, linux.set_limit, 7, 64, 64)`.
    """
