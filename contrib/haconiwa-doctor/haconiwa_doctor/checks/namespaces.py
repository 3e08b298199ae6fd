"""The kinds of namespaces, each made by the caller, and in a user namespace as an ordinary user makes them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from functools import partial

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import gather
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CloneFlag
from haconiwa_core.runtime.cause import Cause
from haconiwa_doctor import kernel
from haconiwa_doctor.causes.namespaces import limit_of, limit_reached, obstacles, policies
from haconiwa_doctor.children import BECOMING, NOBODY, Refusal, Steps, tried

_KINDS = {
    "mnt": (CloneFlag.CLONE_NEWNS, "mounts of its own: a root, read-only paths, /proc"),
    "uts": (CloneFlag.CLONE_NEWUTS, "a host name of its own"),
    "ipc": (CloneFlag.CLONE_NEWIPC, "shared memory and message queues of its own"),
    "net": (CloneFlag.CLONE_NEWNET, "a network of its own"),
    "pid": (CloneFlag.CLONE_NEWPID, "no process of the host is seen, and all end with the first"),
    "cgroup": (CloneFlag.CLONE_NEWCGROUP, "its control group looks like the root"),
    "time": (CloneFlag.CLONE_NEWTIME, "clocks of its own since boot"),
}
"""All but the user namespace: the flag of each, and what a container gets by it."""

_OPTIONS = {
    "mnt": "CONFIG_NAMESPACES",
    "uts": "CONFIG_UTS_NS",
    "ipc": "CONFIG_IPC_NS",
    "net": "CONFIG_NET_NS",
    "pid": "CONFIG_PID_NS",
    "user": "CONFIG_USER_NS",
    "cgroup": "CONFIG_CGROUPS",
    "time": "CONFIG_TIME_NS",
}
_MIXED = "run as root that has it, or add ns-user to the container"


def in_user_namespace(user: int, group: int, flags: int = 0) -> Steps:
    """Return the steps into a new user namespace and past it: maps, user 0, and a mount of its own.

    Args:
        user: who does them.
        group: his.
        flags: of namespaces that are made with it.
    """
    made = CloneFlag.CLONE_NEWUSER | CloneFlag.CLONE_NEWNS | flags
    return [
        ("unshare", lambda: kernel.unshare(made)),
        ("writing uid_map and gid_map", lambda: kernel.map_self(user, group)),
        ("becoming its user 0", kernel.become_root),
        ("making mounts private", kernel.make_mounts_private),
        ("mounting tmpfs", lambda: os.close(kernel.new_mount("tmpfs"))),
    ]


def as_ordinary_user(flags: int = 0, more: Steps = ()) -> Refusal | None:
    """Try a user namespace as who calls, or, if that is root, as the user nobody where there is one.

    Args:
        flags: of namespaces that are made with it.
        more: what is done in it.
    """
    if os.geteuid() == 0:
        refusal = tried([*in_user_namespace(NOBODY, NOBODY, flags), *more], user=NOBODY)
        if refusal is None or refusal.step != BECOMING:
            return refusal
    return tried([*in_user_namespace(os.geteuid(), os.getegid(), flags), *more])


def user() -> Iterator[Diagnosis]:
    """The user namespace, and the step after it: some hosts give one in which nothing is allowed."""
    has_rights = gather().has_capability(CAP_SYS_ADMIN)
    done = "made, mapped, mounted in"
    if os.geteuid() == 0:
        refusal = tried(in_user_namespace(0, os.getegid()))
        yield _user_namespace("user namespace", refusal, done, essential=not has_rights, privileged=has_rights)
    name = "user namespace of an ordinary user"
    if os.geteuid() == 0 and (refusal := tried([], user=NOBODY)):
        yield Diagnosis(name, "degraded", f"cannot be tried here: {refusal}")
    else:
        essential = os.geteuid() != 0
        yield _user_namespace(name, as_ordinary_user(), done, essential=essential, privileged=False)


def _user_namespace(name: str, refusal: Refusal | None, done: str, *, essential: bool, privileged: bool) -> Diagnosis:
    if refusal is None:
        return Diagnosis(name, "ok", done, essential=essential)
    found = next(iter([*policies(privileged=privileged), *obstacles()]), Cause("", _kernel_without("user")))
    meaning = "; ".join(filter(None, (str(refusal), found.text, "containers with ns-user do not start")))
    return Diagnosis(name, "missing", meaning, found.remedy, essential)


def kinds() -> Iterator[Diagnosis]:
    """Each other kind, as the caller makes it; else within a user namespace."""
    known = gather().namespaces
    for kind, (flag, meaning) in _KINDS.items():
        name = f"{kind} namespace"
        if kind not in known:
            yield Diagnosis(name, "missing", f"the kernel has none; not: {meaning}", _kernel_without(kind))
        elif (refusal := tried([("unshare", partial(kernel.unshare, flag))])) is None:
            yield Diagnosis(name, "ok", meaning)
        elif os.geteuid() != 0 and as_ordinary_user(flag) is None:
            yield Diagnosis(name, "ok", f"{meaning}; within a user namespace")
        else:
            cause = _cause_of(kind, refusal)
            yield Diagnosis(name, "missing", "; ".join((str(refusal), cause.text, f"not: {meaning}")), cause.remedy)


def _cause_of(kind: str, refusal: Refusal) -> Cause:
    """Return why the kernel gives the caller no namespace of a kind that it has."""
    limit = limit_of(kind)
    if refusal.number in (errno.ENOSPC, errno.EUSERS) and limit is not None:
        return limit_reached(kind, limit)
    if not gather().has_capability(CAP_SYS_ADMIN):
        return Cause("the caller does not have CAP_SYS_ADMIN", _MIXED)
    return next(obstacles(), Cause("nothing tells why", "see `dmesg`: a security module may have denied it"))


def policy() -> Iterator[Diagnosis]:
    """Settings of the host against user namespaces, whether they are about the caller or not."""
    found = list(policies(privileged=False))
    for cause in found:
        yield Diagnosis("user namespace policy", "degraded", cause.text, cause.remedy)
    if not found:
        yield Diagnosis("user namespace policy", "ok", "no setting keeps ordinary users from user namespaces")


def _kernel_without(kind: str) -> str:
    return f"run a kernel with {_OPTIONS[kind]}=y"


CHECKS = (user, kinds, policy)
