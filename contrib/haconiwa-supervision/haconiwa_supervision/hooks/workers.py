"""The supervisor's side of workers: each is spawned, called, watched, and spawned anew when it has died."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from haconiwa_runtime.messages import MessageError, close_all, receive, send

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.launch.resident import spawn
from haconiwa_core.runtime.processes import Child
from haconiwa_supervision.hooks.calls import Answer, Conversation, Outcome, outcome_of

START_TIMEOUT = 60.0
"""Seconds that a worker may take to read its definition."""

GRACE = 5.0
"""Seconds after which a worker that should have told or done something is killed."""

MOST_CALLS = 200
"""Calls of one worker that run at the same time; more wait for their turn."""

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0
_LONG_LIFE = 60.0

# It imports from where this process does, so nobody decides about that who has not already.
_SERVE = "import sys; sys.path[:] = sys.argv[2:]; from haconiwa_supervision.hooks.worker import main; main()"


class WorkerError(HaconiwaError):
    """A worker could not be started, or has died."""


class Worker:
    """The worker of one definition. It is started with its first call.

    Args:
        file: absolute path of the definition; of one that is no program, only hooks of plugins can be called.
        environment: of the worker; by default that of this process.
        connection: to a worker that a program has forked; without it one is spawned, and again when it has died.
    """

    def __init__(
        self,
        file: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        connection: socket.socket | None = None,
    ) -> None:
        self._file = file
        self._environment = dict(os.environ if environment is None else environment)
        self._connection = connection
        self._is_given = connection is not None
        self._name = f"the worker of {file or ('a program' if self._is_given else 'plugins')}"
        self._process: _Process | None = None
        self._starting = asyncio.Lock()
        self._places = asyncio.Semaphore(MOST_CALLS)
        self._deaths = 0
        self._burials: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> Mapping[str, Sequence[str]]:
        """Start it, if it does not run; return the names of its hooks by container.

        Raises:
            WorkerError: it cannot be started; the text is all that is wrong with the definition.
        """
        return (await self._running()).hooks

    async def call(self, container: str, hook: Hook, facts: Mapping[str, Any], answer: Answer) -> Outcome:
        """Run a hook in a process of its own; whatever goes wrong is told by the outcome.

        A call that is cancelled is killed.

        Args:
            container: the definition's name, not the instance's.
            hook: by its name in the definition, or by its function's name.
            facts: what the attributes of its `Context` are; besides these "started", the start time of the first
                process (proc(5)), and "sections", the names of the definition's sections.
            answer: answers what it asks for.
        """
        loop = asyncio.get_running_loop()
        async with self._places:
            began = loop.time()
            try:
                process = await self._running()
                return await process.call(container, hook, facts, answer)
            except (WorkerError, MessageError, OSError) as error:
                return Outcome("lost", None, str(error), loop.time() - began)

    async def retire(self) -> None:
        """End it when the calls that run, and those that wait for their turn, have ended."""
        for _ in range(MOST_CALLS):
            await self._places.acquire()
        await self.close()

    async def close(self) -> None:
        """End it, and the calls that run."""
        self._closed = True
        if self._process:
            self._process.lose(f"{self._name} was ended")
        while self._burials:
            await asyncio.wait(self._burials)
        if self._connection:
            self._connection.close()

    async def _running(self) -> _Process:
        """Return its process, which has read the definition.

        Raises:
            WorkerError: there is none.
        """
        async with self._starting:
            if self._closed:
                raise WorkerError(f"{self._name} was ended")
            process = self._process
            if process is None or process.lost:
                process = self._process = await self._begun()
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    await asyncio.shield(process.ready)
            except TimeoutError:
                process.lose(f"{self._name} has not read it within {START_TIMEOUT:g} s, and was killed")
                await process.ready
            return process

    async def _begun(self) -> _Process:
        """Return a new process; the more of them have died young, the later."""
        if self._is_given and self._process:
            raise WorkerError(f"{self._name} has ended, and only that can fork another")
        loop = asyncio.get_running_loop()
        if self._process and loop.time() - self._process.began > _LONG_LIFE:
            self._deaths = 0
        if self._deaths:
            await asyncio.sleep(min(_FIRST_DELAY * 2.0 ** (self._deaths - 1), _LONGEST_DELAY))
        self._deaths += 1
        process = _Process(self._name, *self._connected())
        if not self._is_given:
            process.send({"environment": self._environment})
        burial = loop.create_task(process.bury())
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)
        return process

    def _connected(self) -> tuple[socket.socket, Child | None]:
        if self._connection:
            connection, self._connection = self._connection, None
            return connection, None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = [sys.executable, "-I", "-c", _SERVE, self._file, *filter(None, sys.path)]
            try:
                pid = spawn(sys.executable, arguments, theirs.fileno())
                return ours, Child(pid, os.pidfd_open(pid))
            except OSError as error:
                ours.close()
                raise WorkerError(f"{self._name} cannot be spawned: {error.strerror}") from error


class _Process:
    """One process of a worker, until it is lost.

    Args:
        name: for messages.
        connection: to it.
        child: None where it is none of this process.
    """

    def __init__(self, name: str, connection: socket.socket, child: Child | None) -> None:
        self._name = name
        self._connection = connection
        self._child = child
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._calls: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._unsent: deque[tuple[Mapping[str, Any], socket.socket | None]] = deque()
        self._end: asyncio.Future[str] = self._loop.create_future()
        self.began = self._loop.time()
        self.hooks: Mapping[str, Sequence[str]] = {}
        self.ready: asyncio.Future[None] = self._loop.create_future()
        connection.setblocking(False)
        self._loop.add_reader(connection, self._hear)

    @property
    def lost(self) -> bool:
        """Whether it has ended, or is given up."""
        return self._end.done()

    async def call(self, container: str, hook: Hook, facts: Mapping[str, Any], answer: Answer) -> Outcome:
        """See `Worker.call`.

        Raises:
            WorkerError: it was lost.
        """
        began = self._loop.time()
        number = next(self._numbers)
        function = hook.function if isinstance(hook.function, str) else ""
        request = {
            "call": number,
            "container": container,
            "hook": hook.name,
            "function": function,
            "timeout": hook.timeout,
        }
        ours, theirs = _channel(facts)
        conversation = Conversation(ours, answer)
        ended = self._calls[number] = self._loop.create_future()
        try:
            self.send(request, theirs)
            ending = await self._await_end(number, ended, hook)
        finally:
            del self._calls[number]
            result = await conversation.close()
        return outcome_of(ending, result, self._loop.time() - began)

    async def _await_end(self, number: int, ended: asyncio.Future[Mapping[str, Any]], hook: Hook) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(hook.timeout + GRACE):
                return await asyncio.shield(ended)
        except TimeoutError:
            self.lose(f"{self._name} did not end the hook {hook.name} at its time limit, and was killed")
            return await ended
        except asyncio.CancelledError:
            self.send({"kill": number})
            raise

    def send(self, content: Mapping[str, Any], descriptor: socket.socket | None = None) -> None:
        """Send a message as soon as it can be taken; its descriptor is closed then."""
        self._unsent.append((content, descriptor))
        if not self.lost:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            content, descriptor = self._unsent[0]
            try:
                send(self._connection, content, [descriptor.fileno()] if descriptor else [])
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._flush)
                return
            except ConnectionError:
                return  # Its end is heard of by who reads.
            self._unsent.popleft()
            if descriptor:
                descriptor.close()
        self._loop.remove_writer(self._connection)

    def _hear(self) -> None:
        try:
            message = receive(self._connection)
            if message is None:
                self.lose("")
                return
            close_all(message.descriptors)
            self._take(message.content)
        except BlockingIOError:
            return
        except (MessageError, KeyError, TypeError) as error:
            self.lose(f"{self._name} has said what makes no sense ({error!r}), and was killed")

    def _take(self, content: Mapping[str, Any]) -> None:
        if "failed" in content:
            self.lose(str(content["failed"]))
        elif "ready" in content:
            self.hooks = content["containers"]
            if not self.ready.done():
                self.ready.set_result(None)
        else:
            ended = self._calls.get(content["call"])
            # One that was cancelled is not waited for.
            if ended and not ended.done():
                ended.set_result(content)

    def lose(self, reason: str) -> None:
        """Give it up: `bury` does the rest.

        Args:
            reason: why; "" where it has ended by itself.
        """
        if not self.lost:
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._end.set_result(reason)

    async def bury(self) -> None:
        """Wait until it is lost, see to it that nothing is left of it, and fail the calls that ran."""
        reason = await self._end
        self._connection.close()
        for _, descriptor in self._unsent:
            if descriptor:
                descriptor.close()
        self._unsent.clear()
        status = await self._reaped()
        how = f" (status {status})" if status is not None else ""
        error = WorkerError(reason or f"{self._name} has ended{how}")
        waiting: list[asyncio.Future[Any]] = [self.ready, *self._calls.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # Nobody may wait for it.

    async def _reaped(self) -> int | None:
        """Wait until the process has ended, which kills its calls first; return its exit status, if it is known."""
        if self._child is None:
            return None
        ended = asyncio.Event()
        self._loop.add_reader(self._child.pidfd, ended.set)
        try:
            async with asyncio.timeout(GRACE):
                await ended.wait()
        except TimeoutError:
            # All of /proc is looked at.
            await self._loop.run_in_executor(None, self._child.kill)
            await ended.wait()
        finally:
            self._loop.remove_reader(self._child.pidfd)
        return self._child.reap(with_group=True).exit_status


def _channel(facts: Mapping[str, Any]) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a call's channel, on which the facts are the first message.

    Raises:
        MessageError: they are too large.
        OSError: there are too many descriptors.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    try:
        send(ours, facts)
    except BaseException:
        ours.close()
        theirs.close()
        raise
    return ours, theirs
