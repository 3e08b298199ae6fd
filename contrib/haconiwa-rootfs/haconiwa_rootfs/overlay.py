"""Steps that make an overlay of layers the root (overlayfs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product
from string import ascii_letters, digits
from typing import NamedTuple

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.linux.constants import MOUNT_ATTR_NODEV, MountAttribute
from haconiwa_core.linux.mounts import ROOT
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.id_mapped import id_map_step
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

# A layer stands on its own and is read in user namespaces, too, which see no other attributes of overlayfs than these.
_ALONE = (("userxattr", ""), ("index", "off"))

_LONGEST = 255
"""Bytes of the value of an option (fsconfig(2))."""

_IDS = Slot("rootfs-ids")
_PLACE = Slot("rootfs-place")
_KEPT = Slot("rootfs-kept")


class Kept(NamedTuple):
    """Changes are kept on the disk.

    Args:
        directory: of the host, with two directories in it: `upper`, which takes the changes, and `work`, empty.
    """

    directory: str


class InMemory(NamedTuple):
    """Changes are kept in memory, and end with the container.

    Args:
        size: of all of them at most, as tmpfs(5) has it: "64M"; "" is half of the memory.
    """

    size: str = ""


def overlay_steps(
    layers: Sequence[str],
    changes: Kept | InMemory,
    planning: Planning,
    *,
    attributes: MountAttribute = MOUNT_ATTR_NODEV,
    idmapped: bool = False,
) -> Iterator[Step]:
    """Yield the steps that merge layers, attach what comes of it, and make it the root.

    All that is merged is mounted in one place, a tmpfs, for overlayfs takes paths: there they are short, and its mapped
    root can walk to them. The child merges them, for it has the rights over ids that new files get.

    Args:
        layers: directories of the host, the lowest first; never written.
        changes: where they go.
        planning: the planning.
        attributes: MOUNT_ATTR_* bits of the root's mount.
        idmapped: what belongs to root on the disk belongs to the container's root, and so on for all ids.

    Raises:
        DefinitionError: there are too many layers, or trees cannot be mapped.
    """
    names = _names(len(layers))
    if idmapped:
        yield id_map_step(planning, "idmapped", _IDS)
    size = (("size", changes.size),) if isinstance(changes, InMemory) and changes.size else ()
    tmpfs = (("mode", "0755"), *size)
    yield Step(Stage.MOUNTS, linux.make_filesystem, "tmpfs", tmpfs, MOUNT_ATTR_NODEV, into=_PLACE)
    yield Step(Stage.MOUNTS, linux.attach_over_root, _PLACE)
    for name, layer in zip(names, reversed(layers), strict=True):
        yield from _mounted(layer, Slot(f"rootfs-layer-{name}"), name, planning, idmapped=idmapped)
    above = ""
    if isinstance(changes, Kept):
        above = "changes/"
        yield from _mounted(changes.directory, _KEPT, "changes", planning, idmapped=idmapped)
    else:
        for name in ("upper", "work"):
            yield Step(Stage.MOUNTS, linux.make_directory_in, _PLACE, name, 0o755)
    yield Step(Stage.MOUNTS, linux.enter_directory, _PLACE)
    merged = (("lowerdir", ":".join(names)), ("upperdir", f"{above}upper"), ("workdir", f"{above}work"))
    yield Step(Stage.MOUNTS, linux.make_filesystem, "overlay", (*_ALONE, *merged), attributes, into=ROOT)
    # overlayfs has clones of all that. Over the old root the place would outlive it, and be what "/.." is.
    yield Step(Stage.MOUNTS, linux.detach_over_root)
    yield Step(Stage.MOUNTS, linux.attach_over_root, ROOT)
    yield Step(Stage.ROOT, linux.pivot_root, ROOT)


def _mounted(path: str, tree: Slot, name: str, planning: Planning, *, idmapped: bool) -> Iterator[Step]:
    yield Step(planning.trees_from, linux.open_tree, path, False, 0, into=tree)
    if idmapped:
        yield Step(Stage.PREPARE, linux.map_tree_ids, tree, _IDS, False)
    yield Step(Stage.MOUNTS, linux.make_directory_in, _PLACE, name, 0o755)
    yield Step(Stage.MOUNTS, linux.attach_in, tree, _PLACE, name)


def _names(number: int) -> list[str]:
    """Return so many names, as short as they can be: they are told to overlayfs in one text."""
    short = ascii_letters + digits
    every = chain(short, map("".join, product(short, repeat=2)))
    names = [name for name, _ in zip(every, range(number), strict=False)]
    if len(":".join(names)) > _LONGEST:
        text = f"this root has {number} layers, which are more than overlayfs can be told of"
        raise DefinitionError([Problem(text, hint="archive it, and make the root from the archive")])
    return names
