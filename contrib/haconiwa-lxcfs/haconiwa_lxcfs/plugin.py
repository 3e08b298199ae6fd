"""Lxcfs: files of the host's lxcfs are bound over those of the container's proc and sysfs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import DefinitionError, Feature, Slot, Stage, Step, hookimpl, linux
from haconiwa_core.errors import Problem
from haconiwa_core.facts import FreshFilesystem, NewRoot
from haconiwa_core.planning.context import Planning
from haconiwa_lxcfs import Lxcfs
from haconiwa_lxcfs.kernel import PATHS, open_lxcfs_tree

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_LXCFS_NAMES = {"proc": "proc", "sysfs": "sys"}


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Lxcfs


@hookimpl
def haconiwa_steps(feature: Lxcfs, planning: Planning) -> Iterator[Step]:
    """Take what lxcfs has, and cover with it what the container's file systems have."""
    fresh = [item for item in planning.facts.all(FreshFilesystem) if item.kind in PATHS]
    if not any(item.kind == "proc" for item in fresh):
        text = "covers files of a proc of the container's own: it has none"
        hint = planning.providers("FreshFilesystem")
        raise DefinitionError([Problem(text, hint=f"{hint}, with proc = true" if hint else "")])
    directory = planning.host_path(feature.directory)
    for item in fresh:
        for path in PATHS[item.kind]:
            tree = Slot(f"lxcfs-{item.target}/{path}")
            source = f"{directory}/{_LXCFS_NAMES[item.kind]}/{path}"
            yield Step(planning.trees_from, open_lxcfs_tree, source, into=tree)
            target = f"{item.target}/{path}"
            yield Step(Stage.MOUNTS, linux.attach_below_root, tree, target, False, after=(NewRoot, FreshFilesystem))


@hookimpl
def haconiwa_isolation(feature: Lxcfs | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read back whose files they are."""
    from haconiwa_lxcfs.isolation import rows

    yield from rows(feature, plan, confined)
