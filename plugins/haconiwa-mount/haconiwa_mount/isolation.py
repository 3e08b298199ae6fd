"""What is mounted for a live process, and what of it is hidden or read-only (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from haconiwa_core.isolation.confined import Confined, Found
from haconiwa_core.isolation.rows import Row, compared, lines_of
from haconiwa_core.linux.constants import (
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MountAttribute,
)
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_mount import Bind, Mount
from haconiwa_mount.files import attributes_of
from haconiwa_mount.kernel import DEV, DEVICES, KERNEL_FILESYSTEMS
from haconiwa_mount.protection import masked, read_only

_FILE = "/proc/PID/mountinfo"
_ROOT = "/proc/PID/root"
_FLAGS = {
    MOUNT_ATTR_IDMAP: "idmapped",
    MOUNT_ATTR_NODEV: "nodev",
    MOUNT_ATTR_NOEXEC: "noexec",
    MOUNT_ATTR_NOSUID: "nosuid",
    MOUNT_ATTR_RDONLY: "ro",
}


class _Wanted(NamedTuple):
    """A mount that is asked for.

    Args:
        target: where.
        kind: of file system; "" for a bind.
        flags: as /proc/PID/mountinfo has them.
        source: of a bind, on the host.
    """

    target: str
    kind: str
    flags: tuple[str, ...]
    source: str = ""


def rows(feature: Mount | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield how many mounts there are, each that was asked for, and what is protected."""
    number, host = (str(len(each.mounts)) for each in (confined, confined.host))
    yield compared(Mount.section, "mounts", "", number, host, _FILE)
    if feature is None:
        return
    yield from (_mount(wanted, confined) for wanted in _wanted(feature, plan))
    if feature.dev:
        yield _devices(confined)
    if paths := masked(feature):
        left = [path for path in paths if not _is_hidden(confined, path)]
        yield _protected("masked paths", "hidden", len(paths), left)
    if paths := read_only(feature):
        left = [path for path in paths if not _is_read_only(confined, path)]
        yield _protected("read-only paths", "read-only", len(paths), left)


def _wanted(feature: Mount, plan: Plan) -> Iterator[_Wanted]:
    planning = Planning(plan.container, plan.host)
    fresh = [filesystem for option, filesystem in KERNEL_FILESYSTEMS.items() if getattr(feature, option)]
    for filesystem in (*fresh, *((DEV,) if feature.dev else ())):
        yield _Wanted(filesystem.target, filesystem.kind, _flags(filesystem.attributes))
    for bind in feature.bind:
        yield _Wanted(bind.target, "", _flags(_attributes_of(bind)), planning.host_path(bind.source))
    for tmpfs in feature.tmpfs:
        yield _Wanted(tmpfs.target, "tmpfs", _flags(attributes_of(tmpfs)))
    for overlay in feature.overlay:
        flags = MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if overlay.read_only else MountAttribute(0))
        yield _Wanted(overlay.target, "overlay", _flags(flags))


def _mount(wanted: _Wanted, confined: Confined) -> Row:
    """Return whether a mount is there; one that forbids more than was asked for is good."""
    found = _look(confined, wanted.target)
    asked, in_force, holds = _text(wanted.kind, wanted.flags), "not mounted", False
    if found and found.mount and found.is_target:
        flags = found.mount.options.intersection(_FLAGS.values())
        right = _is_source(found, wanted.source) if wanted.source else found.mount.kind == wanted.kind
        in_force = _text(found.mount.kind if wanted.kind or not right else "", flags)
        holds = right and flags.issuperset(wanted.flags)
    row = compared(Mount.section, f"mount {wanted.target}", asked, in_force, "", _FILE)
    return row._replace(state="holds" if holds else "fails")


def _attributes_of(bind: Bind) -> MountAttribute:
    return attributes_of(bind) | (MOUNT_ATTR_IDMAP if bind.idmapped else MountAttribute(0))


def _devices(confined: Confined) -> Row:
    there = []
    for name in DEVICES:
        found = _look(confined, f"/dev/{name}")
        if found and stat.S_ISCHR(found.status.st_mode) and found.status.st_rdev == os.stat(f"/dev/{name}").st_rdev:
            there.append(name)
    return compared(Mount.section, "devices", lines_of(DEVICES), lines_of(there), "", f"{_ROOT}/dev")


def _protected(what: str, how: str, number: int, left: list[str]) -> Row:
    in_force = f"{number - len(left)} {how}"
    shown = f"{in_force}, but not {lines_of(left)}" if left else in_force
    return compared(Mount.section, what, f"{number} {how}", shown, "", f"{_ROOT}, {_FILE}")


def _is_hidden(confined: Confined, path: str) -> bool:
    """Return whether a path shows nothing: it is the null device, or an empty tmpfs that cannot be written to."""
    found = _look(confined, path)
    if found is None:
        return True
    if stat.S_ISCHR(found.status.st_mode):
        return found.status.st_rdev == os.makedev(1, 3)
    return bool(found.is_target and found.mount and found.mount.kind == "tmpfs" and "ro" in found.mount.options)


def _is_read_only(confined: Confined, path: str) -> bool:
    """Return whether nothing at a path or mounted below it can be written to."""
    found = _look(confined, path)
    if found is None:
        return True
    below = [each for each in confined.mounts if each.target.startswith(f"{path}/")]
    return all(mount is not None and "ro" in mount.options for mount in (found.mount, *below))


def _look(confined: Confined, path: str) -> Found | None:
    """Return what a process sees at a path; None where there is nothing."""
    try:
        return confined.found(path)
    except (FileNotFoundError, NotADirectoryError):
        confined.check()
        return None


def _is_source(found: Found, source: str) -> bool:
    try:
        return os.path.samestat(found.status, os.stat(source))
    except FileNotFoundError:
        return False


def _flags(attributes: MountAttribute) -> tuple[str, ...]:
    return tuple(flag for attribute, flag in _FLAGS.items() if attribute & attributes)


def _text(kind: str, flags: Iterable[str]) -> str:
    return f"{kind or 'bind'}: {lines_of(sorted(flags))}"
