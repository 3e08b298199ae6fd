"""Who calls: capabilities, limits, ids of its own, and a place for its state."""

from __future__ import annotations

import os
import pwd
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.errors import StepError
from haconiwa_core.host import gather
from haconiwa_core.linux import write_id_maps_by_helpers
from haconiwa_core.linux.constants import CloneFlag
from haconiwa_doctor import kernel
from haconiwa_doctor.capabilities import MEANINGS

_FILES, _PROCESSES = 1024, 256
_GIVE = "leave it to who calls: CapabilityBoundingSet= of a systemd unit, --cap-add of another runtime"


def capabilities() -> Iterator[Diagnosis]:
    """What who calls may do beyond what any user may; what is missing is named."""
    host = gather()
    known = [(number, MEANINGS.get(number, (f"CAP_{number}", "newer than this list"))) for number in _numbers()]
    missing = [(name, meaning) for number, (name, meaning) in known if not host.has_capability(number)]
    if host.uid != 0 and len(missing) == len(known):
        meaning = "none, as ordinary users have none: what needs any works within a user namespace"
        yield Diagnosis("capabilities", "degraded", meaning, "run as root, or add ns-user to the container")
        return
    yield Diagnosis("capabilities", "ok", f"{len(known) - len(missing)} of {len(known)}")
    for name, meaning in missing:
        yield Diagnosis(name, "missing", f"without it: {meaning}", _GIVE)


def _numbers() -> range:
    return range(gather().last_capability + 1)


def limits() -> Iterator[Diagnosis]:
    """Limits that Haconiwa itself comes under."""
    wanted = (
        ("RLIMIT_NOFILE", resource.RLIMIT_NOFILE, _FILES, "open files: several for each container that is kept"),
        ("RLIMIT_NPROC", resource.RLIMIT_NPROC, _PROCESSES, "processes of the user, those in containers among them"),
    )
    for name, number, least, meaning in wanted:
        soft, hard = resource.getrlimit(number)
        shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
        if soft == resource.RLIM_INFINITY or soft >= least:
            yield Diagnosis(name, "ok", f"{shown} {meaning}")
        else:
            letter = "n" if number == resource.RLIMIT_NOFILE else "u"
            top = hard == resource.RLIM_INFINITY or hard >= least
            remedy = f"ulimit -{letter} {least}" if top else f"as root: raise it to {least} in limits.conf(5)"
            yield Diagnosis(name, "degraded", f"{shown} {meaning}", remedy)


def subordinate_ids() -> Iterator[Diagnosis]:
    """Ids beside the caller's own that the administrator has given to it, mapped (subuid(5), newuidmap(1))."""
    name = "subordinate ids"
    if os.geteuid() == 0:
        yield Diagnosis(name, "ok", "not needed: root maps any ids")
        return
    only = "a container maps one id, the caller's own"
    users, groups = (_range_in(Path("/etc", file)) for file in ("subuid", "subgid"))
    if not users or not groups:
        meaning = f"/etc/subuid and /etc/subgid give {_name()} no ranges of both: {only}"
        remedy = f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {_name()}"
        yield Diagnosis(name, "degraded", meaning, remedy)
        return
    try:
        _map(*(f"0 {first} {count}\n" for first, count in (users, groups)))
    except StepError as error:
        yield Diagnosis(name, "degraded", f"{error.strerror}: {only}", error.remedy)
    else:
        meaning = f'{users[1]} from {users[0]}: a container maps them with ns-user.uid_map = "auto"'
        yield Diagnosis(name, "ok", meaning)


def _map(users: str, groups: str) -> None:
    """Map ranges in the user namespace of a child that waits."""
    reader, writer = os.pipe()
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        with suppress(OSError):
            kernel.unshare(CloneFlag.CLONE_NEWUSER)
        os.write(told, b"1")
        os.read(reader, 1)
        os._exit(0)
    try:
        os.read(ready, 1)
        write_id_maps_by_helpers(pid, users, groups)
    finally:
        for descriptor in (reader, writer, ready, told):
            os.close(descriptor)
        os.waitpid(pid, 0)


def _range_in(file: Path) -> tuple[str, str] | None:
    """Return first id and count of the caller's first range."""
    with suppress(OSError):
        for line in file.read_text("utf-8", "replace").splitlines():
            owner, *numbers = line.split(":")
            if owner in (_name(), str(os.geteuid())) and len(numbers) == 2:
                return numbers[0], numbers[1]
    return None


def _name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def runtime_directory() -> Iterator[Diagnosis]:
    """Where an ordinary user's records and sockets lie."""
    place = os.environ.get("XDG_RUNTIME_DIR")
    if os.geteuid() == 0:
        yield Diagnosis("XDG_RUNTIME_DIR", "ok", "not needed: root's records lie in /run/haconiwa")
    elif not place:
        remedy = "log in with a session (pam_systemd), or: export XDG_RUNTIME_DIR=/run/user/$(id -u)"
        yield Diagnosis("XDG_RUNTIME_DIR", "missing", "not set: there is no place for records", remedy, essential=True)
    elif not os.path.isdir(place) or os.stat(place).st_uid != os.geteuid():
        meaning = f"{place} is no directory of the caller's own"
        remedy = f"as root: install -d -m 700 -o {os.geteuid()} {place}"
        yield Diagnosis("XDG_RUNTIME_DIR", "missing", meaning, remedy, essential=True)
    else:
        yield Diagnosis("XDG_RUNTIME_DIR", "ok", place, essential=True)


CHECKS = (capabilities, limits, subordinate_ids, runtime_directory)
