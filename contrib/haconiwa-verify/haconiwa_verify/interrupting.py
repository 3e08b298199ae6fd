"""End early, and leave nothing on the host."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], Any] | int | None

_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupting:
    """While entered, the first signal that asks this process to end waits until an attempt is made; the next does not.

    Raises:
        KeyboardInterrupt: then, as SIGINT alone does otherwise.
    """

    def __init__(self) -> None:
        self._asked = False
        self._former: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Interrupting:
        self._former = {number: signal.signal(number, self._note) for number in _REQUESTS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def between(
        self, progress: Callable[[Iterable[T], str, int], Iterator[T]]
    ) -> Callable[[Iterable[T], str, int], Iterator[T]]:
        """Return a progress that ends when this process is asked to.

        Args:
            progress: yields items, and shows how far they have come.
        """

        def shown(items: Iterable[T], what: str, total: int) -> Iterator[T]:
            for item in progress(items, what, total):
                yield item
                if self._asked:
                    raise KeyboardInterrupt

        return shown

    def _note(self, _number: int, _frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
