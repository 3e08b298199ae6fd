"""Sockets in a container's network namespace, used from outside (network_namespaces(7))."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWNET
from haconiwa_core.linux.host import start_time, system_call
from haconiwa_supervision.readiness import Entered, inside
from haconiwa_supervision.threads import in_own_thread


def is_shared(subject: Entered) -> bool:
    """Return whether a container's network namespace is that of this process.

    Raises:
        FileNotFoundError, ProcessLookupError: the container has ended.
    """
    its = os.stat(f"/proc/{subject.pid}/ns/net")
    if start_time(subject.pid) != subject.started:
        raise ProcessLookupError
    own = os.stat("/proc/self/ns/net")
    return (its.st_dev, its.st_ino) == (own.st_dev, own.st_ino)


async def socket_in(subject: Entered, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """Make a socket in a container's network namespace, in which it stays (setns(2)).

    The namespace is entered by a thread that ends right after that: other threads never see it.

    Args:
        subject: the container.
        family: as for `socket.socket`; so are `kind` and `protocol`.
        kind: of the socket.
        protocol: of the family.

    Raises:
        OSError: EPERM without CAP_SYS_ADMIN over the namespace, ESRCH where the container has ended.
    """
    if is_shared(subject):
        return socket.socket(family, kind, protocol)

    def make() -> socket.socket:
        if os.geteuid() != 0:
            return _made_inside(subject, family, kind, protocol)
        system_call(Call.setns, subject.pidfd, CLONE_NEWNET)
        return socket.socket(family, kind, protocol)

    return await in_own_thread(make, socket.socket.close)


def _made_inside(subject: Entered, family: int, kind: int, protocol: int) -> socket.socket:
    """Have a socket made by a process that enters the container's user namespace first, as an ordinary user must."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arguments = map(str, (subject.pidfd, int(family), int(kind), protocol))
        command = [sys.executable, "-I", "-S", inside.__file__, *arguments]
        with subprocess.Popen(command, stdin=theirs.fileno(), pass_fds=[subject.pidfd], env={}) as process:
            theirs.close()
            answer, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        if descriptors:
            return socket.socket(fileno=descriptors[0])
    refused = answer[0] if answer else errno.EIO
    raise OSError(refused, os.strerror(refused) if answer else f"{command[3]} has ended with {process.returncode}")
