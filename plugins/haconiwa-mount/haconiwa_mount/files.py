"""Mounts of files: the host's, merged ones, and empty ones in memory."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core import linux
from haconiwa_core.linux.constants import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MountAttribute,
)
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_mount import Bind, Overlay, Tmpfs
from haconiwa_mount.below_root import mounting

IDS = Slot("mount-ids")
"""The user namespace that says to whom files of idmapped binds belong."""


def bind(item: Bind, index: int, planning: Planning) -> Iterator[Step]:
    """Take the source as a detached tree, so that no path of the container is followed to it."""
    tree = Slot(f"bind-{index}")
    source = planning.host_path(item.source)
    yield Step(planning.trees_from, linux.open_tree, source, item.recursive, attributes_of(item), into=tree)
    if item.idmapped:
        yield Step(Stage.PREPARE, linux.map_tree_ids, tree, IDS, item.recursive)
    yield mounting(linux.attach_below_root, tree, item.target)


def tmpfs(item: Tmpfs) -> Iterator[Step]:
    """Make a new tmpfs."""
    made = Slot(f"tmpfs-{item.target}")
    options = [("mode", f"{item.mode:04o}")]
    if item.size:
        options.append(("size", item.size))
    yield mounting(linux.make_filesystem, "tmpfs", tuple(options), attributes_of(item), into=made)
    yield mounting(linux.attach_below_root, made, item.target)


def overlay(item: Overlay, planning: Planning) -> Iterator[Step]:
    """Merge directories; changes without a place of their own go to a tmpfs below the overlay."""
    made = Slot(f"overlay-{item.target}")
    attributes = MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if item.read_only else MountAttribute(0))
    options = [("lowerdir", ":".join(_escaped(planning.host_path(path)) for path in item.lower))]
    if item.upper and item.work:
        options += [("upperdir", planning.host_path(item.upper)), ("workdir", planning.host_path(item.work))]
    elif not item.read_only:
        memory = Slot(f"overlay-memory-{item.target}")
        yield mounting(linux.make_filesystem, "tmpfs", (("mode", "0755"),), MOUNT_ATTR_NODEV, into=memory)
        yield mounting(linux.attach_below_root, memory, item.target)
        yield mounting(linux.make_directory_in, memory, "upper", 0o755)
        yield mounting(linux.make_directory_in, memory, "work", 0o755)
        # overlayfs takes paths only; these are short ones below the working directory.
        yield mounting(linux.enter_directory, memory)
        options += [("upperdir", "upper"), ("workdir", "work")]
    if planning.user_namespace:
        # Its root may not set the attributes by which overlayfs marks removed directories otherwise.
        options.append(("userxattr", ""))
    yield mounting(linux.make_filesystem, "overlay", tuple(options), attributes, into=made)
    yield mounting(linux.attach_below_root, made, item.target)


def attributes_of(item: Bind | Tmpfs) -> MountAttribute:
    """Return the MOUNT_ATTR_* bits of a mount."""
    wanted = {
        MOUNT_ATTR_RDONLY: item.read_only,
        MOUNT_ATTR_NOSUID: item.nosuid,
        MOUNT_ATTR_NODEV: item.nodev,
        MOUNT_ATTR_NOEXEC: item.noexec,
    }
    attributes = MountAttribute(0)
    for attribute, is_wanted in wanted.items():
        if is_wanted:
            attributes |= attribute
    return attributes


def _escaped(path: str) -> str:
    """In a list of lower directories, colons and backslashes mean something."""
    return path.replace("\\", "\\\\").replace(":", "\\:")
