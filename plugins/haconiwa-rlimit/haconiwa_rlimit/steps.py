"""Change the limits of processes that run."""

from __future__ import annotations

import errno
import resource

from haconiwa_core.errors import StepError
from haconiwa_core.runtime.lookup import processes_of_container

_ROUNDS = 100


def limit_processes(directory: str, number: int, soft: int, hard: int) -> None:
    """Set a limit of every process of a container (prlimit(2)).

    It is repeated until no process is left that was forked meanwhile by one with the former limit.

    Args:
        directory: the instance's own, below the state directory.
        number: of the resource.
        soft: the limit, in the resource's own unit; -1 is none.
        hard: what the soft limit can be raised to.

    Raises:
        StepError: the kernel refuses.
        OSError: the container has ended, or forks faster than this can follow.
    """
    for _ in range(_ROUNDS):
        if not [pid for pid in processes_of_container(directory) if _limit(pid, number, soft, hard)]:
            return
    raise OSError(errno.EAGAIN, "processes are made faster than they can be limited")


def _limit(pid: int, number: int, soft: int, hard: int) -> bool:
    """Set a process's limit; return whether it had another one."""
    try:
        return resource.prlimit(pid, number, (soft, hard)) != (soft, hard)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError) as error:
        remedy = "raising a hard limit needs CAP_SYS_RESOURCE, which the caller does not have"
        raise StepError(errno.EPERM, f"process {pid}: {error}", remedy) from error
