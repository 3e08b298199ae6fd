"""Processes that a container without a pid namespace leaves behind when its command ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from haconiwa_core.linux.host import adopt_orphans, children


@contextmanager
def adopted_orphans() -> Iterator[None]:
    """Adopt the containers' orphans, and kill those that are left at the end.

    For a process that has no other children than the containers it starts in the meantime.
    """
    before = set(children())
    adopt_orphans(True)
    try:
        yield
    finally:
        end_children(before)
        adopt_orphans(False)


def end_children(spared: Collection[int] = ()) -> None:
    """Kill and reap until no child is left: the children of a killed one are adopted in their turn.

    Args:
        spared: pids of children that are left alone.
    """
    while left := set(children()).difference(spared):
        for pid in left:
            # Unreaped children of ours: the pids cannot have come to mean anything else.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
