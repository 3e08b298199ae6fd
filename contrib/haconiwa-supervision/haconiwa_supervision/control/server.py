"""The control socket: it takes one request on each connection, from processes of the same user alone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from haconiwa_runtime.errors import error_to_json
from haconiwa_runtime.messages import Message, MessageError, close_all, peer_of, receive, send
from haconiwa_runtime.waiting import within

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.runtime.record import Process
from haconiwa_supervision.control.endpoint import Endpoint
from haconiwa_supervision.tasks import Tasks

CONNECTIONS = 4096
"""How many there may be at once."""

REQUEST_TIMEOUT = 10.0
"""Seconds until a connection must have sent its request."""

ANSWER_TIMEOUT = 10.0
"""Seconds until an answer must have been taken."""

_PAUSE = 0.5
_UNDOING = 5.0

Handler = Callable[["Conversation", Mapping[str, Any], list[int]], Awaitable[None]]
"""Answers one request; what it leaves in the list of the descriptors that came with it is closed afterwards."""


class SilentError(Exception):
    """A client has not said or not taken anything in time."""


class Conversation:
    """A connection of a client.

    Args:
        connection: which never blocks.
        pid: of the process that has connected.

    Attributes:
        ended: set when the client has gone.
    """

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self._pid = pid
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()

    async def request(self) -> Message | None:
        """Return the request; None where the client has gone.

        Raises:
            MessageError: it is none.
            SilentError: none has come in time.
        """
        deadline = self._loop.time() + REQUEST_TIMEOUT
        while True:
            try:
                return receive(self._connection)
            except BlockingIOError:
                await self._until(deadline, self._loop.add_reader, self._loop.remove_reader)

    def caller(self) -> Process:
        """Return the process that has connected.

        Raises:
            HaconiwaError: it has ended, or is in another pid namespace.
        """
        caller = Process.of(self._pid)
        if not caller.started:
            raise HaconiwaError("the process that asks has ended, or cannot be seen from here")
        return caller

    def watch(self) -> None:
        """Notice from now on when the client goes; it has nothing more to say."""
        self._loop.add_reader(self._connection, self._readable)

    async def send(self, content: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send an answer; nothing happens when the client has gone.

        Raises:
            SilentError: the client does not take it.
        """
        deadline = self._loop.time() + ANSWER_TIMEOUT
        while not self.ended.is_set():
            try:
                send(self._connection, content, descriptors)
                return
            except BlockingIOError:
                await self._until(deadline, self._loop.add_writer, self._loop.remove_writer)
            except (BrokenPipeError, ConnectionResetError):
                self.ended.set()

    def close(self) -> None:
        """End it."""
        self._loop.remove_reader(self._connection)
        self.ended.set()
        self._connection.close()

    def _readable(self) -> None:
        try:
            message = receive(self._connection)
        except BlockingIOError:
            return
        except MessageError:
            message = None
        if message:
            close_all(message.descriptors)
        self._loop.remove_reader(self._connection)
        self.ended.set()

    async def _until(self, deadline: float, add: Callable[..., None], remove: Callable[..., Any]) -> None:
        ready = asyncio.Event()
        add(self._connection, ready.set)
        try:
            await within(deadline - self._loop.time(), ready.wait())
        except TimeoutError as error:
            raise SilentError from error
        finally:
            remove(self._connection)


class Server:
    """Takes connections and has their requests answered.

    Args:
        endpoint: where clients connect.
        handlers: by the value of "do".
        fault: told what has failed by a fault of ours.

    Attributes:
        quiet: set while nobody is connected.
    """

    def __init__(
        self, endpoint: Endpoint, handlers: Mapping[str, Handler], fault: Callable[[BaseException], None]
    ) -> None:
        self._endpoint = endpoint
        self._handlers = handlers
        self._fault = fault
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(fault)
        self._listens = False
        self.quiet = self._tasks.quiet
        self._listen()

    def refuse(self) -> None:
        """Take no more connections."""
        self._listens = False
        self._loop.remove_reader(self._endpoint.socket)
        self._endpoint.refuse()

    def refuse_if_unused(self) -> bool:
        """Take no more connections, unless somebody has just connected; return whether nobody has."""
        self.refuse()
        while self._accept():
            pass
        if not self._tasks:
            return True
        self._endpoint.renew()
        self._listen()
        return False

    async def close(self, patience: float) -> None:
        """End all connections, after as many seconds in which they may end by themselves.

        A start that is under way is undone, unless it takes too long: then that is left to the next supervisor.
        """
        if patience:
            await self._tasks.wait(patience)
        self._tasks.cancel()
        await self._tasks.wait(_UNDOING)

    def _listen(self) -> None:
        self._listens = True
        self._loop.add_reader(self._endpoint.socket, self._accept)

    def _accept(self) -> bool:
        """Accept a connection; return whether there was one."""
        try:
            connection, _ = self._endpoint.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            # No descriptor is left, or no memory: nothing is won by asking again at once.
            self._fault(error)
            self._loop.remove_reader(self._endpoint.socket)
            self._loop.call_later(_PAUSE, self._listen_again)
            return False
        connection.setblocking(False)
        pid, uid = peer_of(connection)
        if uid not in (0, os.geteuid()) or len(self._tasks) >= CONNECTIONS:
            connection.close()
            return True
        self._tasks.begin(self._converse(Conversation(connection, pid)))
        return True

    def _listen_again(self) -> None:
        if self._listens:
            self._listen()

    async def _converse(self, conversation: Conversation) -> None:
        try:
            if error := await self._answer(conversation):
                await conversation.send({"error": error_to_json(error)})
        except SilentError:
            return  # It has had its time.
        finally:
            conversation.close()

    async def _answer(self, conversation: Conversation) -> HaconiwaError | None:
        """Have a request answered; return what the client is to be told instead, if anything."""
        try:
            message = await conversation.request()
            if message is None:
                return None
            conversation.watch()
            try:
                handler = self._handlers.get(str(message.content.get("do")))
                if handler is None:
                    raise HaconiwaError(f"there is no request {message.content.get('do')!r}")
                await handler(conversation, message.content, message.descriptors)
            finally:
                close_all(message.descriptors)
        except HaconiwaError as error:
            return error
        except SilentError:
            raise
        except Exception as error:  # noqa: BLE001 - what fails by a fault of ours, or of a client, fails alone
            self._fault(error)
            return HaconiwaError(f"the request could not be answered: {error!r}")
        return None


def answered(method: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Handler:
    """Return a handler for a request that has one answer, and takes no descriptors.

    What a client has asked for is done, even if it has gone meanwhile.

    Args:
        method: takes what the request holds, and returns the answer's value.
    """

    async def handle(conversation: Conversation, request: Mapping[str, Any], descriptors: list[int]) -> None:
        close_all(descriptors)
        await conversation.send({"value": await method(request)})

    return handle
