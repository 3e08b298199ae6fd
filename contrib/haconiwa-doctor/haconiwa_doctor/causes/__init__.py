"""Why a step has failed: the core asks, by an entry point, when one has.

What is found is told beside the kernel's answer and never instead of it; what cannot be looked at is not told.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress

from haconiwa_core.runtime.cause import Cause, Failure

_DENIED = (errno.EPERM, errno.EACCES)
_USED_UP = (errno.ENOSPC, errno.EUSERS)


def of_step(failure: Failure) -> Cause | None:
    """Return why a step has failed; see `haconiwa_core.runtime.cause.Explainer`."""
    for look in _looks(failure):
        # Whatever the container's files are, and wherever the host lets nobody look: the step's own error is told.
        with suppress(Exception):
            if found := look(failure):
                return found
    return None


def of_path(path: str, code: int) -> Cause | None:
    """Return why a path could not be written; see `haconiwa_core.runtime.cause.Explainer`."""
    if code != errno.ENOSPC:
        return None
    from haconiwa_doctor.causes import places

    return places.full_at(path)


def _looks(failure: Failure) -> Iterator[Callable[[Failure], Cause | None]]:
    if failure.planned.step.function.__name__ == "execute":
        from haconiwa_doctor.causes import commands

        yield commands.look
    elif failure.code in _DENIED:
        from haconiwa_doctor.causes import capabilities, namespaces, places

        yield namespaces.groups_denied
        yield namespaces.blocked
        yield capabilities.missing
        yield places.closed
    elif failure.code in _USED_UP:
        from haconiwa_doctor.causes import namespaces, places

        yield namespaces.used_up
        yield places.full
    elif failure.code == errno.ENOSYS:
        from haconiwa_doctor.causes import namespaces

        yield namespaces.hidden
    elif failure.code == errno.EROFS:
        from haconiwa_doctor.causes import places

        yield places.read_only
