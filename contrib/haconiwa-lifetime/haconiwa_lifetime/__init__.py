"""Hooks for containers that end by themselves: after a time, or when they have had nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haconiwa_supervision import Context

    from haconiwa_core import Container

__all__ = ["attach", "attach_idle"]

_MARGIN = 10.0
_MICROSECONDS = 1_000_000
_USED = "haconiwa_lifetime.used"


def attach(
    container: Container,
    seconds: float,
    *,
    jitter: float = 0.0,
    drain: float = 0.0,
    signal: str = "",
    command: Sequence[str] = (),
) -> None:
    """Give a container a life time.

    With `drain` it is told of each stop before that begins, whoever has asked for it, and is given time to finish what
    it does. Then it is stopped as its section `supervision` says.

    Args:
        container: gets the hooks.
        seconds: from its start, also from each restart.
        jitter: at most so many seconds are added, at random, so that not all end at once.
        drain: seconds that it has for finishing at most; a command that has ended, or the container's own end, ends
            the wait. 0 is no draining.
        signal: tells its first process, such as "SIGUSR1".
        command: is executed in it instead, and returns when it is drained.

    Raises:
        ValueError: there is no way to tell it of a drain, or there are two.
    """
    if (drain > 0) != (bool(signal) + bool(command) == 1):
        raise ValueError("a drain has seconds, and either a signal or a command")

    @container.every(seconds, jitter=jitter, limit=1, name="lifetime")
    def end(c: Context) -> None:
        c.stop()

    if not drain:
        return

    @container.on("before_stop", timeout=drain + _MARGIN, name="drain")
    def finish(c: Context) -> None:
        if command:
            c.exec(command, timeout=drain, check=True)
        else:
            c.signal(signal)
            _ends_within(c, drain)


def attach_idle(container: Container, seconds: float, *, busy: float = 0.01) -> None:
    """Stop a container when it has used next to no processor time for a while.

    It needs the feature `cgroup`, which counts that.

    Args:
        container: gets the hook.
        seconds: of the while; it begins when the container is ready.
        busy: processors in use, on average, from which it counts as busy: 0.01 is one hundredth of one.
    """

    @container.every(seconds, after_ready=True, name="idle")
    def look(c: Context) -> None:
        try:
            used = c.cgroup.cpu.usage_usec
        except AttributeError:
            # Of one that ends at this moment nothing is told any more.
            if _ends_within(c, 0):
                return
            raise
        before = c.store.get(_USED, 0)
        c.store[_USED] = used
        # After a restart it is counted anew.
        if before <= used < before + busy * seconds * _MICROSECONDS:
            c.stop()


def _ends_within(c: Context, seconds: float) -> bool:
    """Wait for the end of a container, and return whether it has ended."""
    import os
    from select import POLLIN, poll

    try:
        pidfd = c.open_pidfd()
    except ProcessLookupError:
        return True
    try:
        waiting = poll()
        waiting.register(pidfd, POLLIN)
        return bool(waiting.poll(seconds * 1000))
    finally:
        os.close(pidfd)
