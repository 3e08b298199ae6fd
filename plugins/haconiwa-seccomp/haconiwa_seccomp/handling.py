"""Start the process that answers a filter's notifications."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

from haconiwa_core.launch.python import python_calling

READY = b"\1"

_SOCKET = 3
_LONGEST_MESSAGE = 4096


def start_handler(function: str) -> int:
    """Start a process that has imported a handler, and return the socket on which it awaits the filter.

    It is nobody's child, and ends when no process is left under the filter.

    Args:
        function: "module:name", found where this process finds its modules.

    Raises:
        OSError: the process cannot be started, or the handler cannot be imported.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        arguments = python_calling("haconiwa_seccomp.notification", str(_SOCKET), function)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _SOCKET),
        ]
        pid = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions)
    # A host program that reaps everything may be faster.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    answer = ours.recv(_LONGEST_MESSAGE)
    if answer != READY:
        ours.close()
        raise OSError(0, answer.decode(errors="replace") or "the handler has ended before it was ready")
    return ours.detach()
