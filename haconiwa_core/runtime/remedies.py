"""What to do about a failed step: the likely cause, from the errno and what the plan knows."""

from __future__ import annotations

import errno

from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from haconiwa_core.plan import Plan, PlannedStep


def remedy_for(plan: Plan, planned: PlannedStep, code: int) -> str:
    """Return advice for a failure, or "" where nothing better than the errno can be said."""
    name = planned.step.function.__name__
    host = plan.host
    if name == "execute":
        return _remedy_for_command(plan, code)
    if name == "set_limit" and code == errno.EPERM and not host.has_capability(CAP_SYS_RESOURCE):
        return "raising a hard limit needs CAP_SYS_RESOURCE, which the caller does not have"
    if name == "set_oom_score_adj" and code in (errno.EPERM, errno.EACCES):
        return "lowering the score below what the caller was given needs CAP_SYS_RESOURCE"
    if name == "bind_handle" and code == errno.EINVAL:
        return "a mount namespace's handle needs a private mount: mount --bind DIR DIR; mount --make-private DIR"
    if name == "write_id_maps" and code == errno.EPERM:
        return "an ordinary user may map one id only: their own"
    if code in (errno.ENOENT, errno.ENOTDIR) and "target" in name:
        return "the path must exist in the root, or the root must be writable when it is mounted"
    if code == errno.EROFS:
        return "the root lies on a read-only file system: make the mount point in it beforehand"
    if code == errno.ELOOP:
        return "a symbolic link stands where the container needs a real directory"
    if code == errno.ENOSPC:
        return "a limit of /proc/sys/user, or of a disk, is reached"
    if code == errno.EPERM and not host.has_capability(CAP_SYS_ADMIN):
        return "run as root, or add a user namespace"
    return ""


def _remedy_for_command(plan: Plan, code: int) -> str:
    program = plan.container.command[0]
    if code == errno.ENOENT and "/" in program:
        return "no such file in the container, or its interpreter or loader is missing there"
    if code == errno.ENOENT:
        return f"not found in PATH={plan.container.environment()['PATH']} of the container"
    if code == errno.ENOEXEC:
        return "neither a program for this machine nor a script that begins with #!"
    if code == errno.EACCES:
        return "it is no executable file, or lies on a mount with noexec"
    return ""
