"""Chroot: opens the root as a detached tree, attaches it, and makes it the root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_chroot import Chroot
from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact, NewRoot
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MountAttribute
from haconiwa_core.linux.mounts import ROOT
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.id_mapped import id_map_step
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_DEMANDS = {
    "pivot": "pivot_root",
    "read_only": "a read-only root",
    "nosuid": "a root without set-user-ID programs",
    "nodev": "a root without device files",
    "idmapped": "a root with ids of the container's own",
}
"""Options that only a mount of the root's own can fulfil."""

_IDS = Slot("chroot-ids")


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Chroot


@hookimpl
def haconiwa_facts(feature: Chroot, planning: Planning) -> Iterator[Fact]:
    """Tell that the container's files are not the host's."""
    yield NewRoot(planning.host_path(feature.root))


@hookimpl
def haconiwa_steps(feature: Chroot, planning: Planning) -> Iterator[Step]:
    """Make the directory the root: a mount of its own where the mount namespace is the container's."""
    path = planning.host_path(feature.root)
    if planning.own_mounts:
        yield from _mounted(feature, planning, path)
    else:
        yield from _plain(feature, planning, path)


@hookimpl
def haconiwa_isolation(feature: Chroot | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read the root back."""
    from haconiwa_chroot.isolation import rows

    yield from rows(feature, plan, confined)


def _mounted(feature: Chroot, planning: Planning, path: str) -> Iterator[Step]:
    read_only = MountAttribute(0) if feature.read_only is False else MOUNT_ATTR_RDONLY
    nosuid = MountAttribute(0) if feature.nosuid is False else MOUNT_ATTR_NOSUID
    nodev = MountAttribute(0) if feature.nodev is False else MOUNT_ATTR_NODEV
    yield Step(planning.trees_from, linux.open_tree, path, True, read_only | nosuid, into=ROOT)
    if feature.idmapped:
        yield id_map_step(planning, "idmapped", _IDS)
        yield Step(Stage.PREPARE, linux.map_tree_ids, ROOT, _IDS, True)
    if nodev or read_only:
        # Mount points may have to be made in it; it is closed again before anything can run.
        yield Step(planning.trees_from, linux.set_tree_attributes, ROOT, nodev, read_only)
    yield Step(Stage.MOUNTS, linux.attach_over_root, ROOT)
    if read_only:
        yield Step(Stage.ROOT, linux.set_tree_attributes, ROOT, read_only)
    yield Step(Stage.ROOT, linux.change_root if feature.pivot is False else linux.pivot_root, ROOT)


def _plain(feature: Chroot, planning: Planning, path: str) -> Iterator[Step]:
    problems = [
        Problem(
            f"{why} needs a mount namespace of the container's own", key=key, hint=planning.providers("Namespace mnt")
        )
        for key, why in _DEMANDS.items()
        if getattr(feature, key)
    ]
    if problems:
        raise DefinitionError(problems)
    joined = planning.mount_namespace is not None
    # In a joined namespace the path is looked up there, not on the host.
    yield Step(Stage.MOUNTS if joined else Stage.PREPARE, linux.open_directory, path, into=ROOT)
    yield Step(Stage.ROOT, linux.change_root, ROOT)
