"""The supervisor's side of one process of a worker: calls are given to it, and it is watched until it is lost."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from haconiwa_runtime.messages import MessageError, close_all, receive, send
from haconiwa_runtime.waiting import is_readable, within

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.runtime.processes import Child
from haconiwa_supervision.hooks.calls import Answer, Conversation, Outcome, outcome_of

GRACE = 5.0
"""Seconds after which a worker that should have told or done something is killed."""


class WorkerError(HaconiwaError):
    """A worker could not be started, or has died."""


class WorkerProcess:
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
            return await within(hook.timeout + GRACE, asyncio.shield(ended))
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
        if not await is_readable(self._child.pidfd, GRACE):
            # All of /proc is looked at.
            await self._loop.run_in_executor(None, self._child.kill)
            await is_readable(self._child.pidfd)
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
