"""Which capabilities system calls need (capabilities(7)), as far as Haconiwa makes them.

A capability counts over the user namespace that owns what is acted upon: what a process does in a user namespace of its
own, it has all capabilities for.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.operation import Data, Operation


class Privilege(NamedTuple):
    """A capability that a call needs.

    Args:
        capability: its name, such as "CAP_SYS_ADMIN".
        unless: in which case it does not; "" for none.
    """

    capability: str
    unless: str = ""


_KINDS = sum(c.CloneFlag) - c.CLONE_NEWUSER

_ADMIN = Privilege("CAP_SYS_ADMIN")
_CHROOT = Privilege("CAP_SYS_CHROOT")
_NO_NEW_PRIVS = Privilege("CAP_SYS_ADMIN", "no_new_privs is set")
_SETGID = Privilege("CAP_SETGID", "it has that group already")
_SETUID = Privilege("CAP_SETUID", "it is that user already")
_NICE = Privilege("CAP_SYS_NICE", "it gets no more than it has")
_RESOURCE = Privilege("CAP_SYS_RESOURCE", "no hard limit is raised")

_ALWAYS: Mapping[int, Privilege] = {
    **dict.fromkeys((Call.fsopen, Call.fsconfig, Call.fsmount, Call.mount_setattr, Call.move_mount), _ADMIN),
    **dict.fromkeys((Call.open_tree, Call.pivot_root, Call.umount2), _ADMIN),
    **dict.fromkeys((Call.sethostname, Call.setdomainname), _ADMIN),
    **dict.fromkeys((Call.seccomp, Call.landlock_restrict_self), _NO_NEW_PRIVS),
    **dict.fromkeys((Call.sched_setattr, Call.sched_setaffinity, Call.setpriority, Call.ioprio_set), _NICE),
    Call.chroot: _CHROOT,
    Call.setgroups: Privilege("CAP_SETGID"),
    Call.setresgid: _SETGID,
    Call.setresuid: _SETUID,
}

_HOST: Mapping[str, tuple[Privilege, ...]] = {
    "bind_handle": (_ADMIN,),
    "open_namespace": (Privilege("CAP_SYS_PTRACE", "its process is the caller's, with no more capabilities"),),
    "open_root": (Privilege("CAP_SYS_PTRACE", "its process is the caller's, with no more capabilities"),),
    "set_oom_score_adj": (Privilege("CAP_SYS_RESOURCE", "it is not lowered"),),
    "write_id_maps": tuple(
        Privilege(name, "the caller's own id alone is mapped") for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP")
    ),
}


def privileges_of(function: Callable[..., object], operations: Iterable[Operation]) -> tuple[Privilege, ...]:
    """Return the capabilities that a step needs, each once.

    Args:
        function: of the step.
        operations: that it lowers itself to; none where it acts when it is called.
    """
    found = dict.fromkeys(_HOST.get(function.__name__, ()))
    for operation in operations:
        if errno.EPERM not in operation.accept:
            found.update(dict.fromkeys(_needed(operation)))
    return tuple(found)


def _needed(operation: Operation) -> Iterator[Privilege]:
    match operation.call, operation.arguments:
        case Call.clone3, (Data(content=block), *_):
            yield from _of_new_namespaces(struct.unpack_from("Q", block)[0])
        case Call.unshare, (int(flags),):
            yield from _of_new_namespaces(flags)
        case Call.setns, (_, int(flags)):
            yield _ADMIN
            if flags & c.CLONE_NEWNS:
                yield _CHROOT
        case Call.prctl, (c.PR_CAPBSET_DROP | c.PR_SET_SECUREBITS, *_):
            yield Privilege("CAP_SETPCAP")
        case Call.prlimit64, (_, _, limits, *_) if limits:
            yield _RESOURCE
        case Call.ioctl, (_, c.SIOCSIFFLAGS, *_):
            yield Privilege("CAP_NET_ADMIN")
        case call, _ if call in _ALWAYS:
            yield _ALWAYS[call]


def _of_new_namespaces(flags: int) -> Iterator[Privilege]:
    # Of those that come with a user namespace, it is the owner.
    if flags & _KINDS and not flags & c.CLONE_NEWUSER:
        yield _ADMIN
