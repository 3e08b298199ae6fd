"""A plan as the findings look at it: what it leaves to its command."""

from __future__ import annotations

from functools import cached_property

from haconiwa_audit.filters import Asked, denies, filters_of
from haconiwa_core import linux
from haconiwa_core.facts import CapabilitySets, IdMap, Namespace, NewRoot, NoNewPrivileges
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CAP_SETGID, CAP_SETUID, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
from haconiwa_core.linux.mounts import ROOT
from haconiwa_core.operation import Slot
from haconiwa_core.planning.plan import Plan

_EVERY_CAPABILITY = (1 << 64) - 1
_HOLDING_FILES = ("overlay", "tmpfs")
"""New file systems in which programs and device files can lie."""


class View:
    """What the command of a plan has and may do.

    Attributes:
        plan: that is looked at.
        facts: what its features have published.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.facts = plan.facts
        self._filters = tuple(filters_of(plan))

    def has_own(self, kind: str) -> bool:
        """Return whether a namespace is not the host's.

        Args:
            kind: the file in /proc/PID/ns.
        """
        return self.facts.get(Namespace, kind) is not None

    @property
    def has_new_mounts(self) -> bool:
        """Whether the mount namespace is new: nobody else has it."""
        mounts = self.facts.get(Namespace, "mnt")
        return mounts is not None and not mounts.joined

    @property
    def has_own_root(self) -> bool:
        """Whether the root is not the host's: another one, or that of a mount namespace that is joined."""
        joined = self.has_own("mnt") and not self.has_new_mounts
        return joined or self.facts.get(NewRoot) is not None

    @cached_property
    def is_chrooted(self) -> bool:
        """Whether the root is the process's only, while its mount namespace has another one."""
        return any(item.step.function is linux.change_root for item in self.plan.steps)

    @property
    def keeps_privileges(self) -> bool:
        """Whether no program gives more rights than its caller has."""
        return self.facts.get(NoNewPrivileges) is not None

    @cached_property
    def user(self) -> int:
        """The user, as the container sees it."""
        for planned in reversed(self.plan.steps):
            if planned.step.function is linux.set_uid:
                (uid,) = planned.step.arguments
                assert isinstance(uid, int)
                return uid
        host = self.plan.host
        is_root = self.has_own("user") or (host.has_capability(CAP_SETUID) and host.has_capability(CAP_SETGID))
        return 0 if is_root else host.uid

    @property
    def is_root_of_host(self) -> bool:
        """Whether the user is the host's user 0."""
        if not self.has_own("user"):
            return self.user == 0
        mapping = self.facts.get(IdMap)
        return mapping is not None and any(
            0 <= self.user - part.inside < part.count and self.user - part.inside + part.outside == 0
            for part in mapping.users
        )

    @cached_property
    def capabilities(self) -> int:
        """What the command has over the namespaces of its own user namespace, as a bit mask."""
        if self.user != 0:
            return self._ambient()
        available = _EVERY_CAPABILITY if self.has_own("user") else self.plan.host.capabilities
        sets = self.facts.get(CapabilitySets)
        return available & sets.permitted if sets else available

    def has(self, capability: int) -> bool:
        """Return whether the command has a capability, by its CAP_* number, within its own user namespace."""
        return bool(self.capabilities >> capability & 1)

    def may(self, capability: int, *calls: Asked) -> bool:
        """Return whether the command has a capability over the host, and may make one of the calls that need it."""
        return not self.has_own("user") and self.has(capability) and any(map(self.lets, calls))

    def lets(self, call: Asked, *arguments: int) -> bool:
        """Return whether no filter of system calls denies a call; arguments that are not given are 0."""
        return not any(denies(program, call, arguments) for program in self._filters)

    @cached_property
    def mounts(self) -> tuple[int, ...]:
        """The MOUNT_ATTR_* bits of the root and of all mounts below it that may hold programs and device files."""
        # What is no mount of its own has no attributes of its own.
        found: dict[Slot | None, int] = {ROOT: 0}
        for step in (planned.step for planned in self.plan.steps):
            if step.function is linux.open_tree or (
                step.function is linux.make_filesystem and step.arguments[0] in _HOLDING_FILES
            ):
                found[step.into] = _bits(step.arguments[2])
            elif step.function is linux.set_tree_attributes:
                tree, wanted, *cleared = step.arguments
                assert isinstance(tree, Slot)
                found[tree] = found.get(tree, 0) & ~sum(map(_bits, cleared)) | _bits(wanted)
        return tuple(found.values())

    def does(self, function: object, *arguments: object) -> bool:
        """Return whether a step has a function and these first arguments."""
        return any(
            planned.step.function is function and planned.step.arguments[: len(arguments)] == arguments
            for planned in self.plan.steps
        )

    def limits(self, option: str) -> bool:
        """Return whether the container's control group limits something, by the name of its option."""
        section = self.plan.container.feature("cgroup")
        return getattr(section, option, None) not in (None, "max")

    def _ambient(self) -> int:
        """Return what a user other than 0 is given when the command is executed."""
        raised = 0
        for planned in self.plan.steps:
            for operation in planned.operations():
                if operation.call is Call.prctl and operation.arguments[:2] == (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE):
                    number = operation.arguments[2]
                    assert isinstance(number, int)
                    raised |= 1 << number
        return raised


def _bits(value: object) -> int:
    assert isinstance(value, int)
    return value
