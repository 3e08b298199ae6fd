"""A container that this process has started, and its end."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import replace

from haconiwa_core.errors import SetupError
from haconiwa_core.linux import constants as c
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.record import Claim, Record


class Running:
    """A container that this process has started: its parent, its supervisor, the owner of its name."""

    def __init__(self, claim: Claim, record: Record, pid: int, pidfd: int) -> None:
        self._claim = claim
        self._record = record
        self.name = claim.name
        self.pid = pid
        self.pidfd = pidfd
        """Readable when the container's first process has ended."""

    def send_signal(self, number: int) -> None:
        """Send a signal to the container's first process; nothing happens when it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def wait(self) -> int:
        """Wait for the end, clean up, and return the exit status: the command's own, or 128 + signal.

        Raises:
            SetupError: something that the container left on the host could not be removed.
        """
        select.select([self.pidfd], [], [])
        # Not reaped yet, so the pid still means this container's process group.
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT | c.WALL)
        _kill_group(self.pid)
        status = reap(self.pidfd)
        os.close(self.pidfd)
        self._record = replace(self._record, child=None, status="exited", exit_status=status)
        failures = undo(self._record)
        self._claim.write(replace(self._record, undo=() if not failures else self._record.undo))
        if failures:
            raise SetupError(
                plugin="core",
                stage="cleanup",
                attempted=f"clean up after {self.name}",
                reason="; ".join(failures),
                remedy="remove the cause and run `haconiwa gc`",
            )
        return status

    def remove(self) -> None:
        """Forget an exited container: its record and its log."""
        self._claim.remove()

    def release(self) -> None:
        """Leave the record of an exited container where it is."""
        self._claim.release()


def reap(pidfd: int) -> int:
    """Wait for a process to end and return its status, 128 + n for a signal n."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | c.WALL)
    assert result is not None
    return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status


def _kill_group(leader: int) -> None:
    # Where only the ended leader is left in the group, there is nobody to signal.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
