"""What keeps the caller from namespaces: limits, and policies about user namespaces (user_namespaces(7))."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWUSER
from haconiwa_core.runtime.cause import Cause, Failure

_MAKING = ("clone", "unshare")
_SETTINGS = Path("/proc/sys")
_OWN = Path("/proc/self")
_FILTERED = "2"
_LAST = "/etc/sysctl.d/50-haconiwa.conf"
_PLENTY = 15000


def used_up(failure: Failure) -> Cause | None:
    """Return the limit on namespaces that is reached, if the step was to make any."""
    if failure.planned.step.function.__name__ not in _MAKING:
        return None
    flags = failure.planned.step.arguments[0]
    assert isinstance(flags, int)
    kinds = [item.kind for item in failure.plan.facts.all(Namespace) if item.flag & flags]
    limits = {kind: limit for kind in kinds if (limit := limit_of(kind)) is not None}
    return next((limit_reached(kind, 0) for kind, limit in limits.items() if limit == 0), None) or next(
        (limit_reached(kind, limit) for kind, limit in limits.items()), None
    )


def limit_of(kind: str) -> int | None:
    """Return how many namespaces of a kind, a file in /proc/PID/ns, a user may have (namespaces(7))."""
    text = _setting(f"user/max_{kind}_namespaces")
    return int(text) if text else None


def limit_reached(kind: str, limit: int) -> Cause:
    """Return what is said of a limit on namespaces that is reached."""
    name = f"user.max_{kind}_namespaces"
    allowed = "no" if limit == 0 else f"no more than {limit}"
    text = f"{name} is {limit}: the caller may have {allowed} {kind} namespaces"
    return Cause(text, _set(name, max(_PLENTY, 2 * limit)))


def blocked(failure: Failure) -> Cause | None:
    """Return the policy that keeps the caller from a user namespace, or from using one, if the plan has a new one."""
    made = any(item.flag == CLONE_NEWUSER and not item.joined for item in failure.plan.facts.all(Namespace))
    if not made:
        return None
    making = failure.planned.step.function.__name__ in _MAKING
    privileged = failure.plan.host.has_capability(CAP_SYS_ADMIN)
    found = [*policies(privileged=privileged), *(obstacles() if making and failure.code == errno.EPERM else ())]
    return next(iter(found), None)


def groups_denied(failure: Failure) -> Cause | None:
    """Return that a user namespace has no groups to set, if the step was to set them (user_namespaces(7))."""
    if failure.call != "setgroups" or (_OWN / "setgroups").read_text().strip() != "deny":
        return None
    return Cause(
        "the user namespace that the caller is in denies setgroups(2), as /proc/self/setgroups tells",
        "let root map the ids of that namespace, or start it outside",
    )


def hidden(failure: Failure) -> Cause | None:
    """Return that a filter may hide a call that the kernel has: some answer ENOSYS (seccomp(2))."""
    if not failure.call or not _is_filtered():
        return None
    return Cause(
        f"a filter of system calls is in force for the caller, and may hide {failure.call}, as other runtimes' do",
        f"let who started the caller allow {failure.call}: --security-opt seccomp=PROFILE of Docker",
    )


def policies(*, privileged: bool) -> Iterator[Cause]:
    """Yield the settings of this host that keep callers from user namespaces.

    Args:
        privileged: the caller has CAP_SYS_ADMIN; most are about those who have not.
    """
    if limit_of("user") == 0:
        yield limit_reached("user", 0)
    if privileged:
        return
    if _setting("kernel/unprivileged_userns_clone") == "0":
        name = "kernel.unprivileged_userns_clone"
        yield Cause(f"{name} is 0: ordinary users may not make user namespaces", _set(name, 1))
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        name = "kernel.apparmor_restrict_unprivileged_userns"
        yield Cause(
            f"{name} is 1: AppArmor lets ordinary users make user namespaces, and do nothing in them",
            f"load a profile for the program with the rule `userns,` (apparmor.d(5)), or {_set(name, 0)}",
        )


def obstacles() -> Iterator[Cause]:
    """Yield what about the calling process may keep it from user namespaces: EPERM in clone(2)."""
    if _is_filtered():
        yield Cause(
            "a filter of system calls is in force for the caller, and may deny it, as other runtimes' filters do",
            "let who started the caller allow clone3, clone and unshare: --security-opt seccomp=PROFILE of Docker",
        )
    if not any(line.split(" ")[4] == "/" for line in (_OWN / "mountinfo").read_text().splitlines()):
        yield Cause("the caller is in a chroot, where the kernel gives no user namespaces", "start it outside")
    mapped = [tuple(map(int, line.split())) for line in (_OWN / "uid_map").read_text().splitlines()]
    if not any(inside <= os.geteuid() < inside + count for inside, _, count in mapped):
        yield Cause("the caller's own user is not mapped in its user namespace", "map it there")


def _is_filtered() -> bool:
    status = dict(line.split(":\t", 1) for line in (_OWN / "status").read_text().splitlines() if ":\t" in line)
    return status.get("Seccomp") == _FILTERED


def _setting(name: str) -> str:
    """Return the value of a file below /proc/sys; "" where the kernel has none."""
    try:
        return (_SETTINGS / name).read_text().strip()
    except FileNotFoundError:
        return ""


def _set(name: str, value: int) -> str:
    return f"set it: `sysctl -w {name}={value}`, and for good in {_LAST}"
