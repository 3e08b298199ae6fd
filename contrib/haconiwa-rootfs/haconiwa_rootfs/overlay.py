"""Steps that make an overlay of layers the root (overlayfs)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from haconiwa_core import linux
from haconiwa_core.linux.constants import MOUNT_ATTR_NODEV, MountAttribute
from haconiwa_core.linux.mounts import ROOT
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.id_mapped import id_map_step
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step

# A layer stands on its own and is read in user namespaces, too, which see no other attributes of overlayfs than these.
_ALONE = (("userxattr", ""), ("index", "off"))

_IDS = Slot("rootfs-ids")
_CHANGES = Slot("rootfs-changes")


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
    changes: Kept | InMemory | None,
    planning: Planning,
    *,
    attributes: MountAttribute = MOUNT_ATTR_NODEV,
    idmapped: bool = False,
) -> Iterator[Step]:
    """Yield the steps that merge layers, attach what comes of it, and make it the root.

    The child merges them, for it has the rights over ids that new files get.

    Args:
        layers: directories of the host, the lowest first; never written. Without changes there are two or more.
        changes: where they go; None is a root that cannot be changed.
        planning: the planning.
        attributes: MOUNT_ATTR_* bits of the root's mount.
        idmapped: what belongs to root on the disk belongs to the container's root, and so on for all ids.

    Raises:
        DefinitionError: trees cannot be mapped.
    """
    if idmapped:
        yield id_map_step(planning, "idmapped", _IDS)
    options: list[tuple[str, str | Slot]] = list(_ALONE)
    attached = 0
    # One by one, the topmost first: a list in one option could not be longer than 256 bytes.
    for number, layer in enumerate(reversed(layers)):
        if idmapped or (planning.privileged and planning.user_namespace):
            # Its mapped root could not walk to them.
            tree = Slot(f"rootfs-layer-{number}")
            yield from _tree(layer, tree, planning, idmapped=idmapped)
            attached += 1
            options.append(("lowerdir+", tree))
        else:
            options.append(("lowerdir+", layer))
    if changes is not None:
        yield from _changes(changes, planning, idmapped=idmapped)
        attached += 1
        # They are looked up by path; these are short ones below the working directory.
        yield Step(Stage.MOUNTS, linux.enter_directory, _CHANGES)
        options += [("upperdir", "upper"), ("workdir", "work")]
    yield Step(Stage.MOUNTS, linux.make_filesystem, "overlay", tuple(options), attributes, into=ROOT)
    # overlayfs has clones of them. Over the old root they would outlive it, and be what "/.." is.
    for _ in range(attached):
        yield Step(Stage.MOUNTS, linux.detach_over_root)
    yield Step(Stage.MOUNTS, linux.attach_over_root, ROOT)
    yield Step(Stage.ROOT, linux.pivot_root, ROOT)


def _changes(changes: Kept | InMemory, planning: Planning, *, idmapped: bool) -> Iterator[Step]:
    if isinstance(changes, Kept):
        yield from _tree(changes.directory, _CHANGES, planning, idmapped=idmapped)
        return
    options = (("mode", "0755"), *([("size", changes.size)] if changes.size else []))
    yield Step(Stage.MOUNTS, linux.make_filesystem, "tmpfs", options, MOUNT_ATTR_NODEV, into=_CHANGES)
    yield Step(Stage.MOUNTS, linux.attach_over_root, _CHANGES)
    for name in ("upper", "work"):
        yield Step(Stage.MOUNTS, linux.make_directory_in, _CHANGES, name, 0o755)


def _tree(path: str, tree: Slot, planning: Planning, *, idmapped: bool) -> Iterator[Step]:
    """Open a directory as a tree and attach it: overlayfs takes only what is mounted where its caller has rights."""
    yield Step(planning.trees_from, linux.open_tree, path, False, 0, into=tree)
    if idmapped:
        yield Step(Stage.PREPARE, linux.map_tree_ids, tree, _IDS, False)
    yield Step(Stage.MOUNTS, linux.attach_over_root, tree)
