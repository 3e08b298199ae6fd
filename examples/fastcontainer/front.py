"""The front as a process, on a state directory of its own."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from watching import Sample, is_supervised, look

from haconiwa_core.runtime.store import STATE_VARIABLE, Store

TENANTS = Path(__file__).with_name("tenants")
_HACONIWA = (sys.executable, "-m", "haconiwa_core")
_PAUSE = 0.1

Event = Mapping[str, Any]


class Front:
    """`haconiwa fastcontainer serve` with all tenants.

    Args:
        store: of the containers.
        process: its own.

    Attributes:
        events: what it has told so far; each has "time" (seconds since the epoch), "event", "service".
    """

    def __init__(self, store: Store, process: asyncio.subprocess.Process) -> None:
        self.store = store
        self.events: list[Event] = []
        self._process = process
        self._serves = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())

    async def until_it_serves(self) -> None:
        """Wait until it listens."""
        serves = asyncio.ensure_future(self._serves.wait())
        await asyncio.wait([serves, self._reading], return_when=asyncio.FIRST_COMPLETED)
        serves.cancel()
        if not self._serves.is_set():
            raise SystemExit("the front does not serve")

    async def look(self) -> Sample:
        """Return what runs now; in a thread, for it takes a while."""
        return await asyncio.to_thread(look, self.store, self._process.pid)

    async def close(self) -> None:
        """End it, and all that it has started; nothing is left."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
        await self._reading
        if names := self.store.names():
            await asyncio.to_thread(self.haconiwa, "rm", "--force", *names)
        while is_supervised(self.store):
            await asyncio.sleep(_PAUSE)

    def haconiwa(self, *words: str) -> str:
        """Do something with its containers, and return what is printed."""
        done = subprocess.run(
            [*_HACONIWA, *words], env=_environment(self.store), capture_output=True, text=True, check=True
        )
        return done.stdout

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "serving":
                self._serves.set()


@asynccontextmanager
async def front(folder: Path, http: str) -> AsyncIterator[Front]:
    """Give a front that serves, and end it with its containers.

    Args:
        folder: of its state; its own.
        http: address and port on which it listens.
    """
    store = Store(folder)
    files = sorted(str(file) for file in TENANTS.iterdir() if file.suffix in (".py", ".toml"))
    command = [*_HACONIWA, "fastcontainer", "serve", *files, "--http", http]
    process = await asyncio.create_subprocess_exec(
        *command, env=_environment(store), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    made = Front(store, process)
    try:
        await made.until_it_serves()
        yield made
    finally:
        await made.close()


def _environment(store: Store) -> dict[str, str]:
    return {**os.environ, STATE_VARIABLE: str(store.directory)}
