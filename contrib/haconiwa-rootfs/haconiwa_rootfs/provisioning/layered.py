"""A root of several layers that is changed in place; for the containers of steps only, and no entry point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from haconiwa_core.facts import Fact, NewRoot
from haconiwa_core.feature import Feature, Rootless, option
from haconiwa_core.planning.context import Planning
from haconiwa_core.plugins.discovery import GROUP, Installed
from haconiwa_core.plugins.entrypoints import EntryPoint
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_rootfs.overlay import InMemory, Kept, overlay_steps


@dataclass(frozen=True, kw_only=True)
class Layered(Feature):
    """The root is an overlay that can be changed (overlayfs)."""

    section: ClassVar[str] = "rootfs-layered"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.PREPARE, Stage.MOUNTS, Stage.ROOT)
    rootless: ClassVar[Rootless] = Rootless("yes", "in a user namespace")

    layers: Sequence[str] = option((), "directories of the host, the lowest first")
    directory: str = option("", "of the host, whose `upper` takes the changes; without it they live in memory")
    idmapped: bool = option(False, "files that belong to root on the disk belong to the container's root")


INSTALLED = Installed(EntryPoint(Layered.section, __name__, GROUP))
"""What `Plugins` needs to know of it."""


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Layered


@hookimpl
def haconiwa_facts(feature: Layered) -> Iterator[Fact]:
    """Tell that the container's files are not the host's."""
    yield NewRoot(feature.layers[-1])


@hookimpl
def haconiwa_steps(feature: Layered, planning: Planning) -> Iterator[Step]:
    """Merge the layers and make them the root."""
    changes = Kept(feature.directory) if feature.directory else InMemory()
    yield from overlay_steps(feature.layers, changes, planning, idmapped=feature.idmapped)
