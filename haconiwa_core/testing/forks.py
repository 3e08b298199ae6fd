"""Functions of a test in processes of their own, which may do to themselves what they like."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import LINUX_CAPABILITY_VERSION_3, PR_SET_DUMPABLE
from haconiwa_core.linux.host import system_call


def forked(function: Callable[[], object]) -> int:
    """Run a function in a child process; return its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(function), 0)[1])


def fork(function: Callable[[], object]) -> int:
    """Begin to run a function in a child process; return its pid.

    The child ends with status 0, or 1 where the function raises anything, whose traceback is written.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
    except BaseException:  # noqa: BLE001 - a child must not go on as a second test run
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def become(user: int) -> None:
    """Become another user for good, as a program is that this user has started.

    Args:
        user: the uid, and the gid.
    """
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # A process that has changed its user is closed to /proc, which such a program is not.
    system_call(Call.prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)


def give_up_capabilities() -> None:
    """Give up all capabilities for good, and stay the same user (capset(2))."""
    system_call(Call.capset, struct.pack("Ii", LINUX_CAPABILITY_VERSION_3, 0), bytes(24))
