"""Make groups ready for what is written into them, and for the processes (cgroups(7)). All of it runs on the host."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from haconiwa_cgroup.files import Parts, read
from haconiwa_core.errors import StepError
from haconiwa_core.linux.cgroups import ATTACHED, FIRST

CALLER = "haconiwa-caller"
"""Where those go who start containers in a group that is theirs to divide: processes lie in leaves only."""

_DELEGATE = "start it as `haconiwa scope run ...` (of haconiwa-scope, where systemd is), or name a parent"
_ATTEMPTS = 100
_CPUSET = ("cpuset.cpus", "cpuset.mems")


def make_parents(top: str, base: str, controllers: tuple[str, ...], divided: str) -> None:
    """Make the directories that hold the groups of containers, and turn controllers on in them.

    Args:
        top: the highest directory that may be changed.
        base: the lowest, which holds the groups.
        controllers: of version 2.
        divided: that of them whose processes, being in the way, are moved into a group CALLER below it; "" for none.

    Raises:
        StepError: the caller may not, or a controller is not there.
    """
    for folder in _down(top, base):
        with _explained(folder):
            folder.mkdir(exist_ok=True)
        fill_cpuset(folder)
        if controllers:
            turn_on(folder, controllers, movable=str(folder) == divided)


def turn_on_in(group: Parts, controllers: tuple[str, ...]) -> None:
    """Turn controllers of version 2 on for the groups below one.

    Args:
        group: its directory.
        controllers: their names.

    Raises:
        StepError: a controller is not there.
    """
    turn_on(Path(*group), controllers, movable=False)


def prepare_version_1(group: Parts) -> None:
    """Let a group's limits count for those below it, and give it processors: version 2 needs neither.

    Args:
        group: the container's, new.
    """
    folder = Path(*group)
    fill_cpuset(folder)
    hierarchical = folder / "memory.use_hierarchy"
    # Always so since Linux 5.11.
    if hierarchical.exists() and hierarchical.read_text().strip() == "0":
        hierarchical.write_text("1")


def make_leaves(group: Parts) -> None:
    """Make the groups of the first process and of those that are attached.

    Args:
        group: the container's.
    """
    for leaf in (FIRST, ATTACHED):
        folder = Path(*group, leaf)
        folder.mkdir()
        fill_cpuset(folder)


def open_processes(group: Parts) -> int:
    """Open the file by which a process enters a group.

    Args:
        group: its directory.

    Raises:
        StepError: there is no such group.
    """
    path = os.path.join(*group, "cgroup.procs")
    try:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise StepError(
            errno.ENOENT, f"there is no group {os.path.dirname(path)}", "make it, or name another"
        ) from error


def turn_on(folder: Path, controllers: tuple[str, ...], *, movable: bool) -> None:
    """Turn controllers of version 2 on for the groups below a directory; those that are on stay.

    Args:
        folder: of the hierarchy.
        controllers: their names.
        movable: its own processes are moved into a group CALLER below it if they are in the way.
    """
    missing = set(controllers) - set(read(f"{folder}/cgroup.controllers").split())
    if missing:
        text = f"{folder} has no controller {' and '.join(sorted(missing))}"
        raise StepError(errno.ENOENT, text, f"turn it on in cgroup.subtree_control of the groups above, or {_DELEGATE}")
    control = folder / "cgroup.subtree_control"
    off = set(controllers) - set(control.read_text().split())
    for attempt in range(_ATTEMPTS if off else 0):
        # Some controllers are turned on beside processes, too, and then nothing can be in the groups below.
        if not _has_processes(folder):
            try:
                with _explained(folder):
                    control.write_text(" ".join(f"+{name}" for name in sorted(off)))
                return
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
        if not movable or attempt == _ATTEMPTS - 1:
            text = f"{folder} has processes, and what is limited may lie below groups without any only"
            raise StepError(errno.EBUSY, text, f"move them into a group below it, or {_DELEGATE}")
        _move_processes(folder, folder / CALLER)


def _has_processes(folder: Path) -> bool:
    """Whether processes are in a group in which they are in the way: the kernel's first one may have some."""
    return (folder / "cgroup.type").exists() and bool(read(f"{folder}/cgroup.procs").strip())


def fill_cpuset(folder: Path) -> None:
    """Give a group its parent's processors and memory nodes if it has none: nobody could enter it (cpuset(7)).

    Groups of version 2 have their parent's without that.

    Args:
        folder: of any hierarchy.
    """
    for file in _CPUSET if (folder / "cpuset.memory_migrate").exists() else ():
        if not (folder / file).read_text().strip():
            (folder / file).write_text((folder.parent / file).read_text())


def _owner(folder: Path) -> str:
    """Return whose a directory is and whose the caller would have it, as the rest of a sentence."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return ", which is mounted read-only here"
    status, caller = folder.stat(), os.geteuid()
    if status.st_uid == caller:
        return ""
    mode = stat.S_IMODE(status.st_mode)
    return f": it belongs to user {status.st_uid} (mode {mode:04o}), and was not delegated to user {caller}"


def _down(top: str, base: str) -> Iterator[Path]:
    folder = Path(top)
    yield folder
    for name in Path(base).relative_to(top).parts:
        folder /= name
        yield folder


def _move_processes(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for pid in (source / "cgroup.procs").read_text().split():
        with suppress(ProcessLookupError):
            (target / "cgroup.procs").write_text(pid)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say what to do about a directory that the caller may not change."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        place = folder if folder.exists() else folder.parent
        raise StepError(
            error.errno or 0, f"the caller may not change the control group {place}{_owner(place)}", _DELEGATE
        ) from error
