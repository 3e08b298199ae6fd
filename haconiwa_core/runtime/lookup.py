"""Find what belongs to a running container by its name."""

from __future__ import annotations

import errno
import os

from haconiwa_core.errors import RecordError
from haconiwa_core.linux.host import open_namespace, start_time
from haconiwa_core.runtime.store import Store


def open_namespace_of_container(kind: str, name: str) -> int:
    """Open a namespace of a running container, to be joined (namespaces(7)).

    Args:
        kind: the file in /proc/PID/ns.
        name: of the container.

    Raises:
        OSError: there is no such container, or it has ended.
    """
    try:
        child = Store().read(name).child
    except RecordError as error:
        raise OSError(errno.ENOENT, str(error)) from error
    if child is None:
        raise ProcessLookupError(errno.ESRCH, f"the container {name} is not running")
    descriptor = open_namespace(f"/proc/{child.pid}/ns/{kind}")
    # It was opened while the pid still meant the container, or it is refused.
    if start_time(child.pid) != child.started:
        os.close(descriptor)
        raise ProcessLookupError(errno.ESRCH, f"the container {name} has ended")
    return descriptor
