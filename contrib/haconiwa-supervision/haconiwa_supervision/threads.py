"""A thread for one call: what holds it up holds up nobody else, and what it does to itself ends with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def begin_in_own_thread(function: Callable[[], T]) -> Future[T]:
    """Call a function in a new thread, which keeps no process from ending, and return what will have its result."""
    done: Future[T] = Future()
    # It cannot be called back once it has begun.
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done


def _forget(_result: object) -> None:
    """Do nothing with a result."""


async def in_own_thread(function: Callable[[], T], discard: Callable[[T], object] = _forget) -> T:
    """Call a function in a new thread, and await it.

    Args:
        function: to call; it must release the GIL where it waits.
        discard: called in that thread with the result, if nobody awaits it any more.
    """
    import asyncio

    done = begin_in_own_thread(function)
    try:
        return await asyncio.wrap_future(done)
    except asyncio.CancelledError:
        done.add_done_callback(lambda ended: ended.exception() or discard(ended.result()))
        raise
