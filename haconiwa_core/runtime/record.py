"""A record: what is on disk about one container, enough to clean up after any crash."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from haconiwa_core.container import is_name
from haconiwa_core.linux.host import start_time
from haconiwa_core.runtime.processes import Certainty, End

VERSION = 1

Status = Literal["starting", "created", "running", "exited"]
Orphan = Literal["end", "keep"]


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one of the same pid.

    Args:
        pid: in the host's pid namespace.
        started: clock ticks since boot.
    """

    pid: int
    started: int

    @staticmethod
    def of(pid: int) -> Process:
        """Return the identity of a live process."""
        return Process(pid, start_time(pid))

    @staticmethod
    def of_this() -> Process:
        """Return the identity of the calling process."""
        return _of_this(os.getpid())


@cache
def _of_this(pid: int) -> Process:
    return Process.of(pid)


class Undo(NamedTuple):
    """How to remove what one step left on the host.

    Args:
        function: name in `haconiwa_core.linux.undo`.
        arguments: plain values.
        plugin: whose step it was, for messages.
        lasting: what the step left is meant to stay once the container has started.
    """

    function: str
    arguments: tuple[Any, ...]
    plugin: str
    lasting: bool = False


class Record(NamedTuple):
    """What is known of one container.

    Args:
        name: of the instance.
        container: the definition, as `Container.to_json` gives it.
        boot: the kernel's boot id; a record of another boot has no processes any more.
        began: seconds since the epoch when its start began, for people.
        status: how far the container has come; a created one waits before its command is executed.
        orphan: what `gc` does with a container whose supervisor is gone: "end" or "keep".
        supervisor, child: processes; the child is None until it exists.
        undo: in the order in which the steps ran.
        exit_status: of an exited container.
        reason: why it has ended, as `End.reason` of `haconiwa_core.runtime.processes`; "" where it has not.
        certainty: of the reason: "fact" or "likely"; "" where there is none.
        group: base and name of its control group, empty without one; all of it can be killed there.
        counters: reason, path and field of each, read when the container has ended.
        signals: reason and number of each by which the kernel may end it.
        warnings: what is less than the definition asks for; see `Plan.warnings`.
        version: of this format.
    """

    name: str
    container: Mapping[str, Any]
    boot: str
    began: float
    status: Status
    orphan: Orphan
    supervisor: Process
    child: Process | None = None
    undo: tuple[Undo, ...] = ()
    exit_status: int | None = None
    reason: str = ""
    certainty: Certainty | Literal[""] = ""
    group: tuple[str, ...] = ()
    counters: tuple[tuple[str, str, str], ...] = ()
    signals: tuple[tuple[str, int], ...] = ()
    warnings: tuple[str, ...] = ()
    version: int = VERSION

    def ended(self, end: End) -> Record:
        """Return it as it is when the container has ended."""
        return self._replace(
            child=None, status="exited", exit_status=end.exit_status, reason=end.reason, certainty=end.certainty
        )

    @property
    def end(self) -> End | None:
        """How it has ended; None where it has not, or nobody knows."""
        return End(self.exit_status, self.reason, None, self.certainty or "fact") if self.reason else None


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encoded(record: Record) -> bytes:
    """Return a record as JSON."""
    data = record._asdict()
    data["supervisor"] = record.supervisor._asdict()
    data["child"] = record.child and record.child._asdict()
    data["undo"] = [undo._asdict() for undo in record.undo]
    return _ENCODER.encode(data).encode()


def decoded(text: str, changes: str | None) -> Record:
    """Return the record that JSON holds.

    Args:
        text: as `encoded` gives it.
        changes: the values of sections that have been changed since the start, as JSON, if any were.

    Raises:
        ValueError, TypeError, KeyError, RecursionError: it is no record that this version understands.
    """
    record = _parse(json.loads(text))
    return record if changes is None else _changed(record, json.loads(changes))


@cache
def boot_id() -> str:
    """Return the id of the running boot (proc_sys_kernel(5))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def without_lasting(record: Record) -> Record:
    """Return the record of a container that has started: what is meant to stay is no longer undone."""
    return record._replace(undo=tuple(undo for undo in record.undo if not undo.lasting))


def _parse(data: Mapping[str, Any]) -> Record:
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"not a record of version {VERSION}")
    child = data["child"]
    record = Record(
        **{
            **data,
            "supervisor": Process(**data["supervisor"]),
            "child": Process(**child) if child else None,
            "undo": tuple(
                Undo(item["function"], tuple(item["arguments"]), item["plugin"], item["lasting"])
                for item in data["undo"]
            ),
            "group": _texts(data["group"]),
            "counters": tuple(_texts(item) for item in data["counters"]),
            "signals": tuple((str(reason), int(number)) for reason, number in data.get("signals", ())),
            "warnings": _texts(data.get("warnings", [])),
        }
    )
    if len(record.group) not in (0, 2) or any(len(counter) != 3 for counter in record.counters):
        raise ValueError("its control group is not told by base and name")
    for process in (record.supervisor, record.child):
        if process and not (type(process.pid) is int and type(process.started) is int and process.pid > 0):
            raise ValueError("a process has no pid")
    if not is_name(record.name):
        raise ValueError(f"{record.name!r} cannot name a container")
    return record


def _changed(record: Record, features: Any) -> Record:
    if not isinstance(features, dict) or not all(isinstance(values, dict) for values in features.values()):
        raise ValueError("its changes are no values of sections")
    merged = {**record.container["features"], **features}
    return record._replace(container={**record.container, "features": merged})


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is no list of texts")
    return tuple(value)
