"""A container that this process has started, and its end."""

from __future__ import annotations

import errno
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from haconiwa_core import linux
from haconiwa_core.errors import EXIT_SETUP, SetupError
from haconiwa_core.linux import constants as c
from haconiwa_core.linux.host import LOG_NAME, descendants
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.record import Claim, Record

_LONGEST_POLL = 2_000_000


@dataclass(frozen=True)
class Usage:
    """What a container's first process, and the descendants that were waited for, have used (getrusage(2)).

    Attributes:
        user, system: seconds of processor time.
        max_resident: KiB of memory, of the largest process.
    """

    user: float
    system: float
    max_resident: int


@dataclass(frozen=True)
class End:
    """How a container has ended.

    Attributes:
        exit_status: the command's own, or 128 + n for a signal n; None where the host program has
            taken it away, by ignoring SIGCHLD or by waiting for any child.
        reason: what the status means.
        usage: None where the status is.
    """

    exit_status: int | None
    reason: Literal["exited", "signaled", "unknown"]
    usage: Usage | None


class Running:
    """A container that this process has started: its parent, its supervisor, the owner of its name."""

    def __init__(self, claim: Claim, record: Record, pid: int, pidfd: int) -> None:
        self._claim = claim
        self._record = record
        self.name = claim.name
        self.log = claim.directory / LOG_NAME
        self.pid = pid
        self.pidfd = pidfd
        """Readable when the container's first process has ended; closed by `finish`."""
        self.end: End | None = None

    def send_signal(self, number: int) -> None:
        """Send a signal to the container's first process; nothing happens when it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """Kill all of it that can be reached; nothing happens when its first process has ended.

        In a pid namespace that is everything. Else it is the process group, and the descendants
        whose parents still live.
        """
        if is_readable(self.pidfd, 0):
            return
        # Once their parents have gone, nothing says whose they were.
        found = descendants(self.pid)
        self.send_signal(signal.SIGKILL)
        _kill_group(self.pid, self.pidfd)
        for pid, started in found:
            # One that has become another user is out of an ordinary user's reach.
            with suppress(PermissionError):
                linux.kill_process(pid, started)

    def wait(self) -> int:
        """Wait for the end, clean up, and return the exit status: the command's own, or 128 + signal.

        Raises:
            SetupError: something that the container left on the host could not be removed.
        """
        status = self.finish().exit_status
        return EXIT_SETUP if status is None else status

    def finish(self, *, remove: bool = False) -> End:
        """Wait for the end, clean up, and tell how it was.

        Args:
            remove: forget the container too, its record and its log.

        Raises:
            SetupError: something that the container left on the host could not be removed; its
                record stays.
        """
        is_readable(self.pidfd)
        self.end = end = self._reap()
        os.close(self.pidfd)
        self._record = replace(self._record, child=None, status="exited", exit_status=end.exit_status)
        failures = undo(self._record)
        if remove and not failures:
            self.remove()
            return end
        self._claim.write(replace(self._record, undo=() if not failures else self._record.undo))
        if failures:
            self.release()
            raise SetupError(
                plugin="core",
                stage="cleanup",
                attempted=f"clean up after {self.name}",
                reason="; ".join(failures),
                remedy="remove the cause and run `haconiwa gc`",
            )
        return end

    def remove(self) -> None:
        """Forget an exited container: its record and its log."""
        self._claim.remove()

    def release(self) -> None:
        """Leave the record of an exited container where it is."""
        self._claim.release()

    def _reap(self) -> End:
        try:
            # Not reaped yet, so the pid still means this container and its process group.
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT | c.WALL)
            _kill_group(self.pid, self.pidfd)
            _, status, used = os.wait4(self.pid, c.WALL)
        except ChildProcessError:
            _kill_group(self.pid, self.pidfd)
            return End(None, "unknown", None)
        usage = Usage(used.ru_utime, used.ru_stime, used.ru_maxrss)
        code = os.waitstatus_to_exitcode(status)
        return End(code, "exited", usage) if code >= 0 else End(128 - code, "signaled", usage)


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
    """Wait for a process to end; return its status, 128 + n for a signal n, None where somebody has taken it."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | c.WALL)
    except ChildProcessError:
        return None
    assert result is not None
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


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
