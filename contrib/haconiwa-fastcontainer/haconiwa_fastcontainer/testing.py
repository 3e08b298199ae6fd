"""For tests of kinds of state: what all of them have to do."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from haconiwa_fastcontainer.state import Host, Phase, Row, State, StateError, state_of

HOST = Host("here", 0, 100, 1 << 30, 0.0, holder="here")
_PATIENCE = 30.0


def row(name: str, service: str = "web", host: str = HOST.name, phase: Phase = "starting") -> Row:
    """Return a new instance."""
    return Row(name, service, host, phase, "1", "", 80, time.time())


@asynccontextmanager
async def opened(url: str, host: Host = HOST) -> AsyncIterator[State]:
    """Give a state that is open."""
    state = state_of(url)
    await state.open(host)
    try:
        yield state
    finally:
        await state.close()


async def until(seen: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is seen, which the state may refuse to answer at first."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(StateError):
            if await seen():
                return
        assert time.monotonic() < deadline, "it was not seen"
        await asyncio.sleep(0.02)


def reserve_some(url: str, names: list[str], fewer_than: int) -> int:
    """Reserve instances as a process of its own; return how many of them were added."""

    async def reserve() -> int:
        async with opened(url) as state:
            return sum([await state.reserve(row(name), fewer_than) for name in names])

    return asyncio.run(reserve())


class StateContract:
    """Tests of a kind of state. A subclass has the fixture `url`, of an empty one."""

    def test_instances_are_kept(self, url: str) -> None:
        """What one front writes, the next one reads."""

        async def do() -> None:
            async with opened(url) as state:
                assert await state.reserve(row("a"), 1)
                (written,) = await state.rows("web")
                changed = written._replace(phase="running", address="10.0.0.1", port=81, since=written.since + 1)
                assert await state.put(changed)
            async with opened(url) as state:
                assert await state.rows() == await state.rows("web") == [changed]
                assert await state.rows("other") == []
                await state.remove("a")
                await state.remove("a")
                assert await state.rows() == []

        asyncio.run(do())

    def test_what_was_removed_does_not_come_back(self, url: str) -> None:
        """A late change of an instance adds none."""

        async def do() -> None:
            async with opened(url) as state:
                assert not await state.put(row("a"))
                assert await state.rows() == []

        asyncio.run(do())

    @pytest.mark.parametrize("most", [1, 3])
    def test_fronts_that_reserve_at_once_get_no_more(self, url: str, most: int) -> None:
        """One at a time, however many connections ask."""

        async def do() -> None:
            async with AsyncExitStack() as stack:
                states = [await stack.enter_async_context(opened(url)) for _ in range(5)]
                asked = [state.reserve(row(f"{n}-{m}"), most) for n, state in enumerate(states) for m in range(8)]
                added = await asyncio.gather(*asked)
                assert sum(added) == len(await states[0].rows("web")) == most

        asyncio.run(do())

    def test_processes_that_reserve_at_once_get_no_more(self, url: str) -> None:
        """One at a time, however many processes ask."""
        with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
            asked = [
                processes.submit(reserve_some, url, [f"{process}-{each}" for each in range(20)], 7)
                for process in range(4)
            ]
            assert sum(each.result() for each in asked) == 7

    def test_limits_of_service_and_host(self, url: str) -> None:
        """What drains does not count for the service, but takes room on the host."""

        async def do() -> None:
            async with opened(url, HOST._replace(most=2)) as state:
                assert await state.reserve(row("a"), 1)
                assert not await state.reserve(row("b"), 1)
                assert await state.put(row("a", phase="draining"))
                assert await state.reserve(row("b"), 1)
                assert not await state.reserve(row("c", "other"), 1)
                (host,) = await state.hosts()
                assert (host.name, host.instances, host.most) == ("here", 2, 2)

        asyncio.run(do())

    def test_changes_are_told_to_all(self, url: str) -> None:
        """Who has made the change is told, too."""

        async def do() -> None:
            told: list[list[str]] = [[], []]
            async with opened(url) as one, opened(url) as other:
                one.watch(told[0].append)
                other.watch(told[1].append)

                async def all_are_told() -> bool:
                    return all("web" in names or "" in names for names in told)

                for change in (one.reserve(row("a"), 1), one.put(row("a")), one.remove("a")):
                    await change
                    await until(all_are_told)
                    for names in told:
                        names.clear()

        asyncio.run(do())

    def test_what_is_closed_refuses(self, url: str) -> None:
        """Nothing is written after the end."""

        async def do() -> None:
            async with opened(url) as state:
                pass
            with pytest.raises(StateError, match="closed"):
                await state.rows()

        asyncio.run(do())
