"""Control groups, as far as every container that has one needs them (cgroups(7)); they are directories of cgroupfs."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FIRST, ATTACHED = "first", "attached"
"""The groups below a container's own: of its first process and its descendants, and of those that are attached."""

_PATIENCE = 5.0
_POLL = 0.002


def open_cgroup(base: str, group: str, leaf: str) -> int:
    """Open a control group, to clone a process into it (CLONE_INTO_CGROUP in clone3(2)).

    Args:
        base: directory that holds the groups of containers.
        group: the container's.
        leaf: FIRST or ATTACHED.
    """
    return os.open(os.path.join(base, group, leaf), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def kill_cgroup(base: str, group: str) -> None:
    """Kill every process of a control group and of those below it; nothing happens where there is none.

    Version 1 hierarchies have no call for it: there it is repeated until nobody is left, for up to 5 seconds.

    Args:
        base: directory that holds the groups of containers.
        group: the container's.
    """
    top = Path(base, group)
    with suppress(FileNotFoundError):
        try:
            (top / "cgroup.kill").write_text("1")
        except (FileNotFoundError, PermissionError):
            _kill_members(top)


def remove_cgroup(base: str, group: str) -> None:
    """Kill what is left in a control group, and remove it with those below it (cgroups(7)).

    Args:
        base: directory that holds the groups of containers.
        group: the container's.

    Raises:
        OSError: EBUSY if a process does not end within 5 seconds.
    """
    top = Path(base, group)
    deadline = time.monotonic() + _PATIENCE
    while top.exists():
        kill_cgroup(base, group)
        try:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(FileNotFoundError):
                    os.rmdir(folder)
        except OSError as error:
            # Who was killed stays in its group until it has ended.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(_POLL)


def read_counter(path: str, field: str) -> int:
    """Return a number of a file of lines like "name number"; 0 where there is none.

    Args:
        path: of the file.
        field: the name.
    """
    with suppress(FileNotFoundError, ValueError), open(path, encoding="ascii") as file:
        for line in file:
            name, _, number = line.partition(" ")
            if name == field:
                return int(number)
    return 0


def _kill_members(top: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (members := list(_members(top))) and time.monotonic() < deadline:
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL)


def _members(top: Path) -> Iterator[int]:
    for folder, _, _ in os.walk(top):
        with suppress(FileNotFoundError):
            yield from map(int, Path(folder, "cgroup.procs").read_text().split())
