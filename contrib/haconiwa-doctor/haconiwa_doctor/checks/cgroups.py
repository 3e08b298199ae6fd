"""Control groups: which hierarchies there are, and what the caller may make of them (cgroups(7))."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import CgroupTree, gather
from haconiwa_core.linux.constants import CLONE_INTO_CGROUP
from haconiwa_doctor import kernel
from haconiwa_doctor.children import Refusal, tried

_UNIFIED = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
_CONTROLLERS = {
    "memory": ("memory", "a limit on memory, and the reason oom"),
    "cpu": ("cpu", "a share of the processors"),
    "cpuset": ("cpuset", "processors and memory nodes of its own"),
    "pids": ("pids", "a limit on processes"),
    "io": ("blkio", "limits on disks"),
    "hugetlb": ("hugetlb", "limits on huge pages"),
}
"""By their names in version 2: those in version 1, and what a container gets by each."""

_DELEGATE = "haconiwa scope run ... (of haconiwa-scope), or cgroup.parent names a group that was given to the caller"
_DROP_IN = (
    "for users: /etc/systemd/system/user@.service.d/delegate.conf with"
    " [Service] Delegate=cpu cpuset io memory pids; then systemctl daemon-reload, and log in again"
)


def layout() -> Iterator[Diagnosis]:
    """Which versions are mounted."""
    trees = gather().cgroups
    controllers = {name for tree in trees if tree.version == 1 for name in tree.controllers if "=" not in name}
    if not trees:
        meaning = "no hierarchy is mounted: no limits, and no way to end all of a container at once"
        yield Diagnosis("cgroup layout", "missing", meaning, "mount -t cgroup2 none /sys/fs/cgroup")
    elif controllers:
        kind = "hybrid" if any(tree.version == 2 for tree in trees) else "version 1"
        meaning = f"{kind}: version 1 has {', '.join(sorted(controllers))}; nothing of it can be delegated safely"
        yield Diagnosis("cgroup layout", "degraded", meaning, _UNIFIED)
    else:
        yield Diagnosis("cgroup layout", "ok", "version 2")


def controllers() -> Iterator[Diagnosis]:
    """Each controller that options of containers need."""
    trees = gather().cgroups
    for name, (older, meaning) in _CONTROLLERS.items():
        place = next((tree for tree in trees if (name if tree.version == 2 else older) in tree.controllers), None)
        if place:
            yield Diagnosis(f"cgroup {name}", "ok", f"{meaning}: version {place.version} at {place.mount}")
            continue
        hidden = _is_known(older)
        remedy = f"boot with cgroup_enable={older}" if hidden else "run a kernel that has it; see /proc/cgroups"
        if any(tree.version == 2 and tree.own != "/" for tree in trees):
            remedy = f"turn it on above the caller's own group; {_DROP_IN}"
        yield Diagnosis(f"cgroup {name}", "missing", f"not {meaning}", remedy)


def _is_known(name: str) -> bool:
    return any(line.split()[0] == name for line in Path("/proc/cgroups").read_text().splitlines()[1:])


def delegation() -> Iterator[Diagnosis]:
    """Whether the caller can make a group, begin a process in it, and turn controllers on for those below."""
    for tree in gather().cgroups:
        if any("=" in name for name in tree.controllers):
            continue  # systemd's own, which is nobody else's.
        name = f"cgroup delegation ({'version 2' if tree.version == 2 else ','.join(tree.controllers)})"
        try:
            with _group(tree) as group:
                yield from _within(name, tree, group)
        except OSError as error:
            owner = os.stat(_folder(tree)).st_uid
            meaning = f"{_folder(tree)} belongs to user {owner}, and no group can be made in it: {error.strerror}"
            remedy = f"{_DELEGATE}; {_DROP_IN}" if tree.version == 2 else _UNIFIED
            yield Diagnosis(name, "missing", meaning, remedy)


def _folder(tree: CgroupTree) -> Path:
    """Return the group below which those of containers would lie."""
    top = os.geteuid() == 0 and not tree.delegated
    return Path(tree.mount if top else os.path.normpath(tree.mount + tree.own))


@contextmanager
def _group(tree: CgroupTree) -> Iterator[Path]:
    """Make a group, which is removed again."""
    group = _folder(tree) / f"haconiwa-doctor-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        group.rmdir()


def _within(name: str, tree: CgroupTree, group: Path) -> Iterator[Diagnosis]:
    if tree.version == 1:
        yield Diagnosis(name, "ok", f"a group can be made in {group.parent}")
        return
    if refusal := _clone_into(group):
        remedy = "see clone3 above" if refusal.number == errno.ENOSYS else _DELEGATE
        yield Diagnosis("CLONE_INTO_CGROUP", "missing", f"{refusal}; no container begins in its group", remedy)
    else:
        yield Diagnosis("CLONE_INTO_CGROUP", "ok", "a container's first process begins in its group")
    has_kill = (group / "cgroup.kill").exists()
    meaning = "all of a container is killed at once"
    yield (
        Diagnosis("cgroup.kill", "ok", meaning)
        if has_kill
        else Diagnosis("cgroup.kill", "degraded", f"not {meaning}, but one process after the other", "run Linux 5.14")
    )
    yield _turned_on(name, group.parent)


def _clone_into(group: Path) -> Refusal | None:
    def enter() -> None:
        kernel.clone(CLONE_INTO_CGROUP, os.open(group, os.O_RDONLY | os.O_DIRECTORY))

    return tried([("clone3", enter)])


def _turned_on(name: str, folder: Path) -> Diagnosis:
    """Turn a controller on for the groups below a folder, and off again, if none is on."""
    made = f"a group can be made in {folder}"
    available = (folder / "cgroup.controllers").read_text().split()
    control = folder / "cgroup.subtree_control"
    on = control.read_text().split()
    if on:
        return Diagnosis(name, "ok", f"{made}; {', '.join(on)} are on below it")
    if not available:
        return Diagnosis(name, "degraded", f"{made}, but it has no controllers", _DROP_IN)
    try:
        control.write_text(f"+{available[0]}")
        control.write_text(f"-{available[0]}")
    except OSError as error:
        if (folder / "cgroup.procs").read_text().strip():
            meaning = f"{made}, but its own processes are in the way of controllers (no internal processes)"
            remedy = "nothing: haconiwa-cgroup moves them into haconiwa-caller below it, where the group is delegated"
            return Diagnosis(name, "ok", f"{meaning}: {error.strerror}", remedy)
        return Diagnosis(name, "degraded", f"{made}, but no controller turned on: {error.strerror}", _DELEGATE)
    return Diagnosis(name, "ok", f"{made}, and {', '.join(available)} turned on")


def pressure() -> Iterator[Diagnosis]:
    """Pressure stall information, by which hooks under pressure run."""
    if Path("/proc/pressure/memory").exists():
        yield Diagnosis("pressure", "ok", "hooks can run when a container is short of something (PSI)")
    else:
        remedy = "boot with psi=1, or run a kernel with CONFIG_PSI=y"
        yield Diagnosis("pressure", "degraded", "the kernel tells of none: no hooks under pressure by it", remedy)


def freezer() -> Iterator[Diagnosis]:
    """What pause and unpause need."""
    trees = gather().cgroups
    if any(tree.version == 2 or "freezer" in tree.controllers for tree in trees):
        yield Diagnosis("freezer", "ok", "containers can be paused")
    else:
        yield Diagnosis("freezer", "missing", "containers cannot be paused", _UNIFIED)


CHECKS = (layout, controllers, delegation, pressure, freezer)
