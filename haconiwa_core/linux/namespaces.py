"""Namespaces: clone, unshare, join, and what belongs to one kind of them (namespaces(7))."""

from __future__ import annotations

import os
import struct

from haconiwa_core.linux import constants as c
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.process import set_gid, set_uid
from haconiwa_core.linux.vocabulary import Operations, lowers
from haconiwa_core.operation import Buffer, Data, Operation, Slot

CLONE = Slot("clone")
PIDFD = Slot("pidfd")
_SOCKET = Slot("socket")
_CLONE_ARGS_SIZE = 88
_PIDFD_OFFSET = 8
_CGROUP_OFFSET = 80


@lowers
def clone(flags: int, cgroup: Slot | None = None) -> Operations:
    """Clone the process as a sibling, so that the launcher's parent is the container's (clone3(2)).

    CLONE_PARENT allows no exit signal. In the parent, PIDFD takes the new process's descriptor.

    Args:
        flags: CLONE_NEW* bits.
        cgroup: descriptor of the control group (version 2) that the new process begins in.
    """
    into = c.CLONE_INTO_CGROUP if cgroup else 0
    arguments = struct.pack("11Q", flags | c.CLONE_PARENT | c.CLONE_PIDFD | into, *[0] * 10)
    place = ((_CGROUP_OFFSET, cgroup),) if cgroup else ()
    block = Data(arguments, ((_PIDFD_OFFSET, Buffer(4, into=PIDFD)), *place))
    yield Operation(Call.clone3, (block, _CLONE_ARGS_SIZE), result=CLONE)


@lowers
def unshare(flags: int) -> Operations:
    """Leave the shared namespaces of these kinds for new ones (unshare(2)).

    Args:
        flags: CLONE_NEW* bits.
    """
    yield Operation(Call.unshare, (flags,))


@lowers
def join_namespace(handle: Slot, flags: int) -> Operations:
    """Join the namespace that a descriptor stands for (setns(2)).

    Args:
        handle: descriptor of a namespace file.
        flags: the CLONE_NEW* bit that the descriptor must be of.
    """
    yield Operation(Call.setns, (handle, flags))


@lowers
def become_root() -> Operations:
    """Take user and group 0 of the process's own user namespace (user_namespaces(7))."""
    yield from set_gid(0)
    yield from set_uid(0)


@lowers
def set_host_name(name: str) -> Operations:
    """Set the UTS namespace's host name and read it back (sethostname(2), uname(2)).

    Args:
        name: at most 64 bytes.
    """
    raw = os.fsencode(name)
    yield Operation(Call.sethostname, (raw, len(raw)))
    yield Operation(Call.uname, (_uts_field(1, raw),))


@lowers
def set_domain_name(name: str) -> Operations:
    """Set the UTS namespace's NIS domain name and read it back (setdomainname(2), uname(2)).

    Args:
        name: at most 64 bytes.
    """
    raw = os.fsencode(name)
    yield Operation(Call.setdomainname, (raw, len(raw)))
    yield Operation(Call.uname, (_uts_field(5, raw),))


@lowers
def bring_link_up(name: str) -> Operations:
    """Bring a network interface of the process's namespace up and read its flags back (netdevice(7)).

    Args:
        name: the interface's name, at most 15 bytes.
    """
    raw = os.fsencode(name).ljust(c.IFNAMSIZ, b"\0")
    request = (raw + struct.pack("H", c.IFF_UP | c.IFF_RUNNING)).ljust(c.IFREQ_SIZE, b"\0")
    yield Operation(Call.socket, (2, 2 | os.O_CLOEXEC, 0), result=_SOCKET)
    yield Operation(Call.ioctl, (_SOCKET, c.SIOCSIFFLAGS, request))
    up = struct.pack("H", c.IFF_UP | c.IFF_LOOPBACK | c.IFF_RUNNING)
    query = Buffer(c.IFREQ_SIZE, ((c.IFNAMSIZ, up),), initial=raw)
    yield Operation(Call.ioctl, (_SOCKET, c.SIOCGIFFLAGS, query))
    yield Operation(Call.close, (_SOCKET,))


def _uts_field(index: int, value: bytes) -> Buffer:
    return Buffer(6 * c.UTSNAME_FIELD, ((index * c.UTSNAME_FIELD, value + b"\0"),))
