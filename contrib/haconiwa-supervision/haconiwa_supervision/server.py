"""The control socket: it takes one request on each connection, from processes of the same user alone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from haconiwa_runtime.errors import error_to_json
from haconiwa_runtime.messages import Message, MessageError, close_all, peer_of, receive, send

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.log import Log

CONNECTIONS = 4096
"""How many there may be at once."""

REQUEST_TIMEOUT = 10.0
"""Seconds until a connection must have sent its request."""

ANSWER_TIMEOUT = 10.0
"""Seconds until an answer must have been taken."""

Handler = Callable[["Conversation", Mapping[str, Any], list[int]], Awaitable[None]]
"""Answers one request; closes the descriptors that came with it."""


class Conversation:
    """A connection of a client.

    Attributes:
        ended: set when the client has gone.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()

    async def request(self) -> Message | None:
        """Return the request; None where the client has gone.

        Raises:
            MessageError: it is none.
            TimeoutError: none has come in time.
        """
        async with asyncio.timeout(REQUEST_TIMEOUT):
            while True:
                try:
                    return receive(self._connection)
                except BlockingIOError:
                    await self._until(self._loop.add_reader, self._loop.remove_reader)

    def watch(self) -> None:
        """Notice from now on when the client goes; it has nothing more to say."""
        self._loop.add_reader(self._connection, self._readable)

    async def send(self, content: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send an answer; nothing happens when the client has gone.

        Raises:
            TimeoutError: the client does not take it.
        """
        async with asyncio.timeout(ANSWER_TIMEOUT):
            while not self.ended.is_set():
                try:
                    send(self._connection, content, descriptors)
                    return
                except BlockingIOError:
                    await self._until(self._loop.add_writer, self._loop.remove_writer)
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

    async def _until(self, add: Callable[..., None], remove: Callable[..., Any]) -> None:
        ready = asyncio.Event()
        add(self._connection, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._connection)


class Server:
    """Takes connections and has their requests answered.

    Args:
        listening: a socket of the kind SOCK_SEQPACKET that listens.
        handlers: by the value of "do".
        log: for faults.

    Attributes:
        quiet: set while nobody is connected.
    """

    def __init__(self, listening: socket.socket, handlers: Mapping[str, Handler], log: Log) -> None:
        self._listening = listening
        self._handlers = handlers
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.quiet = asyncio.Event()
        self.quiet.set()
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Take no more connections, and end all."""
        self._loop.remove_reader(self._listening)
        self._listening.close()
        for task in self._tasks:
            task.cancel()

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        connection.setblocking(False)
        _, uid = peer_of(connection)
        if uid not in (0, os.geteuid()) or len(self._tasks) >= CONNECTIONS:
            connection.close()
            return
        task = asyncio.ensure_future(self._converse(Conversation(connection)))
        self._tasks.add(task)
        self.quiet.clear()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self.quiet.set()
        if not task.cancelled() and (error := task.exception()):
            self._log.error(f"a request has failed: {error!r}")

    async def _converse(self, conversation: Conversation) -> None:
        try:
            message = await conversation.request()
            if message is None:
                return
            conversation.watch()
            handler = self._handlers.get(str(message.content.get("do")))
            if handler is None:
                close_all(message.descriptors)
                raise HaconiwaError(f"there is no request {message.content.get('do')!r}")
            await handler(conversation, message.content, message.descriptors)
        except HaconiwaError as error:
            await conversation.send({"error": error_to_json(error)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            misunderstood = HaconiwaError(f"no request that is understood: {error!r}")
            await conversation.send({"error": error_to_json(misunderstood)})
            raise
        except TimeoutError:
            return
        finally:
            conversation.close()
