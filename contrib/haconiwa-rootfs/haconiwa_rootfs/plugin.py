"""Rootfs: the layers of a stored root, merged, are the container's root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, HaconiwaError, PluginError, Problem
from haconiwa_core.facts import Fact, IdMap, NewRoot
from haconiwa_core.feature import Feature
from haconiwa_core.linux.constants import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MountAttribute
from haconiwa_core.linux.mounts import ROOT
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import last_key
from haconiwa_rootfs.overlay import InMemory, overlay_steps
from haconiwa_rootfs.provisioning import problems_of
from haconiwa_rootfs.store.roots import Root, default_directory, file_of, layer_path, parse
from haconiwa_rootfs.store.usage import note_use

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.plan import Plan

_MOUNT_POINTS = "1M"
"""Memory for directories on which something is mounted, in a root that cannot be written afterwards."""


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Rootfs


@hookimpl
def haconiwa_facts(feature: Rootfs, planning: Planning) -> Iterator[Fact]:
    """Tell that the container's files are not the host's."""
    top, *below = reversed(_paths(feature, planning))
    yield NewRoot(top, tuple(below))


@hookimpl
def haconiwa_steps(feature: Rootfs, planning: Planning) -> Iterator[Step]:
    """Merge the layers with a new one in memory, and make that the root."""
    problems = list(problems_of(feature.provision))
    if not planning.own_mounts:
        text = "merges and mounts layers: it needs a mount namespace of the container's own"
        problems.append(Problem(text, hint=planning.providers("Namespace mnt")))
    if feature.size and not feature.writable:
        problems.append(Problem("is the size of changes, and there are none", key="size", hint="set writable = true"))
    if problems:
        raise DefinitionError(problems)
    idmapped = feature.idmapped
    if idmapped is None:
        idmapped = planning.privileged and planning.facts.get(IdMap) is not None
    attributes = MountAttribute(0)
    for wanted, attribute in ((feature.nosuid, MOUNT_ATTR_NOSUID), (feature.nodev, MOUNT_ATTR_NODEV)):
        attributes |= attribute if wanted else MountAttribute(0)
    changes = InMemory((feature.size or "") if feature.writable else _MOUNT_POINTS)
    layers = _paths(feature, planning)
    store, key = str(_directory(feature, planning)), _stored(feature, planning).key
    yield Step(Stage.PREPARE, note_use, store, key, tuple(layers), Slot("directory"))
    merged = overlay_steps(layers, changes, planning, attributes=attributes, idmapped=idmapped)
    *steps, pivot = merged
    yield from steps
    for number, path in enumerate(_stored(feature, planning).binds):
        tree = Slot(f"rootfs-bind-{number}")
        flags = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
        yield Step(planning.trees_from, linux.open_tree, path, True, flags, into=tree)
        yield Step(Stage.MOUNTS, linux.attach_below_root, tree, path)
    if not feature.writable:
        # Now that everything is mounted; nothing of the container can run before.
        yield Step(Stage.ROOT, linux.set_tree_attributes, ROOT, MOUNT_ATTR_RDONLY)
    yield pivot


@hookimpl
def haconiwa_isolation(feature: Rootfs | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read the root back."""
    from haconiwa_rootfs.isolation import rows

    yield from rows(feature, plan, confined)


def _stored(feature: Rootfs, planning: Planning) -> Root:
    """Return the root, as its file in the store tells, which is an input of the plan."""
    try:
        key = last_key(feature, planning.container.folder or os.getcwd())
    except (DefinitionError, PluginError):
        raise
    except HaconiwaError as error:
        raise DefinitionError([Problem(str(error), key="strategy")]) from error
    file = file_of(_directory(feature, planning), key)
    if not file.exists():
        hint = "haconiwa create FILE, or haconiwa provision FILE where a step has changed"
        raise DefinitionError([Problem("this root has not been created", key="strategy", hint=hint)])
    return parse(key, planning.read_on_host(str(file)))


def _paths(feature: Rootfs, planning: Planning) -> list[str]:
    directory = _directory(feature, planning)
    return [str(layer_path(directory, layer.digest)) for layer in _stored(feature, planning).layers]


def _directory(feature: Rootfs, planning: Planning) -> Path:
    return Path(planning.host_path(feature.store)) if feature.store else default_directory()
