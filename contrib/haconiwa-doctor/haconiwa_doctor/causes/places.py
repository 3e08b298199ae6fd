"""Which mount is full, or read-only, of those that a step writes to (statvfs(3), proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.facts import NewRoot
from haconiwa_core.runtime.cause import Cause, Failure
from haconiwa_doctor.causes.view import View, open_root_of

_KIB = 1024


class Place(NamedTuple):
    """A directory or file of the host's, and the mount that it lies on.

    Args:
        path: of it.
        point: where the mount is.
        kind: the file system's type.
        source: what is mounted.
        status: of the file system.
        owner: of the directory or file, with its mode.
    """

    path: str
    point: str
    kind: str
    source: str
    status: os.statvfs_result
    owner: os.stat_result

    @property
    def mount(self) -> str:
        """What to call the mount."""
        return f"{self.point} ({self.kind}, {self.source})"


def full(failure: Failure) -> Cause | None:
    """Return the mount that has no space left, or no inodes."""
    return _full(_place_of(failure))


def full_at(path: str) -> Cause | None:
    """Return what is said of the mount that a path of the host lies on, if it is full and can be looked at."""
    with suppress(OSError, LookupError):
        return _full(_place_at(path))
    return None


def _full(place: Place) -> Cause | None:
    status = place.status
    if status.f_blocks and not status.f_bavail:
        size = status.f_blocks * status.f_frsize // _KIB
        return Cause(f"{place.mount} is full: 0 of {size} KiB are left", f"make room: `df {place.path}`")
    if status.f_files and not status.f_favail:
        text = f"{place.mount} has none of {status.f_files} inodes left"
        return Cause(text, f"remove files: `df -i {place.path}`")
    return None


def closed(failure: Failure) -> Cause | None:
    """Return whose a place of the host is that the caller may not change, or enter."""
    if not failure.planned.step.stage.on_host:
        return None
    place, caller = _place_of(failure), os.geteuid()
    if caller in (0, place.owner.st_uid):
        return None
    owner = f"user {place.owner.st_uid} (mode {stat.S_IMODE(place.owner.st_mode):04o})"
    return Cause(f"{place.path} belongs to {owner}, and the caller is user {caller}")


def read_only(failure: Failure) -> Cause | None:
    """Return the mount that is read-only; where the host's is not, the container's own is."""
    place = _place_of(failure)
    if place.status.f_flag & os.ST_RDONLY:
        remedy = f"make it writable: `mount -o remount,rw {place.point}`, or make beforehand what is missing in it"
        return Cause(f"{place.mount} is mounted read-only on the host", remedy)
    if failure.plan.facts.get(NewRoot):
        owner = failure.plan.facts.publisher(NewRoot)
        text = f"{place.path} is writable on the host: it is {owner} that makes the container's root read-only"
        return Cause(text, f"leave read_only out of {owner}, or give the path a mount of its own")
    return None


def _place_of(failure: Failure) -> Place:
    """Return the place that a step was about, as far as the plan tells: in the root, or the root itself."""
    step = failure.planned.step
    named = next((item for item in step.arguments if isinstance(item, str) and item.startswith("/")), "/")
    root = failure.plan.facts.get(NewRoot)
    if failure.path or root is None or step.stage.on_host:
        return _place_at(failure.path or named)
    opened = open_root_of(root)
    try:
        # Links of the container's lead nowhere else.
        return _looked_at(View(opened, root.path).open_nearest(named))
    finally:
        os.close(opened)


def _place_at(path: str) -> Place:
    """Return the place of a path of the host, or of the nearest directory above it that there is."""
    while not os.path.exists(path):
        path = os.path.dirname(os.path.abspath(path))
    return _looked_at(os.open(path, os.O_PATH | os.O_CLOEXEC))


def _looked_at(opened: int) -> Place:
    """Return the place that is open, and close it."""
    try:
        path = os.readlink(f"/proc/self/fd/{opened}")
        lines = Path(f"/proc/self/fdinfo/{opened}").read_text().splitlines()
        identity = next(line.split()[1] for line in lines if line.startswith("mnt_id:"))
        for line in os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).splitlines():
            before, _, after = line.partition(" - ")
            number, _, _, _, point, *_ = before.split(" ")
            if number == identity:
                kind, source, *_ = after.split(" ")
                named = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point)
                return Place(path, named, kind, source, os.fstatvfs(opened), os.fstat(opened))
    finally:
        os.close(opened)
    raise LookupError(f"no mount of {path} is seen")
