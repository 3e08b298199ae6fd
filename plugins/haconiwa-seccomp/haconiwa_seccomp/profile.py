"""What a profile is, and the capabilities that decide which of its rules hold."""

from __future__ import annotations

import errno
from typing import NamedTuple

from haconiwa_core.facts import CapabilitySets, NoNewPrivileges
from haconiwa_core.planning.context import Planning
from haconiwa_seccomp import Action, Errno, Rule, default

_CAPABILITIES = """
    CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP
    CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER
    CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE
    CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP
    CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF
    CAP_CHECKPOINT_RESTORE
    """

CAPABILITIES = tuple(_CAPABILITIES.split())
"""Their names, in the order of their numbers (capabilities(7))."""


ERRORS = {name: number for name, number in vars(errno).items() if name.startswith("E")}
"""The numbers of errors, by their names (errno(3))."""


class Profile(NamedTuple):
    """Rules that are ready made.

    Args:
        rules: in their order.
        default: what becomes of a call that no rule matches.
        errno: the error that `default` gives.
        known: the calls that it names under any condition; newer ones are unknown to it.
        flags: SECCOMP_FILTER_FLAG_*.
    """

    rules: tuple[Rule, ...]
    default: Action = "errno"
    errno: Errno = "EPERM"
    known: tuple[str, ...] = ()
    flags: int = 0


NONE = Profile(())
"""Everything is denied."""


def default_profile(planning: Planning) -> Profile:
    """Return the default profile for a container."""
    everything = default.rules(frozenset(CAPABILITIES))
    known = tuple(name for rule in everything for name in rule.names)
    return Profile(default.rules(capabilities(planning)), known=known)


def capabilities(planning: Planning) -> frozenset[str]:
    """Return the capabilities that a process of the container may come to have."""
    sets = planning.facts.get(CapabilitySets)
    if sets is not None:
        # Only a program that may give rights leads from what the command has to what it could have.
        mask = sets.permitted if planning.facts.get(NoNewPrivileges) else sets.bounding
    elif planning.user_namespace:
        mask = -1
    else:
        mask = planning.host.capabilities
    return frozenset(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)
