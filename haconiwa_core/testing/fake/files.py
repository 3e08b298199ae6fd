"""The files of the fake kernel: directories, symbolic links and mounts, resolved as path_resolution(7) says."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple, NoReturn

Description = Mapping[str, "Description"] | str | None
"""A directory by its entries, a symbolic link by its target, or None for a file."""

_LINKS_LIMIT = 40


def described(path: Path) -> Description:
    """Return what lies at a path of the host, as a test would describe it."""
    if path.is_symlink():
        return str(path.readlink())
    return {entry.name: described(entry) for entry in path.iterdir()} if path.is_dir() else None


def refuse(number: int) -> NoReturn:
    """Fail as the kernel does."""
    raise OSError(number, os.strerror(number))


@dataclass(eq=False)
class Node:
    """A file, a directory or a symbolic link."""

    entries: dict[str, Node] | None = None
    target: str = ""

    @staticmethod
    def of(description: Description) -> Node:
        """Return the node that a test describes."""
        if isinstance(description, str):
            return Node(target=description)
        if description is None:
            return Node()
        return Node({name: Node.of(inner) for name, inner in description.items()})


def merged(nodes: Sequence[Node]) -> Node:
    """Return what overlayfs shows of several directories, the topmost first."""
    entries: dict[str, Node] = {}
    for name in {name: None for node in nodes for name in node.entries or {}}:
        holders = [node.entries[name] for node in nodes if node.entries and name in node.entries]
        shown = list(takewhile(lambda node: node.entries is not None, holders))
        entries[name] = merged(shown) if shown else holders[0]
    return Node(entries)


@dataclass(eq=False)
class Mount:
    """A mount: what is seen at its root, how, and whether it is part of a mount tree."""

    root: Node
    kind: str = "bind"
    attributes: int = 0
    attached: bool = False


class Place(NamedTuple):
    """A node as it is reached through a mount, and the place that ".." leads to."""

    mount: Mount
    node: Node
    parent: Place | None = None
    name: str = ""

    def is_at(self, other: Place) -> bool:
        """Return whether both are the same directory of the same mount."""
        return self.mount is other.mount and self.node is other.node

    def directory(self) -> dict[str, Node]:
        """Return the entries, or refuse with ENOTDIR."""
        if self.node.entries is None:
            refuse(errno.ENOTDIR)
        return self.node.entries


@dataclass(eq=False)
class Files:
    """All mounts, and what each covers."""

    root: Place
    _covers: dict[tuple[Mount, Node], Mount] = field(default_factory=dict)

    def topmost(self, place: Place) -> Place:
        """Return what is seen at a place: the root of the last mount on it."""
        while cover := self._covers.get((place.mount, place.node)):
            place = Place(cover, cover.root, place.parent, place.name)
        return place

    def resolve(self, path: str, start: Place, root: Place, *, symlinks: bool = True) -> Place:
        """Return the place of a path that never leaves `root`."""
        place = root if path.startswith("/") else start
        parts = path.split("/")[::-1]
        links = 0
        while parts:
            part = parts.pop()
            entries = place.directory()
            if part == "..":
                place = place if place.is_at(root) or place.parent is None else place.parent
            elif part not in ("", "."):
                found = entries.get(part) or refuse(errno.ENOENT)
                if found.target:
                    links += 1
                    if links > _LINKS_LIMIT or not symlinks:
                        refuse(errno.ELOOP)
                    place = root if found.target.startswith("/") else place
                    parts += found.target.split("/")[::-1]
                else:
                    place = self.topmost(Place(place.mount, found, place, part))
        return place

    def clone(self, place: Place, *, recursive: bool) -> Mount:
        """Return a detached mount of what is seen at a place."""
        tree = Mount(place.node, place.mount.kind, place.mount.attributes)
        if recursive:
            below = [(node, cover) for (mount, node), cover in self._covers.items() if mount is place.mount]
            self._covers.update({(tree, node): cover for node, cover in below})
        return tree

    def attach(self, tree: Mount, place: Place) -> None:
        """Cover a place with a mount."""
        target = self.topmost(place)
        if (tree.root.entries is None) != (target.node.entries is None):
            refuse(errno.EINVAL)
        self._covers[target.mount, target.node] = tree
        tree.attached = True

    def detach(self, mount: Mount) -> None:
        """Take a mount out of the tree."""
        self._covers = {covered: cover for covered, cover in self._covers.items() if cover is not mount}
        mount.attached = False

    def path_of(self, place: Place, root: Place) -> str:
        """Return a place's path below a root, as getcwd(2) does."""
        names: list[str] = []
        current: Place | None = place
        while current is not None and not current.is_at(root):
            names.append(current.name)
            current = current.parent
        path = "/" + "/".join(reversed(names))
        return path if current is not None else f"(unreachable){path}"
