"""Hand on the signals that reach a process in the foreground."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from haconiwa_core.errors import HaconiwaError

FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
    signal.SIGWINCH,
)


@contextmanager
def forwarding(send: Callable[[int], object]) -> Iterator[None]:
    """While entered, signals that reach this process go where they are sent.

    Args:
        send: called with a signal's number, in the main thread.

    Raises:
        HaconiwaError: this is not the main thread, the only one that can take signals.
    """
    former = {}
    try:
        try:
            for number in FORWARDED:
                former[number] = signal.signal(number, lambda got, _frame: send(got))
            # A caller may have left it ignored, and the kernel would throw the exit statuses away.
            former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        except ValueError as error:
            raise HaconiwaError("containers run in the foreground from the main thread only") from error
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
