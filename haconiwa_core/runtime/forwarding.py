"""Hand on the signals that reach a process in the foreground to those that it has started.

The third SIGINT or SIGTERM is handed on as SIGKILL, and ends a start that is under way: the first process
of a pid namespace ignores what it has no handler for, a start may wait for a file that nobody writes, and
without this a person at the terminal could not end either.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.processes import Child

C = TypeVar("C", bound=Child)

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

_REQUESTS_TO_END = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 3


class Forwarding:
    """While entered, signals that reach this process go to every child that it has started.

    Raises:
        HaconiwaError: on entering, if this is not the main thread, the only one that can take signals.
    """

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._received: list[int] = []
        self._starting = False
        self._former: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Forwarding:
        try:
            for number in FORWARDED:
                self._former[number] = signal.signal(number, lambda got, _frame: self._forward(got))
            # A caller may have left it ignored, and the kernel would throw the exit statuses away.
            self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        except ValueError as error:
            raise HaconiwaError("a foreground needs the main thread: no other one can take signals") from error
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def start(self, start: Callable[[], C]) -> C:
        """Start a child, and send it what has arrived meanwhile and before, for that was meant for it too.

        Args:
            start: returns it.

        Raises:
            KeyboardInterrupt: the start was to end, again and again.
        """
        return self.start_all(lambda: [start()])[0]

    def start_all(self, start: Callable[[], list[C]]) -> list[C]:
        """Start children as `start` does one."""
        self._starting = True
        try:
            children = start()
        finally:
            self._starting = False
        # What came in between would be sent twice.
        former = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        try:
            self._children += children
            for number in self._received:
                for child in children:
                    child.send_signal(number)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
        return children

    def _forward(self, number: int) -> None:
        self._received.append(number)
        if self._received.count(number) >= _PATIENCE and number in _REQUESTS_TO_END:
            number = signal.SIGKILL
        for child in self._children:
            child.send_signal(number)
        if self._starting and number == signal.SIGKILL:
            raise KeyboardInterrupt
