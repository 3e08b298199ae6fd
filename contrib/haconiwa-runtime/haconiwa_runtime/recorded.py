"""Containers that another process supervises, known by their records: looked at, signalled, ended, forgotten."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.linux import kill_cgroup, open_process
from haconiwa_core.linux.cgroups import is_frozen
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.cleanup import undo
from haconiwa_core.runtime.processes import UNKNOWN, End, end_of, is_readable, kill_all
from haconiwa_core.runtime.record import Process, Record, boot_id
from haconiwa_core.runtime.store import Claim, Store, note_asked
from haconiwa_runtime.client import ask_about

State = Literal["starting", "created", "running", "paused", "exited", "lost"]
"""A lost container's processes have ended, and so has its supervisor, before it could say how."""

LIVE = ("created", "running", "paused")
"""The states of a container that has a first process."""

_CLEANING_UP = 5.0
_POLL = 0.005


@dataclass(frozen=True)
class Found:
    """A container as its record and the kernel tell of it at one moment.

    Attributes:
        record: as it was read.
        state: what it is doing.
    """

    record: Record
    state: State

    @property
    def child(self) -> Process:
        """Its first process.

        Raises:
            HaconiwaError: it has none that runs.
        """
        if self.state not in LIVE or self.record.child is None:
            raise HaconiwaError(f"the container {self.record.name} is not running: it is {self.state}")
        return self.record.child


def find(store: Store, name: str) -> Found:
    """Return a container by its name.

    Raises:
        RecordError: there is none, or its record cannot be read.
    """
    record = store.read(name)
    return Found(record, _state(record))


def find_all(store: Store) -> Iterator[Found]:
    """Yield all containers whose records can be read, by name."""
    return (Found(record, _state(record)) for record in store.records())


def _state(record: Record) -> State:
    if record.status == "exited":
        return "exited"
    if record.boot != boot_id():
        return "lost"
    if record.child is None:
        return "starting" if _lives(record.supervisor) else "lost"
    if not _lives(record.child):
        return "lost"
    return "paused" if record.group and is_frozen(*record.group) else record.status


def _lives(process: Process) -> bool:
    return start_time(process.pid) == process.started


def send_signal(store: Store, name: str, number: int) -> None:
    """Send a signal to a container's first process; SIGKILL to all of it.

    Raises:
        HaconiwaError: there is no such container, or it is not running.
    """
    found = find(store, name)
    child = found.child
    with suppress(ProcessLookupError), _opened(child) as pidfd:
        note_asked(store.directory / name, number)
        if number == signal.SIGKILL and not ask_about(store, name, "kill"):
            _kill(child.pid, pidfd, found.record)
        elif number != signal.SIGKILL:
            signal.pidfd_send_signal(pidfd, number)


def stop(store: Store, name: str, timeout: float) -> None:
    """Ask a container to end with SIGTERM, kill all of it if it does not; nothing happens when it has ended.

    Args:
        store: with its record.
        name: of the container.
        timeout: seconds between the two.

    Raises:
        HaconiwaError: there is no such container, or what it has left could not be removed.
    """
    if ask_about(store, name, "stop", timeout=timeout):
        return
    found = find(store, name)
    if found.state in LIVE:
        with suppress(ProcessLookupError), _opened(found.child) as pidfd:
            note_asked(store.directory / name, signal.SIGTERM)
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            if not is_readable(pidfd, timeout):
                note_asked(store.directory / name)
                _kill(found.child.pid, pidfd, found.record)
                is_readable(pidfd)
    await_record(store, name)


def wait(store: Store, name: str) -> End:
    """Wait for a container's end and tell how it was, without what it has used.

    Raises:
        HaconiwaError: there is no such container.
    """
    found = find(store, name)
    if found.state not in LIVE:
        return found.record.end or UNKNOWN
    if answer := ask_about(store, name, "wait"):
        value = answer["value"]
        return End(value["exit_status"], value["reason"], None, value["certainty"])
    told = UNKNOWN
    with suppress(ProcessLookupError), _opened(found.child) as pidfd:
        is_readable(pidfd)
        await_record(store, name)
        told = end_of(pidfd)
    ended = _read_if_there(store, name)
    # Another container may have the name by now.
    return (ended.end or told) if ended and ended.began == found.record.began else told


def await_record(store: Store, name: str) -> None:
    """Wait until a container that has ended is recorded as such, by its supervisor or in its place.

    Raises:
        HaconiwaError: that did not happen, or what it has left could not be removed.
    """
    deadline = time.monotonic() + _CLEANING_UP
    while time.monotonic() < deadline:
        record = _read_if_there(store, name)
        if record is None or record.status == "exited":
            return None
        if claim := store.take_over(name):
            try:
                return _clean_up(store, claim)
            finally:
                claim.release()
        time.sleep(_POLL)
    raise HaconiwaError(f"the container {name} has ended, but its supervisor has not noted it")


def remove(store: Store, name: str, *, force: bool = False) -> None:
    """Forget a container that has ended: its record and its log.

    Args:
        store: with its record.
        name: of the container.
        force: kill it first if it runs.

    Raises:
        HaconiwaError: there is no such container, it runs, its supervisor has not let go of it, or
            what it has left could not be removed.
    """
    if ask_about(store, name, "remove", force=force):
        return
    found = find(store, name)
    if found.state not in ("exited", "lost"):
        if not force:
            raise HaconiwaError(f"the container {name} is {found.state}; stop it first, or add --force")
        stop(store, name, 0)
    claim = _taken_over(store, name)
    if claim is None:
        return
    try:
        _clean_up(store, claim)
        claim.remove()
    finally:
        claim.release()


def _kill(pid: int, pidfd: int, record: Record) -> None:
    kill_all(pid, pidfd)
    if record.group:
        kill_cgroup(*record.group)


@contextmanager
def _opened(process: Process) -> Iterator[int]:
    """Give a process's descriptor; ProcessLookupError if it has ended."""
    pidfd = open_process(process.pid, process.started)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def _taken_over(store: Store, name: str) -> Claim | None:
    """Return the claim of a container that has ended; None if it has been forgotten meanwhile."""
    deadline = time.monotonic() + _CLEANING_UP
    while time.monotonic() < deadline:
        claim = store.take_over(name)
        if claim or _read_if_there(store, name) is None:
            return claim
        time.sleep(_POLL)
    raise HaconiwaError(f"the container {name} has ended, but its supervisor has not let go of it")


def _read_if_there(store: Store, name: str) -> Record | None:
    try:
        return store.read(name)
    except RecordError:
        if name in store:
            raise
        return None


def _clean_up(store: Store, claim: Claim) -> None:
    """Do what a supervisor that is gone has left to do."""
    record = store.read(claim.name)
    if record.status == "exited" and not record.undo:
        return
    failures = undo(record)
    claim.write(record.ended(record.end or UNKNOWN)._replace(undo=record.undo if failures else ()))
    if failures:
        raise HaconiwaError(f"could not clean up after {claim.name}: {'; '.join(failures)}; remove the cause")
