"""What is mounted."""

from __future__ import annotations

from haconiwa_audit.filters import Asked as Call

from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWUSER
from haconiwa_verify.attempt import Attempt, completed, permitted
from haconiwa_verify.scene import Scene


def _on_mounts(name: str, what: str, call: Call, *, own: bool) -> Attempt:
    """Return an attempt that needs CAP_SYS_ADMIN.

    Args:
        name: its key, and the probe's word for it.
        what: is tried.
        call: by which.
        own: it is tried on mounts of the attempt's own, if it can have some.
    """

    def keeping(scene: Scene) -> list[str]:
        over_host = not own and not scene.asked.view.has_new_mounts
        return scene.asked.without(CAP_SYS_ADMIN, call, over_host=over_host)

    return Attempt(name, what, lambda _: (name,), permitted, keeping)


def _keeping_users(scene: Scene) -> list[str]:
    return scene.asked.filtered(Call.unshare, arguments=(CLONE_NEWUSER,))


ATTEMPTS = (
    _on_mounts("mount", "mount a file system", Call.mount, own=True),
    _on_mounts("remount", "make the root writable, with devices", Call.mount, own=True),
    _on_mounts("unmount", "unmount a file system", Call.umount2, own=False),
    _on_mounts("pivot-root", "change the root of the mounts", Call.pivot_root, own=False),
    Attempt("user-namespace", "make a user namespace", lambda _: ("make-user-namespace",), completed, _keeping_users),
)
