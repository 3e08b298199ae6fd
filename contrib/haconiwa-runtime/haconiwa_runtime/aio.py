"""Containers from an event loop: `AsyncRuntime` has the names of `Runtime`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from haconiwa_core.container import Container
from haconiwa_core.runtime.timings import Span
from haconiwa_runtime.forks import Forked
from haconiwa_runtime.owned import CreatedContainer, RunningContainer
from haconiwa_runtime.runs import MAX_OUTPUT, Result, Run
from haconiwa_runtime.runtime import Runtime
from haconiwa_runtime.waiting import is_readable

if TYPE_CHECKING:
    from haconiwa_core.isolation.rows import Isolation

T = TypeVar("T")


class AsyncRuntime:
    """A `Runtime` whose methods are awaited; a context manager that ends what is left of its containers.

    Planning, starting and cleaning up take a few threads of its own; waiting for containers takes none.
    A call that is cancelled raises CancelledError when nothing is left of what it has begun.

    Args:
        runtime: starts the containers, and is closed with this; by default a new one.
    """

    def __init__(self, runtime: Runtime | None = None) -> None:
        self._runtime = runtime or Runtime()
        self._threads = _Threads()

    async def __aenter__(self) -> AsyncRuntime:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """As `Runtime.close`."""
        try:
            await self._threads.call(self._runtime.close)
        finally:
            self._threads.close()

    async def start(
        self, container: Container, *, name: str | None = None, isolation: bool = False
    ) -> AsyncRunningContainer:
        """As `Runtime.start`."""
        start = partial(self._runtime.start, container, name=name, isolation=isolation)
        return AsyncRunningContainer(await self._threads.call(start, RunningContainer.remove), self._threads)

    async def run(
        self,
        container: Container,
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = False,
        max_output: int = MAX_OUTPUT,
        isolation: bool = False,
    ) -> Result:
        """As `Runtime.run`; a cancellation kills all of the container."""
        run = self._runtime._run(container, input, timeout, max_output, isolation)
        return await self._threads.run(run, check)

    async def create(self, container: Container, *, name: str | None = None) -> AsyncCreatedContainer:
        """As `Runtime.create`."""
        create = partial(self._runtime.create, container, name=name)
        return AsyncCreatedContainer(await self._threads.call(create, CreatedContainer.remove), self._threads)


class AsyncCreatedContainer:
    """A container that `AsyncRuntime.create` has set up: a `CreatedContainer` whose methods are awaited."""

    def __init__(self, container: CreatedContainer, threads: _Threads) -> None:
        self._container = container
        self._threads = threads
        self.name = container.name
        self.pid = container.pid
        """Of the first process, on the host."""

    async def start(self) -> AsyncRunningContainer:
        """As `CreatedContainer.start`."""
        started = await self._threads.call(self._container.start, RunningContainer.remove)
        return AsyncRunningContainer(started, self._threads)

    async def remove(self) -> None:
        """As `CreatedContainer.remove`."""
        await self._threads.call(self._container.remove)


class AsyncRunningContainer:
    """A container that `AsyncRuntime.start` has started: a `RunningContainer` whose methods are awaited.

    To cancel one of them leaves the container as it is; a command that `exec` has begun is killed.
    """

    def __init__(self, container: RunningContainer, threads: _Threads) -> None:
        self._container = container
        self._threads = threads
        self.name = container.name
        self.pid = container.pid
        """Of the first process, on the host."""

    @property
    def state(self) -> Literal["running", "exited"]:
        """Whether the first process has ended."""
        return self._container.state

    @property
    def isolation(self) -> Isolation | None:
        """As `RunningContainer.isolation`."""
        return self._container.isolation

    @property
    def terminal(self) -> int:
        """As `RunningContainer.terminal`; reading and writing are the caller's affair."""
        return self._container.terminal

    @property
    def timings(self) -> tuple[Span, ...]:
        """As `RunningContainer.timings`."""
        return self._container.timings

    async def wait(self, timeout: float | None = None) -> int | None:
        """As `RunningContainer.wait`."""
        with self._container._watched() as descriptor:
            if not await is_readable(descriptor, timeout):
                raise self._container._still_runs(timeout)
        return await self._threads.call(self._container.wait)

    async def stop(self, timeout: float = 10.0) -> int | None:
        """As `RunningContainer.stop`."""
        await self.kill(SIGTERM)
        try:
            return await self.wait(timeout)
        except TimeoutError:
            await self.kill()
            return await self.wait()

    async def kill(self, signal: int = SIGKILL) -> None:
        """As `RunningContainer.kill`."""
        await self._threads.call(partial(self._container.kill, signal))

    async def exec(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = False,
        max_output: int = MAX_OUTPUT,
    ) -> Result:
        """As `RunningContainer.exec`; a cancellation kills the command."""
        run = self._container._exec(command, env, workdir, input, timeout, max_output)
        return await self._threads.run(run, check)

    async def update(self, **sections: Mapping[str, Any]) -> None:
        """As `RunningContainer.update`."""
        await self._threads.call(partial(self._container.update, **sections))

    async def logs(self) -> bytes:
        """As `RunningContainer.logs`."""
        return await self._threads.call(self._container.logs)

    async def remove(self) -> None:
        """As `RunningContainer.remove`."""
        await self._threads.call(self._container.remove)


class _Threads(Forked):
    """Threads for what blocks. A call is never left half done: who is cancelled waits for its end."""

    def _begin(self) -> None:
        self._pool = ThreadPoolExecutor(thread_name_prefix="haconiwa")
        self._closed = False

    async def call(self, function: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """Call a function in a thread.

        Args:
            function: to call.
            undo: called with the result if the call was cancelled meanwhile.
        """
        if self._closed:
            return function()  # No container is left, and nothing blocks any more.
        job = self._pool.submit(function)
        done = asyncio.wrap_future(job)
        cancelled: asyncio.CancelledError | None = None
        while not done.done():
            try:
                await asyncio.wait([done])
            except asyncio.CancelledError as error:
                cancelled = error
                job.cancel()  # Where no thread has begun it.
        result = done.result()
        if cancelled:
            if undo:
                await self.call(partial(undo, result))
            raise cancelled
        return result

    async def run(self, run: Run, check: bool) -> Result:
        """Take the steps of a run; see `Runtime.run`."""
        async with self.inside(run) as exchange:
            while not exchange.step(0):
                await is_readable(exchange, exchange.left)
        return run.result(check)

    @asynccontextmanager
    async def inside(self, context: AbstractContextManager[T]) -> AsyncIterator[T]:
        """Enter and leave a context in threads."""

        def leave(_: object = None) -> None:
            context.__exit__(None, None, None)

        entered = await self.call(context.__enter__, leave)
        try:
            yield entered
        finally:
            await self.call(leave)

    def close(self) -> None:
        """End the threads when they have done what they have begun."""
        self._pool.shutdown(wait=False)
        self._closed = True
