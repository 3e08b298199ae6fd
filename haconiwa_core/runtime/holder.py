"""Who holds a container's name, and how to get it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from haconiwa_core.errors import RecordError
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.cause import Cause
from haconiwa_core.runtime.record import Process, Record, boot_id
from haconiwa_core.runtime.store import FILE_NAME, Store

_FORGET = "`haconiwa gc` forgets it"


def holder_of(store: Store, name: str) -> Cause:
    """Return who holds a name that is taken, and what to do about it."""
    # That it is taken is told in any case.
    with suppress(Exception):
        return _look(store, name)
    return Cause("nobody can tell by whom", "`haconiwa gc` cleans up after what has ended")


def _look(store: Store, name: str) -> Cause:
    place = store.directory / name
    try:
        record = store.read(name)
    except RecordError as error:
        if (place / FILE_NAME).exists():
            return Cause(str(error))
        if _is_locked(place):
            return Cause("a container of this name is about to be started", "wait for it, or take another name")
        return Cause("a start of this name was killed before it wrote a record", "`haconiwa gc` cleans up")
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.began))
    if record.boot != boot_id():
        return Cause(f"a container of an earlier boot has it, since {began}", _FORGET)
    if record.status == "exited":
        ended = "" if record.exit_status is None else f" with status {record.exit_status}"
        return Cause(f"a container has it that began at {began} and has ended{ended}", _FORGET)
    return _holder_alive(record, began)


def _holder_alive(record: Record, began: str) -> Cause:
    child, keeper = record.child, record.supervisor
    kept = f"the process {keeper.pid} keeps it" if _alive(keeper) else "the process that kept it has gone"
    if child is None or not _alive(child):
        cleaning = "wait for that" if _alive(keeper) else "`haconiwa gc` cleans up"
        return Cause(f"a container has it that was {record.status} at {began}; {kept}", cleaning)
    text = f"a container has it that is {record.status} since {began}, as process {child.pid}; {kept}"
    return Cause(text, f"take another name, or end that one: `haconiwa rm --force {record.name}`")


def _is_locked(place: Path) -> bool:
    """Return whether somebody holds a directory, without holding it for a moment (proc_locks(5), flock(2))."""
    try:
        status = place.stat()
    except FileNotFoundError:
        return True  # It has just been given up.
    identity = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return any(line.split()[5] == identity for line in Path("/proc/locks").read_text().splitlines() if "FLOCK" in line)


def _alive(process: Process) -> bool:
    return start_time(process.pid) == process.started
