"""The processes of one container, one by one."""

from __future__ import annotations

import pwd
from time import monotonic
from typing import NamedTuple

from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.record import Record
from haconiwa_stats.files import text
from haconiwa_stats.processes import Process, Processes


class Member(NamedTuple):
    """A process of a container.

    Args:
        process: as the host sees it.
        inside: its pid in its own pid namespace.
        uid: its effective user on the host.
        user: that user's name on the host, or the number.
        cpu: percent of one processor since the look before; None at the first.
        command: the program and its arguments, as the process itself says; empty for none.
    """

    process: Process
    inside: int
    uid: int
    user: str
    cpu: float | None
    command: tuple[str, ...]


class Members:
    """Looks at the processes of a container.

    Args:
        record: of the container, which runs.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._former: dict[tuple[int, float], float] = {}
        self._at = monotonic()

    def look(self) -> list[Member]:
        """Return its processes, those first that have used most since the look before; none when it has ended."""
        child = self._record.child
        if child is None or start_time(child.pid) != child.started:
            return []
        found = Processes().of(self._record)
        now = monotonic()
        elapsed, self._at = now - self._at, now
        members = [each for process in found if (each := self._member(process, elapsed))]
        self._former = {(process.pid, process.started): process.cpu for process in found}
        return sorted(members, key=lambda member: (-(member.cpu or 0.0), member.process.pid))

    def _member(self, process: Process, elapsed: float) -> Member | None:
        status = text(f"/proc/{process.pid}/status")
        if status is None:
            return None
        words = {key: rest.split() for key, _, rest in (line.partition(":") for line in status.splitlines())}
        uid = int(words["Uid"][1])
        former = self._former.get((process.pid, process.started))
        command = text(f"/proc/{process.pid}/cmdline") or ""
        return Member(
            process,
            inside=int(words["NSpid"][-1]),
            uid=uid,
            user=_name_of(uid),
            cpu=None if former is None else 100 * (process.cpu - former) / elapsed,
            command=tuple(command.removesuffix("\0").split("\0")) if command else (),
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
