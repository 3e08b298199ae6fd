"""The host's files, on several ways."""

from __future__ import annotations

from haconiwa_audit.filters import Asked as Call

from haconiwa_core.linux.constants import CAP_SYS_CHROOT
from haconiwa_verify.asked import joined
from haconiwa_verify.attempt import Attempt, Words, completed, told
from haconiwa_verify.scene import Scene

_CAP_DAC_READ_SEARCH = 2
_CORE_PATTERN = "/proc/sys/kernel/core_pattern"


def _handle(scene: Scene) -> Words | str:
    if scene.handle is None:
        return "no file can be made beside the container's root"
    return ("read-by-handle", *scene.handle, "/", scene.root)


def _group(scene: Scene) -> Words | str:
    return ("leave-group", *scene.group) if scene.group else "the host has no control groups"


def _keeping_readers(scene: Scene) -> tuple[str, ...]:
    return joined(scene.asked.own_root, scene.asked.closed_path(scene.path("secret"), "read_file", "read", "execute"))


def _keeping_writers(scene: Scene) -> tuple[str, ...]:
    return joined(scene.asked.own_root, scene.asked.closed_path(scene.path("notes"), "write_file", "write"))


def _keeping_handles(scene: Scene) -> list[str]:
    asked = scene.asked
    return asked.without(_CAP_DAC_READ_SEARCH, Call.open_by_handle_at) if asked.own_root else []


def _keeping_below_root(scene: Scene) -> tuple[str, ...]:
    asked = scene.asked
    if not asked.own_root:
        return ()
    pivoted = [] if asked.view.is_chrooted and not asked.view.has_new_mounts else asked.own_root
    return joined(pivoted, asked.without(CAP_SYS_CHROOT, Call.chroot, over_host=False))


ATTEMPTS = (
    Attempt(
        "read-path",
        "read a file of the host by its path",
        lambda scene: ("read-file", scene.path("secret")),
        told,
        _keeping_readers,
    ),
    Attempt(
        "write-path",
        "write to a file of the host by its path",
        lambda scene: ("append-to-file", scene.path("notes"), scene.token),
        lambda _, scene: scene.was_written(),
        _keeping_writers,
    ),
    Attempt(
        "read-process-root",
        "read a file of the host below the root of its process",
        lambda scene: ("read-file", f"/proc/{scene.bystander.pid}/root{scene.path('secret')}"),
        told,
        lambda scene: scene.asked.own_processes,
    ),
    Attempt("read-handle", "read a file of the host by its handle", _handle, told, _keeping_handles),
    Attempt(
        "second-chroot",
        "read a file of the host above a second chroot",
        lambda scene: ("read-above-chroot", scene.path("secret")),
        told,
        _keeping_below_root,
    ),
    Attempt(
        "kernel-settings",
        "open a setting of the kernel to write (core_pattern)",
        lambda _: ("open-to-write", _CORE_PATTERN),
        completed,
        lambda scene: scene.asked.protected(_CORE_PATTERN),
    ),
    Attempt(
        "leave-cgroup",
        "leave the control group for the host's",
        _group,
        completed,
        lambda scene: scene.asked.other_user,
    ),
    Attempt(
        "cgroup-names",
        "see the names of the host's control groups",
        lambda _: ("read-file", "/proc/self/cgroup"),
        lambda answer, scene: scene.names_groups(answer),
        lambda scene: scene.asked.own("cgroup"),
    ),
)
