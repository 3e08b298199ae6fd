"""The one way to clean up: after a failed start, a normal end, and any crash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from haconiwa_core import linux
from haconiwa_core.errors import RecordError
from haconiwa_core.runtime.record import Process, Record, boot_id
from haconiwa_core.runtime.store import FILE_NAME, Claim, Store


class Collected(NamedTuple):
    """What `collect` did about one instance; `problem` is "" if it is gone."""

    name: str
    problem: str = ""


def undo(record: Record) -> tuple[str, ...]:
    """Kill what is left of a container and run its undo steps in reverse.

    Every step is tried, whatever happens to the others.

    Returns:
        What could not be undone, as messages; empty in the ordinary case.
    """
    failures: list[str] = []
    if record.child and record.boot == boot_id():
        linux.kill_process(record.child.pid, record.child.started)
    for item in reversed(record.undo):
        function = linux.UNDO.get(item.function)
        if function is None:
            failures.append(f"{item.plugin}: this version has no undo named {item.function}")
            continue
        try:
            function(*item.arguments)
        except (OSError, TypeError, ValueError) as error:
            # A damaged record may hold arguments that the function does not take.
            reason = error.strerror if isinstance(error, OSError) else error
            failures.append(f"{item.plugin}: {item.function}{item.arguments}: {reason}")
    return tuple(failures)


def collect(store: Store) -> Iterator[Collected]:
    """Clean up all instances whose supervisor is gone, and forget those that have exited."""
    for name in store.names():
        claim = store.take_over(name)
        if claim is None:
            continue
        try:
            yield _collect_one(store, claim)
        finally:
            claim.release()


def _collect_one(store: Store, claim: Claim) -> Collected:
    if not os.path.exists(claim.directory / FILE_NAME):
        # The starter was killed before it wrote anything, so nothing else exists.
        claim.remove()
        return Collected(claim.name)
    try:
        record = store.read(claim.name)
    except RecordError as error:
        return Collected(claim.name, str(error))
    if record.status == "running" and record.orphan == "keep" and _alive(record):
        return Collected(claim.name, "still running; its supervisor is gone")
    failures = undo(record)
    if failures:
        return Collected(claim.name, "; ".join(failures))
    claim.remove()
    return Collected(claim.name)


def _alive(record: Record) -> bool:
    child = record.child
    return child is not None and record.boot == boot_id() and Process.of(child.pid) == child
