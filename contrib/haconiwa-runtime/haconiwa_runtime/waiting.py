"""Waiting in an event loop for a limited time.

asyncio.timeout() takes its own time limit for a cancellation in a task that is being cancelled already, before
Python 3.11.3: what is ended there, when time is up, would be left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Protocol, TypeVar

T = TypeVar("T")


class HasFileno(Protocol):
    """What a descriptor is asked of."""

    def fileno(self) -> int:
        """Return it."""


async def within(timeout: float | None, work: Awaitable[T]) -> T:
    """Await something for a limited time; it is cancelled then.

    Args:
        timeout: seconds; None waits for ever.
        work: to await.

    Raises:
        TimeoutError: it has taken longer.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    if not done:
        raise TimeoutError
    return task.result()


async def is_readable(file: int | HasFileno, timeout: float | None = None) -> bool:
    """Wait until a descriptor is readable; return whether it is.

    Args:
        file: to wait for.
        timeout: seconds; None waits for ever.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(file, readable.set)
    try:
        with suppress(TimeoutError):
            await within(timeout, readable.wait())
    finally:
        loop.remove_reader(file)
    return readable.is_set()
