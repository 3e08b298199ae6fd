"""What a container uses at one moment."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """What a container uses, and may use; None is what nobody tells, or no limit.

    Args:
        source: who tells it: "cgroup", the container's control groups; "proc", its processes; or "both".
        cpu: seconds of processor time that have been used so far.
        memory: bytes. Of control groups with what is cached of files; of processes what each has in memory,
            and what they share counts for each.
        memory_limit: bytes.
        pids: processes and threads.
        pids_limit: of them.
        io_read, io_written: bytes so far, of block devices.
        cpu_pressure, memory_pressure, io_pressure: percent of the last ten seconds in which some process waited.
    """

    source: str
    cpu: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    pids: int | None = None
    pids_limit: int | None = None
    io_read: int | None = None
    io_written: int | None = None
    cpu_pressure: float | None = None
    memory_pressure: float | None = None
    io_pressure: float | None = None

    def completed(self, other: Usage) -> Usage:
        """Return it with what another source tells and it does not."""
        missing = {key: value for key, value in other._asdict().items() if getattr(self, key) is None}
        added = {key: value for key, value in missing.items() if value is not None}
        return self._replace(source="both", **added) if added else self

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing that a look at processes tells."""
        return None not in (self.cpu, self.memory, self.pids)
