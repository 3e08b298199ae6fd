"""The root directory of a live process (root in proc_pid_root(5), proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_chroot import Chroot
from haconiwa_core.facts import Namespace, NewRoot
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, lines_of, unknown
from haconiwa_core.linux.constants import CLONE_NEWNS

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_WHAT = "root directory"
_HOSTS = "the host's"
_FLAGS = {"read_only": "ro", "nosuid": "nosuid", "nodev": "nodev", "idmapped": "idmapped"}


def rows(feature: Chroot | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield which directory is the root, and what its mount forbids."""
    root = plan.facts.get(NewRoot) if feature else None
    yield _directory(root.path if root else "", confined)
    options, host = (_options(each) for each in (confined, confined.host))
    wanted = [] if feature is None or not _is_mount(plan) else _wanted(feature)
    asked, in_force = lines_of(wanted) if wanted else "", lines_of(sorted(options))
    row = compared(Chroot.section, "root mount", asked, in_force, lines_of(sorted(host)), "/proc/PID/mountinfo")
    yield row._replace(state="holds") if wanted and options.issuperset(wanted) else row


def _directory(asked: str, confined: Confined) -> Row:
    verified = "/proc/PID/root"
    found, host = confined.file("root"), confined.host.file("root")
    in_force = _HOSTS if os.path.samestat(found, host) else "another directory"
    try:
        # A root that is the host's own is another mount of it.
        if asked and os.path.samestat(found, os.stat(asked)):
            in_force = asked
    except OSError as error:
        return unknown(Chroot.section, _WHAT, asked, f"{asked}: {error.strerror}")
    return compared(Chroot.section, _WHAT, asked, in_force, "/", verified)


def _is_mount(plan: Plan) -> bool:
    """Return whether the root is a mount of the container's own, which alone can forbid something."""
    return any(found.flag == CLONE_NEWNS and not found.joined for found in plan.facts.all(Namespace))


def _wanted(feature: Chroot) -> list[str]:
    return sorted(flag for option, flag in _FLAGS.items() if getattr(feature, option) is not False)


def _options(confined: Confined) -> frozenset[str]:
    mount = next((each for each in reversed(confined.mounts) if each.target == "/"), None)
    return mount.options & {*_FLAGS.values(), "noexec"} if mount else frozenset()
