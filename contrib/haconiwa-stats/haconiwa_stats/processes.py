"""The processes of a container, as one look over /proc finds them (proc(5))."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.linux.cgroups import members
from haconiwa_core.runtime.record import Record
from haconiwa_stats.files import text
from haconiwa_stats.usage import Usage

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """A process.

    Args:
        pid: on the host.
        name: of its command, at most 15 bytes.
        state: one letter.
        parent: its pid.
        session: the pid of its leader.
        cpu: seconds of processor time so far.
        threads: how many.
        started: seconds after the boot.
        memory: bytes that it has in memory.
    """

    pid: int
    name: str
    state: str
    parent: int
    session: int
    cpu: float
    threads: int
    started: float
    memory: int


class Processes:
    """All processes of the host at one moment."""

    def __init__(self) -> None:
        found = (process_of(int(name)) for name in os.listdir("/proc") if name.isdigit())
        self.by_pid = {process.pid: process for process in found if process}
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._sessions: defaultdict[int, list[int]] = defaultdict(list)
        for process in self.by_pid.values():
            self._children[process.parent].append(process.pid)
            self._sessions[process.session].append(process.pid)

    def of(self, record: Record) -> list[Process]:
        """Return the processes of a running container, its first one first.

        They are those of its control group; without one those of its pid namespace; with neither the first process,
        those of its session, and all below: what was attached to it then, and what has left, is not found.
        """
        first = record.child
        if first is None or first.pid not in self.by_pid:
            return []
        if record.group:
            pids = list(members(Path(*record.group)))
        elif (namespace := _namespace_of(first.pid)) == self._own_namespace:
            pids = self._below([first.pid, *self._sessions[first.pid]])
        else:
            pids = self._below(self._namespaces[namespace])
        return [self.by_pid[pid] for pid in dict.fromkeys([first.pid, *pids]) if pid in self.by_pid]

    def _below(self, pids: Iterable[int]) -> list[int]:
        """Return processes, and all that are below them."""
        found = list(dict.fromkeys(pids))
        seen = set(found)
        for pid in found:
            new = [child for child in self._children[pid] if child not in seen]
            seen.update(new)
            found += new
        return found

    @cached_property
    def _own_namespace(self) -> str:
        return _namespace_of(os.getpid())

    @cached_property
    def _namespaces(self) -> Mapping[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for pid in self.by_pid:
            found[_namespace_of(pid)].append(pid)
        return found


def _namespace_of(pid: int) -> str:
    """Return what stands for a process's pid namespace; "" where it has ended, or this process may not know."""
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return ""


def usage_of(processes: Iterable[Process]) -> Usage:
    """Return what processes use together; limits are not known."""
    found = list(processes)
    return Usage(
        "proc",
        cpu=sum(process.cpu for process in found),
        memory=sum(process.memory for process in found),
        pids=sum(process.threads for process in found),
    )


def process_of(pid: int) -> Process | None:
    """Return a process; None where there is none."""
    stat = text(f"/proc/{pid}/stat")
    if stat is None:
        return None
    # The name stands in parentheses and may hold any byte.
    before, _, after = stat.rpartition(")")
    words = after.split()
    return Process(
        pid=pid,
        name=before.partition("(")[2],
        state=words[0],
        parent=int(words[1]),
        session=int(words[3]),
        cpu=(int(words[11]) + int(words[12])) * _TICK,
        threads=int(words[17]),
        started=int(words[19]) * _TICK,
        memory=int(words[21]) * _PAGE,
    )
