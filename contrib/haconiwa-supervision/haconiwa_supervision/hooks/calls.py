"""The supervisor's side of one call: what the hook asks is answered, and what it returns is taken."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from haconiwa_runtime.messages import Message, MessageError, close_all, receive, send

from haconiwa_supervision.hooks.requests import LIMIT, complaint_about

Answer = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers a request that is as `REQUESTS` wants it, by {"value": ...} or {"error": {"kind": ..., "text": ...}}."""

_UNHURRIED = 100
_PAUSE = 0.002
_MOST_LEFT = 1000


@dataclass(frozen=True)
class Outcome:
    """How a call of a hook has ended.

    Attributes:
        status: "returned"; "raised" an exception; "timeout": killed at its time limit; "crashed": its process has
            ended before the function; "killed" by somebody; "lost": it had no worker, or that has ended.
        value: what it has returned, as JSON has it.
        error: what was wrong, of an exception with its traceback; "" if it has returned.
        seconds: from when it was called.
        output: the beginning of what it has printed.
    """

    status: Literal["returned", "raised", "timeout", "crashed", "killed", "lost"]
    value: Any = None
    error: str = ""
    seconds: float = 0.0
    output: str = ""


class Conversation:
    """Hears the process of a call, and answers it, one request after the other; the next waits in the socket.

    Args:
        channel: of the call, non-blocking; it is closed with this.
        answer: is cancelled when the call has ended.
    """

    def __init__(self, channel: socket.socket, answer: Answer) -> None:
        self._channel = channel
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._answering: asyncio.Task[None] | None = None
        self._answered = 0
        self._result: Mapping[str, Any] | None = None
        self._listen()

    async def close(self) -> Mapping[str, Any] | None:
        """Stop listening to a process that has ended, and return the result that it has sent."""
        try:
            self._loop.remove_reader(self._channel)
            if self._answering:
                self._answering.cancel()
                await asyncio.wait([self._answering])
                self._loop.remove_reader(self._channel)
            # What else there is to be read is no more than its socket could hold.
            for _ in range(_MOST_LEFT):
                if self._result is not None or not self._take_left():
                    break
            return self._result
        finally:
            self._loop.remove_reader(self._channel)
            self._channel.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._channel, self._hear)

    def _hear(self) -> None:
        try:
            message = self._received()
        except BlockingIOError:
            return
        except MessageError as error:
            self._begin(self._reply(_error(error)))
            return
        if message is None or _is_result(message):
            self._loop.remove_reader(self._channel)
            self._result = message
        elif complaint := complaint_about(message):
            self._begin(self._reply(_error(ValueError(complaint))))
        else:
            self._begin(self._reply_to(message))

    def _begin(self, reply: Awaitable[None]) -> None:
        self._loop.remove_reader(self._channel)
        self._answering = asyncio.ensure_future(reply)

    async def _reply_to(self, request: dict[str, Any]) -> None:
        try:
            told = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - a fault of ours, which is harm enough where it happens
            self._fault(request["ask"], error)
            told = _error(error)
        await self._reply(told)

    async def _reply(self, told: Mapping[str, Any]) -> None:
        try:
            try:
                send(self._channel, told)
            except (MessageError, TypeError, ValueError) as error:
                self._fault("an answer", error)
                send(self._channel, _error(error))
        except (BlockingIOError, ConnectionError):
            return  # It does not listen: nothing that it asks is answered any more.
        self._answered += 1
        if self._answered > _UNHURRIED:
            await asyncio.sleep(_PAUSE)
        self._listen()

    def _fault(self, what: str, error: Exception) -> None:
        self._loop.call_exception_handler({"message": f"a request of a hook failed: {what}", "exception": error})

    def _take_left(self) -> bool:
        """Take one message of those that are left; return whether there was one."""
        try:
            message = self._received()
        except BlockingIOError:
            return False
        except MessageError:
            return True  # Whoever has sent it is gone, and not answered.
        if message is not None and _is_result(message):
            self._result = message
        return message is not None

    def _received(self) -> dict[str, Any] | None:
        message: Message | None = receive(self._channel, LIMIT)
        if message is None:
            return None
        close_all(message.descriptors)
        return message.content


def outcome_of(ended: Mapping[str, Any], result: Mapping[str, Any] | None, seconds: float) -> Outcome:
    """Return the outcome of a call.

    Args:
        ended: what the worker has told of its end.
        result: what the call itself has told, if anything.
        seconds: since it was called.
    """
    if ended["ended"] == "failed":
        return Outcome("lost", None, f"no process could be made for it: {ended['text']}", seconds)
    status, output = ended["status"], ended["output"]
    if ended["ended"] == "timeout":
        return Outcome("timeout", None, "it was killed at its time limit", seconds, output)
    if result is not None and "returned" in result:
        return Outcome("returned", result["returned"], "", seconds, output)
    if result is not None:
        return Outcome("raised", None, str(result["raised"]), seconds, output)
    if ended["ended"] == "signaled":
        name = _name_of(status - 128)
        kind: Literal["killed", "crashed"] = "killed" if status - 128 == signal.SIGKILL else "crashed"
        return Outcome(kind, None, f"its process was ended by {name}", seconds, output)
    return Outcome("crashed", None, f"its process has ended with status {status} before the function", seconds, output)


def _is_result(message: Mapping[str, Any]) -> bool:
    return "returned" in message or "raised" in message


def _error(error: Exception) -> dict[str, Any]:
    return {"error": {"kind": type(error).__name__, "text": str(error)}}


def _name_of(number: int) -> str:
    known = {member.value: member.name for member in signal.Signals}
    return known.get(number, f"signal {number}")
