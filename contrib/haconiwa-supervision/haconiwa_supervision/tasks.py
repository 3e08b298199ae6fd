"""What is begun without being waited for: nothing that is wrong with it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """What somebody has begun, and has not ended.

    Args:
        fault: told what is wrong with one.

    Attributes:
        quiet: set while there are none.
    """

    def __init__(self, fault: Callable[[BaseException], None]) -> None:
        self._fault = fault
        self._tasks: set[asyncio.Task[Any]] = set()
        self.quiet = asyncio.Event()
        self.quiet.set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something for whose result nobody need wait."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        self.quiet.clear()
        task.add_done_callback(self._has_ended)
        return task

    def cancel(self) -> None:
        """Let all end where they are."""
        for task in self._tasks:
            task.cancel()

    async def wait(self, timeout: float) -> None:
        """Wait until all have ended.

        Args:
            timeout: seconds after which those that have not are left alone.
        """
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    def _has_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self.quiet.set()
        if not task.cancelled() and (error := task.exception()):
            self._fault(error)
