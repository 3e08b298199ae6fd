"""The supervisor's side of the observers: one process for all, which is given one event after the other."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from haconiwa_runtime.messages import MessageError, close_all, receive, send
from haconiwa_runtime.waiting import is_readable, within

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.launch.python import python_calling
from haconiwa_core.launch.resident import spawn
from haconiwa_core.plugins.observers import installed_observers
from haconiwa_core.runtime.processes import Child
from haconiwa_supervision.events.files import Event

MOST_QUEUED = 1000
"""Events that wait for observers; of those that come then, they are told the number."""

GRACE = 1.0
"""Seconds that observers have for the last events, when the supervisor ends."""

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 60.0
_LONG_LIFE = 60.0


class LostError(HaconiwaError):
    """The process of the observers has ended, or cannot be used."""


class Observers:
    """Tells observers what happens; nobody waits for them.

    Args:
        warn: told what is wrong with them.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._queue: deque[Event] = deque()
        self._missed = 0
        self._last_missed: Event = {}
        self._failures: Counter[str] = Counter()
        self._deaths = 0
        self._came = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        # Without any, nothing is spawned, and nothing queued.
        self._task = asyncio.ensure_future(self._serve()) if installed_observers() else None

    def take(self, event: Event) -> None:
        """Queue an event, unless too many wait already."""
        if self._task is None:
            return
        # After one that is missed all are, until the observers were told so: they see no gap without a word.
        if self._missed or len(self._queue) >= MOST_QUEUED:
            if not self._missed:
                self._warn(f"the observers do not keep up: {MOST_QUEUED} events wait, and those that follow are missed")
            self._missed, self._last_missed = self._missed + 1, event
            return
        self._queue.append(event)
        self._done.clear()
        self._came.set()

    async def close(self) -> None:
        """Give the last events a moment, and end the process."""
        if self._task is None:
            return
        with suppress(TimeoutError):
            await within(GRACE, self._done.wait())
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _serve(self) -> None:
        """Have a process, and have another one, later and later, when it has ended."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._be_with_process()
            except (LostError, MessageError, OSError) as error:
                if loop.time() - began > _LONG_LIFE:
                    self._deaths = 0
                delay = min(_FIRST_DELAY * 2.0 ** min(self._deaths, 60), _LONGEST_DELAY)
                self._deaths += 1
                self._warn(f"{error}; the observers are started again in {delay:g} s")
                await asyncio.sleep(delay)

    async def _be_with_process(self) -> NoReturn:
        """Tell the observers of a new process all that happens, until that has ended.

        Raises:
            LostError: that it has.
        """
        process = _Process()
        try:
            self._take_failures(await process.ask({"environment": dict(os.environ)}))
            while True:
                event = await self._next()
                try:
                    self._take_failures(await process.ask({"event": event}))
                except LostError as error:
                    raise LostError(f"{error}, when it was told an event of the kind {event['event']!r}") from error
        finally:
            await process.end()

    async def _next(self) -> Event:
        while not self._queue:
            if self._missed:
                count, self._missed = self._missed, 0
                self._warn(f"the observers have missed {count} events")
                last = self._last_missed
                return {"id": last["id"], "time": last["time"], "event": "missed", "container": "", "count": count}
            self._done.set()
            self._came.clear()
            await self._came.wait()
        return self._queue.popleft()

    def _take_failures(self, failed: Sequence[tuple[str, str]]) -> None:
        """Warn of failures: of the first, the second, the fourth ... of an observer."""
        for name, text in failed:
            self._failures[name] += 1
            count = self._failures[name]
            if count & (count - 1) == 0:
                self._warn(f"the observer {name} has failed, {count} times so far: {text}")


class _Process:
    """The process, from when it is spawned until it is gone.

    Raises:
        OSError: it cannot be spawned.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.setblocking(False)
        with theirs:
            arguments = python_calling("haconiwa_supervision.events.observing")
            try:
                pid = spawn(sys.executable, arguments, theirs.fileno())
                self._child = Child(pid, os.pidfd_open(pid))
            except OSError:
                self._connection.close()
                raise

    async def ask(self, content: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Send a message; return what has failed, by the observer's name.

        Raises:
            LostError: it has ended, or answers what makes no sense.
        """
        try:
            # The socket is empty: all that was sent before has been answered.
            send(self._connection, content)
            await is_readable(self._connection)
            message = receive(self._connection)
        except OSError as error:
            raise LostError(f"the process of the observers cannot be reached: {error.strerror}") from error
        if message is None:
            raise LostError("the process of the observers has ended")
        close_all(message.descriptors)
        try:
            return [(str(name), str(text)) for name, text in message.content["failed"]]
        except (KeyError, TypeError, ValueError) as error:
            raise LostError(f"the process of the observers answers what makes no sense: {error!r}") from error

    async def end(self) -> None:
        """End it, whatever it does, and all that it has started."""
        self._connection.close()
        if not await is_readable(self._child.pidfd, GRACE):
            await self._loop.run_in_executor(None, self._child.kill)
            await is_readable(self._child.pidfd)
        self._child.reap(with_group=True)
