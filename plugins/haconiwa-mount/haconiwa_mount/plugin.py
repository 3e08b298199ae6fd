"""Mount: what is wanted, in the order in which it must be mounted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.facts import Fact, FreshFilesystem
from haconiwa_core.feature import Feature
from haconiwa_core.finding import Finding
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.id_mapped import id_map_step
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.steps import Step
from haconiwa_mount import Mount
from haconiwa_mount.below_root import mounting
from haconiwa_mount.checks import problems_of
from haconiwa_mount.files import IDS, bind, overlay, tmpfs
from haconiwa_mount.findings import findings_of
from haconiwa_mount.kernel import KERNEL_FILESYSTEMS, devices
from haconiwa_mount.protection import masked, read_only

if TYPE_CHECKING:
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Mount


@hookimpl
def haconiwa_facts(feature: Mount) -> Iterator[Fact]:
    """Tell which namespaces the new file systems will show."""
    for option, filesystem in KERNEL_FILESYSTEMS.items():
        if getattr(feature, option):
            yield FreshFilesystem(filesystem.kind, filesystem.target, filesystem.shows)


@hookimpl
def haconiwa_steps(feature: Mount, planning: Planning) -> Iterator[Step]:
    """Mount parents first, then hide and protect."""
    if not planning.own_mounts:
        text = "would change the mounts of others: they need a new mount namespace"
        raise DefinitionError([Problem(text, hint=planning.providers("Namespace mnt"))])
    problems = list(problems_of(feature))
    if problems:
        raise DefinitionError(problems)
    mapped = next((index for index, item in enumerate(feature.bind) if item.idmapped), None)
    if mapped is not None:
        yield id_map_step(planning, f"bind[{mapped}].idmapped", IDS)
    # Sources are taken first: a mount may cover the place where the next one is found.
    yield from sorted(_mounts(feature, planning), key=lambda step: step.function is not linux.open_tree)
    yield from _protections(feature)


@hookimpl
def haconiwa_findings(plan: Plan) -> Iterator[Finding]:
    """Say what binds give away."""
    yield from findings_of(plan)


@hookimpl
def haconiwa_isolation(feature: Mount | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Read the mounts back."""
    from haconiwa_mount.isolation import rows

    yield from rows(feature, plan, confined)


def _mounts(feature: Mount, planning: Planning) -> Iterator[Step]:
    wanted: list[tuple[str, Iterator[Step]]] = []
    for option, filesystem in KERNEL_FILESYSTEMS.items():
        if getattr(feature, option):
            wanted.append((filesystem.target, filesystem.steps()))
    if feature.dev:
        wanted.append(("/dev", devices(planning, with_terminals=feature.devpts)))
    wanted += [(item.target, bind(item, index, planning)) for index, item in enumerate(feature.bind)]
    wanted += [(item.target, tmpfs(item)) for item in feature.tmpfs]
    wanted += [(item.target, overlay(item, planning)) for item in feature.overlay]
    # Stable, so that mounts of one depth keep the order in which they were written.
    for _, steps in sorted(wanted, key=lambda item: _depth(item[0])):
        yield from steps


def _protections(feature: Mount) -> Iterator[Step]:
    for path in masked(feature):
        yield mounting(linux.mask, path)
    for path in read_only(feature):
        yield mounting(linux.make_path_read_only, path)


def _depth(path: str) -> int:
    return len([part for part in path.split("/") if part])
