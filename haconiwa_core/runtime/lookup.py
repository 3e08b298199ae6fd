"""Find what belongs to a running container by its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from haconiwa_core.errors import RecordError
from haconiwa_core.linux.cgroups import members
from haconiwa_core.linux.host import descendants, open_namespace, start_time
from haconiwa_core.runtime.record import Record
from haconiwa_core.runtime.store import Store


def open_namespace_of_container(kind: str, name: str) -> int:
    """Open a namespace of a running container, to be joined (namespaces(7)).

    Args:
        kind: the file in /proc/PID/ns.
        name: of the container.

    Raises:
        OSError: there is no such container, or it has ended.
    """
    child = _record(Store(), name).child
    if child is None:
        raise ProcessLookupError(errno.ESRCH, f"the container {name} is not running")
    descriptor = open_namespace(f"/proc/{child.pid}/ns/{kind}")
    # It was opened while the pid still meant the container, or it is refused.
    if start_time(child.pid) != child.started:
        os.close(descriptor)
        raise ProcessLookupError(errno.ESRCH, f"the container {name} has ended")
    return descriptor


def processes_of_container(directory: str) -> Iterator[int]:
    """Yield the pids of a running container: of its first process, its descendants, and all in its control group.

    Args:
        directory: the instance's own, below the state directory.

    Raises:
        OSError: it has ended.
    """
    path = Path(directory)
    record = _record(Store(path.parent), path.name)
    child = record.child
    if child is None or start_time(child.pid) != child.started:
        raise ProcessLookupError(errno.ESRCH, f"the container {path.name} has ended")
    if record.group:
        yield from members(Path(*record.group))
        return
    yield child.pid
    yield from (pid for pid, _ in descendants(child.pid))


def _record(store: Store, name: str) -> Record:
    try:
        return store.read(name)
    except RecordError as error:
        raise OSError(errno.ENOENT, str(error)) from error
