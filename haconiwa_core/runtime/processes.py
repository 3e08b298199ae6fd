"""Processes that are children of this one, known by their descriptors (pidfd_open(2))."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import time
from contextlib import suppress
from typing import Literal, NamedTuple

from haconiwa_core import linux
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.host import descendants, is_init, zombie_status

_REAPED_BY_OTHERS = 1.0
_POLL = 0.005

_LONGEST_POLL = 2_000_000


class Usage(NamedTuple):
    """What a process, and its descendants that were waited for, have used (getrusage(2)).

    Attributes:
        user, system: seconds of processor time.
        max_resident: KiB of memory, of the largest process.
    """

    user: float
    system: float
    max_resident: int


Certainty = Literal["fact", "likely"]
"""How sure a reason is: the kernel, or who has ended the process, tells it; or all that is known speaks for it."""


class End(NamedTuple):
    """How a process has ended.

    Attributes:
        exit_status: its own, or 128 + n for a signal n; None where another process has taken it, and the
            kernel does not tell it afterwards (before Linux 6.15).
        reason: "exited", "signaled" or "unknown"; of a container also "setup-failed", where it could not be
            started again, and what its features tell of: "oom", "pids", "seccomp".
        usage: None where another process has taken the status.
        certainty: of the reason.
    """

    exit_status: int | None
    reason: str
    usage: Usage | None
    certainty: Certainty = "fact"


OF_STATUS = ("exited", "signaled", "unknown")
"""The reasons that a wait status tells alone."""
UNKNOWN = End(None, "unknown", None)
SETUP_FAILED = End(None, "setup-failed", None)
"""Of a container that could not be started again."""


class Child:
    """A child of this process.

    Attributes:
        pid: its number, on the host.
        pidfd: readable when it has ended; -1 where that was before it was looked for.
        terminal: descriptor of the master of its terminal, for whoever takes it to close; None where it has none.
    """

    def __init__(self, pid: int, pidfd: int, terminal: int | None = None) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.terminal = terminal

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """Kill it, its process group and its descendants; nothing happens when it has ended."""
        kill_all(self.pid, self.pidfd)

    def reap(self, *, with_group: bool) -> End:
        """Wait for its end, close its descriptor, and tell how it was.

        Args:
            with_group: kill what is left of its process group, too.
        """
        if self.pidfd < 0:
            return UNKNOWN
        is_readable(self.pidfd)
        try:
            # Not reaped yet, so the pid still means this process and its process group.
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT | c.WALL)
            if with_group:
                _kill_group(self.pid, self.pidfd)
            _, status, used = os.wait4(self.pid, c.WALL)
        except ChildProcessError:
            if with_group:
                _kill_group(self.pid, self.pidfd)
            return _end_of_no_child(self.pid, self.pidfd)
        finally:
            os.close(self.pidfd)
        return _end(status, Usage(used.ru_utime, used.ru_stime, used.ru_maxrss))


def kill_all(pid: int, pidfd: int) -> None:
    """Kill a process that leads its group, and all that is its; nothing happens when it has ended.

    The first process of a pid namespace takes the namespace with it. Of any other, the process group
    is reached, and the descendants whose parents still live.
    """
    if is_readable(pidfd, 0):
        return
    if is_init(pid):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return
    # Once their parents have gone, nothing says whose they were.
    found = descendants(pid)
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    _kill_group(pid, pidfd)
    for descendant, started in found:
        # One that has become another user is out of an ordinary user's reach.
        with suppress(PermissionError):
            linux.kill_process(descendant, started)


def is_readable(descriptor: int, timeout: float | None = None) -> bool:
    """Wait until a descriptor is readable; return whether it is (poll(2), which takes any number).

    Args:
        descriptor: to wait for.
        timeout: seconds, of which 23 days count at most; None waits for ever.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout is None else min(max(timeout, 0), _LONGEST_POLL) * 1000))


def reap(pidfd: int) -> int | None:
    """Wait for a child to end; return its status, 128 + n for a signal n, None where somebody has taken it."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | c.WALL)
    except ChildProcessError:
        return None
    assert result is not None
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


def end_of(pidfd: int) -> End:
    """Return how a process that is nobody's concern any more has ended; unknown where the kernel does not tell.

    Args:
        pidfd: opened while the process lived, which has been reaped since.
    """
    status = _wait_status(pidfd)
    return UNKNOWN if status is None else _end(status, None)


def _end(status: int, usage: Usage | None) -> End:
    code = os.waitstatus_to_exitcode(status)
    return End(code, "exited", usage) if code >= 0 else End(128 - code, "signaled", usage)


def _wait_status(pidfd: int) -> int | None:
    """Return the status of a process that has been reaped (PIDFD_GET_INFO in ioctl(2), Linux 6.15)."""
    info = bytearray(struct.pack("Q", c.PIDFD_INFO_EXIT).ljust(c.PIDFD_INFO_SIZE, b"\0"))
    try:
        fcntl.ioctl(pidfd, c.PIDFD_GET_INFO, info)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.ENOTTY, errno.EINVAL):
            return None
        raise
    mask, status = struct.unpack_from("Q", info)[0], struct.unpack_from("i", info, c.PIDFD_INFO_EXIT_CODE)[0]
    return status if mask & c.PIDFD_INFO_EXIT else None


def _end_of_no_child(pid: int, pidfd: int) -> End:
    """Tell how a process has ended that another one reaps, or has reaped."""
    deadline = time.monotonic() + _REAPED_BY_OTHERS
    while (status := _zombie_status(pid, pidfd)) is None and (status := _wait_status(pidfd)) is None:
        if time.monotonic() > deadline:
            return UNKNOWN
        time.sleep(_POLL)
    return _end(status, None)


def _zombie_status(pid: int, pidfd: int) -> int | None:
    status = zombie_status(pid)
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, 0)  # Still not reaped, so the pid has meant this process.
        return status
    return None


def _kill_group(leader: int, pidfd: int) -> None:
    # Where only the ended leader is left in the group, there is nobody to signal.
    with suppress(ProcessLookupError, PermissionError):
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL, None, c.PIDFD_SIGNAL_PROCESS_GROUP)
        except OSError as error:
            # Before Linux 6.9 a group is known by its number alone.
            if error.errno != errno.EINVAL:
                raise
            os.killpg(leader, signal.SIGKILL)
