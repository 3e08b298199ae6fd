"""What a front tells the state about its host, and what it owes to one that was away."""

import asyncio
import json
import os
import time
from io import StringIO
from pathlib import Path

import pytest
from haconiwa_fastcontainer.fleet import reporting
from haconiwa_fastcontainer.fleet.reporting import Meter, Reporting, available_memory
from haconiwa_fastcontainer.journal import Journal
from haconiwa_fastcontainer.state import StateError
from haconiwa_fastcontainer.state.sqlite import SqliteState
from haconiwa_fastcontainer.testing import HOST, opened, row


def test_memory_is_some_of_the_hosts() -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < available_memory() < total


def test_load_rises_with_what_is_done() -> None:
    meter = Meter()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    assert 0 < meter.load() <= 1
    assert 0 <= meter.load() <= 1


def test_what_is_owed_is_written_when_the_state_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "LEASE", 0.1)
    told, back = StringIO(), asyncio.Event()
    url = f"sqlite:{tmp_path / 'state'}"

    async def do() -> None:
        async with opened(url) as other:
            for name in ("a", "b"):
                assert await other.reserve(row(name), 2)
            state = SqliteState(url)
            reporter = Reporting(state, HOST, lambda: 2, Journal(told), back.set)
            # It is not open yet: all is refused.
            assert await reporter.save(row("a", phase="running"))
            await reporter.forget("b")
            assert "closed" in reporter.lost
            assert [reporter.is_forgotten(name) for name in "ab"] == [False, True]
            with pytest.raises(StateError):
                await state.rows()
            assert {each.phase for each in await other.rows()} == {"starting"}
            await state.open(reporter.measured())
            running = asyncio.ensure_future(reporter.run())
            await back.wait()
            while reporter.is_forgotten("b"):
                await asyncio.sleep(0.01)
            assert [(each.name, each.phase) for each in await other.rows()] == [("a", "running")]
            assert not reporter.lost
            running.cancel()
            await state.close()

    asyncio.run(do())
    assert [json.loads(line)["reached"] for line in told.getvalue().splitlines()] == [False, True]
