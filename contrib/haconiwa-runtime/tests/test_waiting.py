"""Waiting for a limited time, in a task that is being cancelled as in any other."""

from __future__ import annotations

import asyncio
import os

import pytest
from haconiwa_runtime.waiting import is_readable, within


async def in_a_cancelled_task(work):
    """Return what some work gives in a task that was cancelled before."""
    results = []

    async def life():
        try:
            await asyncio.sleep(600)
        finally:
            results.append(await work())

    task = asyncio.ensure_future(life())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return results


async def gives_up():
    with pytest.raises(TimeoutError):
        await within(0.01, asyncio.sleep(600))
    return "in time"


async def succeeds():
    return await within(600, asyncio.sleep(0, "done"))


async def fails():
    with pytest.raises(ValueError, match="wrong"):
        await within(600, wrong())
    return "told"


async def wrong():
    raise ValueError("wrong")


@pytest.mark.parametrize(("work", "result"), [(gives_up, "in time"), (succeeds, "done"), (fails, "told")])
def test_in_any_task(work, result):
    assert asyncio.run(work()) == result
    assert asyncio.run(in_a_cancelled_task(work)) == [result]


def test_what_takes_too_long_has_ended_before_that_is_told():
    ended = []

    async def slow():
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0.01)
            ended.append("slow")

    async def give_up():
        with pytest.raises(TimeoutError):
            await within(0.01, slow())
        return list(ended)

    assert asyncio.run(give_up()) == ["slow"]


def test_a_cancellation_from_outside_comes_through():
    ended = []

    async def slow():
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("slow")

    async def cancel():
        task = asyncio.ensure_future(within(600, slow()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert ended == ["slow"]


@pytest.mark.parametrize("timeout", [0, 0.01, 600, None])
def test_a_descriptor(timeout):
    async def look():
        reading, writing = os.pipe()
        try:
            empty = timeout in (600, None) or await is_readable(reading, timeout)
            os.write(writing, b"x")
            return empty, await is_readable(reading, timeout), await is_readable(reading, timeout)
        finally:
            os.close(reading)
            os.close(writing)

    empty, *full = asyncio.run(look())
    assert empty == (timeout in (600, None))
    assert full == [True, True]
    assert asyncio.run(in_a_cancelled_task(look)) == [(empty, True, True)]
