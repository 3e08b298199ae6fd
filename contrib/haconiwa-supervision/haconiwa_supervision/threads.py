"""A thread for one call: what holds it up holds up nobody else, and what it does to itself ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def _forget(_result: object) -> None:
    """Do nothing with a result."""


async def in_own_thread(function: Callable[[], T], discard: Callable[[T], object] = _forget) -> T:
    """Call a function in a new thread, and await it.

    Args:
        function: to call; it must release the GIL where it waits.
        discard: called in that thread with the result, if nobody awaits it any more.
    """
    done: Future[T] = Future()
    # It cannot be called back once it has begun.
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            done.set_exception(error)

    # Who is held up for ever must not keep the process from ending.
    Thread(target=run, daemon=True).start()
    try:
        return await asyncio.wrap_future(done)
    except asyncio.CancelledError:
        done.add_done_callback(lambda ended: ended.exception() or discard(ended.result()))
        raise
