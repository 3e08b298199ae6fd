"""What runs, and what memory it takes: of containers, of their front, of their supervisor."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.runtime.store import Store

PROC = Path("/proc")


class Sample(NamedTuple):
    """A look at everything.

    Args:
        running: containers.
        containers: KiB of memory of all their processes (PSS: what is shared is counted once, proc_pid_smaps(5)).
        front: of the front's.
        supervisor: of the supervisor, its launcher, its workers, and the keeper of the logs.
    """

    running: int
    containers: int
    front: int
    supervisor: int


def look(store: Store, front: int) -> Sample:
    """Return what runs now.

    Args:
        store: with the records of the containers.
        front: pid.
    """
    records = [record for record in store.records() if record.child]
    children = _children()
    firsts = {record.child.pid for record in records if record.child}
    inside = _below(firsts, children)
    own = _below({front}, children)
    supervisors = {record.supervisor.pid for record in records} | _log_keepers(store)
    others = _below(supervisors, children) - inside - own
    return Sample(len(firsts), _memory(inside), _memory(own), _memory(others))


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid, stat in _read_all("stat"):
        found.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(pid)
    return found


def _below(pids: set[int], children: dict[int, list[int]]) -> set[int]:
    """Return processes with all that they have started."""
    found: set[int] = set()
    left = list(pids)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def _log_keepers(store: Store) -> set[int]:
    """Return the process that keeps the logs: it outlives its supervisor, and is no child of it."""
    folder = str(store.directory / ".supervisor")
    return {pid for pid, words in _read_all("cmdline") if folder in words.split("\0")}


def _read_all(name: str) -> Iterator[tuple[int, str]]:
    for folder in PROC.glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield int(folder.name), (folder / name).read_text()


def _memory(pids: set[int]) -> int:
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    """Return KiB of a process; none of one that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def is_supervised(store: Store) -> bool:
    """Return whether a supervisor of these containers lives, or who keeps their logs."""
    return (store.directory / ".supervisor" / "control").exists() or bool(_log_keepers(store))
