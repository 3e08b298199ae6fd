"""Control groups, as far as every container that has one needs them (cgroups(7)); they are directories of cgroupfs."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from haconiwa_core.errors import StepError

FIRST, ATTACHED = "first", "attached"
"""The groups below a container's own: of its first process and its descendants, and of those that are attached."""

_PATIENCE = 5.0
_POLL = 0.002


def make_cgroup(base: str, group: str, hierarchy: str, directory: str) -> None:
    """Make a control group, which `remove_own_cgroup` removes (cgroups(7)).

    Args:
        base: directory that holds the groups of containers.
        group: the container's; there must be none.
        hierarchy: what to call the hierarchy that it lies in.
        directory: the instance's own, in which it is noted that the group is this instance's.

    Raises:
        StepError: there is one.
    """
    note = _note(hierarchy, directory)
    path = os.path.join(base, group)
    try:
        # Noted first, so that a crash leaves no group that nobody knows; but never for what is another's.
        if not os.path.lexists(path):
            note.touch(0o600)
        os.mkdir(path)
    except OSError as error:
        note.unlink(missing_ok=True)
        if error.errno != errno.EEXIST:
            raise
        text = f"{path} exists, and is not this container's"
        raise StepError(errno.EEXIST, text, f"take another name; if nobody uses it: rmdir {path}") from error


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

    Version 1 hierarchies have no call for it: there it is repeated until nobody is left, for up to 5 seconds,
    and the freezer, where it is, keeps them from making others meanwhile.

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


def remove_own_cgroup(base: str, group: str, hierarchy: str, directory: str) -> None:
    """Remove the control group that `make_cgroup` has made for an instance; nothing happens if it has made none.

    The arguments are those of `make_cgroup`, the errors those of `remove_cgroup`.
    """
    note = _note(hierarchy, directory)
    if note.exists():
        remove_cgroup(base, group)
        note.unlink()


def is_frozen(base: str, group: str) -> bool:
    """Return whether all processes of a control group are frozen (cgroup.events, freezer.state in cgroups(7)).

    Args:
        base: directory that holds the groups of containers.
        group: the container's.
    """
    with suppress(FileNotFoundError):
        return "frozen 1" in Path(base, group, "cgroup.events").read_text().splitlines()
    with suppress(FileNotFoundError):
        return Path(base, group, "freezer.state").read_text().strip() == "FROZEN"
    return False


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
    while (found := list(members(top))) and time.monotonic() < deadline:
        _set_frozen(top, "FROZEN")
        for pid in {*found, *members(top)}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # What is frozen does not end.
        _set_frozen(top, "THAWED")
        time.sleep(_POLL)


def _set_frozen(top: Path, state: str) -> None:
    if (top / "freezer.state").exists():
        (top / "freezer.state").write_text(state)


def members(top: Path) -> Iterator[int]:
    """Yield the pids of the processes in a control group and in those below it."""
    for folder, _, _ in os.walk(top):
        with suppress(FileNotFoundError):
            yield from map(int, Path(folder, "cgroup.procs").read_text().split())


def _note(hierarchy: str, directory: str) -> Path:
    """Return the file whose presence says that an instance has made its group in a hierarchy."""
    return Path(directory, f"cgroup-{hierarchy}")
