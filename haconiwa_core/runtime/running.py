"""A container that this process has started, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from signal import SIGKILL

from haconiwa_core import linux
from haconiwa_core.errors import EXIT_SETUP, SetupError
from haconiwa_core.linux.host import LOG_NAME
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.processes import Child, End, is_readable
from haconiwa_core.runtime.record import Record
from haconiwa_core.runtime.store import Claim, note_asked
from haconiwa_core.runtime.timings import Timeline


class Running(Child):
    """A container that this process has started: its parent, its supervisor, the owner of its name."""

    def __init__(
        self,
        claim: Claim,
        record: Record,
        pid: int,
        pidfd: int,
        timeline: Timeline | None = None,
        terminal: int | None = None,
    ) -> None:
        super().__init__(pid, pidfd, terminal)
        self._claim = claim
        self.record = record
        self.timeline = timeline
        """Of its start, as long as it is not kept beside the record."""
        self.name = claim.name
        self.log = claim.directory / LOG_NAME
        self.end: End | None = None

    def send_signal(self, number: int) -> None:
        """Send a signal to its first process; nothing happens when it has ended."""
        self._note_asked(number)
        super().send_signal(number)

    def kill(self) -> None:
        """Kill all of it; nothing happens when it has ended."""
        self._note_asked(SIGKILL)
        super().kill()
        if self.record.group and self.end is None:
            linux.kill_cgroup(*self.record.group)

    def has_attached(self, command: Sequence[str]) -> None:
        """Tell who runs its hooks that a command was put into it; of this process's own, nobody does."""

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
        end = self.await_end()
        self.clean_up(remove=remove)
        return end

    def await_end(self) -> End:
        """Wait for the end and tell how it was; nothing is cleaned up yet. Called once, as `finish` is."""
        end = self.reap(with_group=True)
        if end.exit_status:
            from haconiwa_core.runtime.reasons import with_reason

            end = with_reason(end, self.record, self._claim.directory)
        self.end = end
        self.record = self.record.ended(end)
        return end

    def clean_up(self, *, remove: bool = False) -> None:
        """Undo what it has left on the host, after `await_end`; the arguments and errors are those of `finish`."""
        failures = undo(self.record)
        if remove and not failures:
            self.remove()
            return
        self._claim.write(self.record._replace(undo=() if not failures else self.record.undo))
        self.keep_timings()
        if failures:
            self.release()
            raise SetupError(
                plugin="core",
                stage="cleanup",
                attempted=f"clean up after {self.name}",
                reason="; ".join(failures),
                remedy="remove the cause and run `haconiwa gc`",
            )

    def keep_timings(self) -> None:
        """Write down beside the record how long each part of its start has taken; nothing happens the second time.

        Raises:
            RecordError: it cannot be written.
        """
        if self.timeline:
            self.timeline.write(self._claim)
            self.timeline = None

    def _note_asked(self, number: int) -> None:
        if self.end is None and not is_readable(self.pidfd, 0):
            note_asked(self._claim.directory, number)

    def remove(self) -> None:
        """Forget an exited container: its record and its log."""
        self._claim.remove()

    def release(self) -> None:
        """Leave the record of an exited container where it is."""
        self._claim.release()
