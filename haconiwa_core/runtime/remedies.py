"""What to do about a failed step: the likely cause, from the function, the errno and the plan."""

from __future__ import annotations

import errno

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from haconiwa_core.linux.vocabulary import advice_for
from haconiwa_core.planning.plan import Plan, PlannedStep

_NO_SUCH_PATH = "the host has no such directory or file"
_NOT_INSIDE = "the container has no such directory or file"
_OF_ONE_KIND = "a directory can be mounted on a directory only, a file on a file"
_NO_SUCH_TARGET = "the path must exist in the root, or the root must be writable when it is mounted"
_NOT_EXECUTABLE = "it is no executable file, or lies on a mount with noexec"
_LANDLOCK = "Landlock allows no execution of it, or of its interpreter or loader"
_OWN_GROUP = "start it as `haconiwa scope run ...` (of haconiwa-scope, where systemd is), or name a parent"
_SCORE = "lowering the score below what the caller was given needs CAP_SYS_RESOURCE"

_BY_FUNCTION = {
    ("attach_below_root", errno.EACCES): "the root's owner is not mapped: make the mount point beforehand",
    ("attach_below_root", errno.ENOENT): _NO_SUCH_TARGET,
    ("attach_below_root", errno.EINVAL): _OF_ONE_KIND,
    ("attach_below_root", errno.ENOTDIR): _OF_ONE_KIND,
    ("attach_below_root", errno.EROFS): "the root's file system is read-only: make the mount point beforehand",
    ("attach_below_root", errno.ELOOP): "a symbolic link stands where the container needs a real directory",
    ("attach_below_root", errno.EOVERFLOW): "the root's owner is not mapped: make the mount point beforehand",
    ("bind_handle", errno.EEXIST): "keep it on a free path, or end what is there: umount PATH; rm PATH",
    ("bind_handle", errno.ENOENT): _NO_SUCH_PATH,
    ("bind_handle", errno.EINVAL): "a mount namespace's handle needs a private mount:"
    " mount --bind DIR DIR; mount --make-private DIR",
    ("change_directory", errno.ENOENT): _NOT_INSIDE,
    ("clone", errno.EACCES): f"the caller must lie below the same group that is its own: {_OWN_GROUP}",
    ("execute_open_file", errno.EACCES): _NOT_EXECUTABLE,
    ("execute_open_file", errno.ENOENT): "it is a script, or its loader is not in the container: take a static program",
    ("execute_open_file", errno.ENOEXEC): "it is no program for this machine",
    ("join_namespace", errno.EINVAL): "it is no namespace of this kind, or the process is in it already",
    ("make_cgroup", errno.EACCES): _OWN_GROUP,
    ("make_filesystem", errno.ENODEV): "the kernel has no such file system, or its module is not loaded",
    ("make_filesystem", errno.ENOENT): _NO_SUCH_PATH,
    ("open_cgroup", errno.ENOENT): "name the same parent as the container's start did",
    ("open_directory", errno.ENOENT): _NO_SUCH_PATH,
    ("open_file", errno.ENOENT): _NO_SUCH_PATH,
    ("open_file_inside", errno.ENOENT): _NOT_INSIDE,
    ("open_file_inside", errno.ELOOP): "a link of proc is not followed, nor a loop of links",
    ("open_namespace", errno.EACCES): "the caller may not look into that process (ptrace(2))",
    ("open_namespace", errno.ENOENT): "there is no such process or path",
    ("open_tree", errno.ENOENT): _NO_SUCH_PATH,
    ("set_oom_score_adj", errno.EACCES): _SCORE,
    ("set_oom_score_adj", errno.EPERM): _SCORE,
    ("write_id_maps", errno.EPERM): "without CAP_SETUID, CAP_SETGID and CAP_SETFCAP a caller may map one id only:"
    " their own, if it is not 0",
    ("write_kernel_file", errno.ERANGE): "a clock must not become negative",
}

REMEDY_BY_ERRNO = {
    errno.ENOSPC: "a limit of /proc/sys/user, or of a disk, is reached",
    errno.EUSERS: "a limit of /proc/sys/user is reached",
    errno.EMFILE: "the caller has too many open files: raise its RLIMIT_NOFILE",
    errno.EAGAIN: "the caller may not make more processes: its RLIMIT_NPROC or pids limit is reached",
}


def remedy_for(plan: Plan, planned: PlannedStep, code: int) -> str:
    """Return advice for a failure, or "" where nothing better than the errno can be said."""
    name = planned.step.function.__name__
    if name == "execute":
        return _remedy_for_command(plan, code)
    if name == "set_limit" and code == errno.EPERM and not plan.host.has_capability(CAP_SYS_RESOURCE):
        return "raising a hard limit needs CAP_SYS_RESOURCE, which the caller does not have"
    found = advice_for(planned.step.function, code) or _BY_FUNCTION.get((name, code)) or REMEDY_BY_ERRNO.get(code, "")
    if not found and code == errno.EPERM and not plan.host.has_capability(CAP_SYS_ADMIN):
        return "run as root, or add a user namespace"
    return found


def _remedy_for_command(plan: Plan, code: int) -> str:
    program = plan.container.command[0]
    path = plan.container.environment()["PATH"]
    calls = {instruction.number for process in plan.program.processes for instruction in process}
    denied = f", or {_LANDLOCK}" if Call.landlock_restrict_self in calls else ""
    return {
        errno.ENOENT: "no such file in the container, or its interpreter or loader is missing there"
        if "/" in program
        else f"not found in PATH={path} of the container",
        errno.ENOEXEC: "neither a program for this machine nor a script that begins with #!",
        errno.EACCES: f"{_NOT_EXECUTABLE}{denied}",
    }.get(code, "")
