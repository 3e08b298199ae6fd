"""Cgroup: groups are made and limited before there is a child, which then begins in one or enters it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from haconiwa_cgroup import Cgroup, groups
from haconiwa_cgroup.changes import changes
from haconiwa_cgroup.kernel import enter_group
from haconiwa_cgroup.layout import CONTAINER, Hierarchy, Layout, Written, assigned, layout_of
from haconiwa_core import linux
from haconiwa_core.facts import CgroupPlace, Counter, Fact
from haconiwa_core.feature import Feature
from haconiwa_core.linux.cgroups import ATTACHED, FIRST
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_NAME, _DIRECTORY = Slot("name"), Slot("directory")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Cgroup


@hookimpl
def haconiwa_facts(feature: Cgroup, planning: Planning) -> Iterator[Fact]:
    """Tell where all of the container can be killed, and where the kernel counts what it has refused it."""
    if feature.assign is not None:
        return
    layout = layout_of(feature, planning.host)
    group = group_of(feature)
    main = layout.main
    yield CgroupPlace(main.base, group, unified=main.tree.version == 2)
    memory = layout.used.get("memory")
    if memory and memory.tree.version == 1:
        yield Counter("oom", memory.base, group, (f"{FIRST}/memory.oom_control",), "oom_kill")
    elif memory:
        # What is attached may be killed for a limit of its own.
        leaf = f"{FIRST}/" if "memory" in layout.controllers(memory, ATTACHED) else ""
        yield Counter("oom", memory.base, group, (f"{leaf}memory.events",), "oom_kill")
    pids = layout.used.get("pids")
    if pids:
        # Before Linux 6.11, and in version 1, it is counted where a process was refused; since then where the limit
        # lies, and what is attached may have one of its own.
        common = pids.tree.version == 2 and "pids" not in layout.controllers(pids, ATTACHED)
        files = (f"{FIRST}/pids.events", *(("pids.events",) if common else ()))
        yield Counter("pids", pids.base, group, files, "max")


@hookimpl
def haconiwa_steps(feature: Cgroup, planning: Planning) -> Iterator[Step]:
    """Make the groups, write their limits, and let the process in."""
    if feature.assign is not None:
        for label, folder in assigned(feature, planning.host):
            yield from _entering(label, (folder,))
        return
    layout = layout_of(feature, planning.host)
    group = group_of(feature)
    for key, controller in layout.left_out:
        planning.warn(f"{feature.section}.{key}: best effort: left out, this host has no controller {controller}")
    for hierarchy in layout.hierarchies:
        if planning.entry == "start":
            yield from _making(layout, hierarchy, group)
        if hierarchy.tree.version == 1:
            leaf = FIRST if planning.entry == "start" else ATTACHED
            yield from _entering(hierarchy.label, (hierarchy.base, group, leaf))


@hookimpl
def haconiwa_update(old: Cgroup, new: Cgroup, planning: Planning) -> Iterator[Step]:
    """Write what differs; limits that are taken away are lifted."""
    group = group_of(new)
    change = changes(old, new, planning.host)
    for hierarchy, leaf, controllers in change.turned_on:
        if leaf == ATTACHED:
            yield Step(Stage.ADOPT, groups.turn_on_in, (hierarchy.base, group), controllers)
        else:
            yield _parents(hierarchy, controllers, Stage.ADOPT)
    for item in change.written:
        yield _writing(item, group, Stage.ADOPT)


@hookimpl
def haconiwa_status(feature: Cgroup, name: str) -> Mapping[str, object] | None:
    """Read back what is used."""
    from haconiwa_cgroup.usage import usage_of

    return usage_of(feature, name)


@hookimpl
def haconiwa_isolation(feature: Cgroup | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read back what is written in the groups in which the process really is."""
    from haconiwa_cgroup.isolation import rows

    yield from rows(feature, plan, confined)


def group_of(feature: Cgroup) -> str | Slot:
    """Return the name of the container's group."""
    return feature.name or _NAME


def _making(layout: Layout, hierarchy: Hierarchy, group: str | Slot) -> Iterator[Step]:
    place = (hierarchy.base, group, hierarchy.label, _DIRECTORY)
    yield _parents(hierarchy, layout.controllers(hierarchy), Stage.PREPARE)
    undo = Step(Stage.PREPARE, linux.remove_own_cgroup, *place)
    yield Step(Stage.PREPARE, linux.make_cgroup, *place, undo=undo)
    written = [item for item in layout.written if item.hierarchy == hierarchy]
    if hierarchy.tree.version == 1:
        yield Step(Stage.PREPARE, groups.prepare_version_1, (hierarchy.base, group))
    if of_leaves := layout.controllers(hierarchy, ATTACHED):
        yield Step(Stage.PREPARE, groups.turn_on_in, (hierarchy.base, group), of_leaves)
    # Before there are leaves: version 1 lets a group that has any below it refuse no more devices.
    yield from (_writing(item, group, Stage.PREPARE) for item in written if item.leaf == CONTAINER)
    yield Step(Stage.PREPARE, groups.make_leaves, (hierarchy.base, group))
    yield from (_writing(item, group, Stage.PREPARE) for item in written if item.leaf != CONTAINER)


def _parents(hierarchy: Hierarchy, controllers: tuple[str, ...], stage: Stage) -> Step:
    return Step(stage, groups.make_parents, hierarchy.top, hierarchy.base, controllers, hierarchy.divided)


def _writing(item: Written, group: str | Slot, stage: Stage) -> Step:
    leaf = (item.leaf,) if item.leaf else ()
    file = (item.hierarchy.base, group, *leaf, item.setting.file)
    return Step(stage, item.setting.write, file, item.setting.value)


def _entering(label: str, group: tuple[str | Slot, ...]) -> Iterator[Step]:
    processes = Slot(f"cgroup-{label}")
    yield Step(Stage.PREPARE, groups.open_processes, group, into=processes)
    yield Step(Stage.SETTLE, enter_group, processes)
