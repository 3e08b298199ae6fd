"""Act on a container's files with the rights of its root user, in a process for that alone.

So it reaches nothing through a link or a mount that the container could not reach itself, and the kernel translates
users and groups between the container's user namespace and the host's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from haconiwa_copy.entries import Entry, send
from haconiwa_copy.places import Place
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWUSER, PR_SET_DUMPABLE
from haconiwa_core.linux.host import open_namespace, open_root, start_time, system_call
from haconiwa_core.runtime.record import Process

Act = Callable[[Place, socket.socket], None]


@contextmanager
def acting_in(name: str, process: Process, act: Act) -> Iterator[socket.socket]:
    """Let another process act in a container; give the channel to it.

    Args:
        name: the container's.
        process: its first one.
        act: is called in the other process; an error of ours that it raises is sent as the entry "failure".

    Raises:
        HaconiwaError: the container has ended, or its root cannot be opened.
    """
    try:
        root = open_root(process.pid, process.started)
        namespace = _user_namespace(process)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise HaconiwaError(f"the container {name} has ended") from error
    except OSError as error:
        raise HaconiwaError(f"the root directory of {name} cannot be opened: {error.strerror}") from error
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        _run(partial(act, Place(root, f"{name}:")), namespace, theirs)
    theirs.close()
    for descriptor in (root, namespace):
        os.close(descriptor)
    try:
        yield ours
    finally:
        ours.close()
        os.waitpid(child, 0)


def _user_namespace(process: Process) -> int:
    descriptor = open_namespace(f"/proc/{process.pid}/ns/user")
    # It was opened while the pid still meant the container, or it is refused.
    if start_time(process.pid) != process.started:
        os.close(descriptor)
        raise ProcessLookupError(None, "the container has ended")
    return descriptor


def _run(act: Callable[[socket.socket], None], namespace: int, channel: socket.socket) -> None:
    """Do it, and leave the process, whatever happens."""
    status = 1
    try:
        try:
            _become_root_of(namespace)
            act(channel)
            status = 0
        except HaconiwaError as error:
            send(channel, Entry("failure", str(error)))
        except OSError as error:
            send(channel, Entry("failure", f"in the container: {error.strerror}"))
    finally:
        os._exit(status)


def _become_root_of(namespace: int) -> None:
    """Enter a user namespace, and become its root user (setns(2), user_namespaces(7))."""
    if not os.path.sameopenfile(namespace, _own_user_namespace()):
        system_call(Call.setns, namespace, CLONE_NEWUSER)
        with suppress(PermissionError):  # Where groups may not be set, the container's processes have kept them, too.
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    # No process of the container may look into this one, which could be of the same user.
    system_call(Call.prctl, PR_SET_DUMPABLE, 0)


def _own_user_namespace() -> int:
    return os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)
