"""What happens in the process of a call: the function is found and run, and its result is told."""

from __future__ import annotations

import json
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from haconiwa_runtime.messages import receive, send

from haconiwa_core.definition.helpers import modules_beside
from haconiwa_supervision.hooks.context import Context

RESULT_LIMIT = 120 << 10
"""Bytes of what a hook returns, as JSON."""

TRACEBACK_LIMIT = 8 << 10
"""Characters of a traceback, of which the last are kept."""

Function = Callable[[Any], Any] | str
"""Of a hook: a function, or its name as "package.module:function"."""


def run(function: Function | None, channel: socket.socket, file: str) -> int:
    """Run a hook, and tell how it went; return the exit status of its process.

    Args:
        function: None where the definition has no such hook.
        channel: of the call, on which the facts are the first message.
        file: of the definition, beside which modules may be imported; "" for none.
    """
    facts = receive(channel)
    assert facts is not None
    context = Context(channel, facts.content)
    beside: AbstractContextManager[None] = modules_beside(Path(file)) if file else nullcontext()
    try:
        with beside:
            value = _found(function)(context)
            if hasattr(value, "__await__"):
                value = _awaited(value)
        result, status = {"returned": _plain(value)}, 0
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        result, status = {"raised": _text(error)}, 1
    send(channel, result)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


def _found(function: Function | None) -> Callable[[Any], Any]:
    if function is None:
        raise LookupError("the definition has no such hook any more; `haconiwa reload` reads it again")
    if not isinstance(function, str):
        return function
    module, _, name = function.partition(":")
    found: Callable[[Any], Any] = attrgetter(name)(import_module(module))
    return found


def _awaited(value: Awaitable[Any]) -> Any:
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON does not have becomes its repr().

    Raises:
        ValueError: it is too large.
    """
    text = json.dumps(value, default=repr)
    if len(text) > RESULT_LIMIT:
        raise ValueError(f"what the hook has returned is {len(text)} bytes of JSON: {RESULT_LIMIT} is the limit")
    return json.loads(text)


def _text(error: BaseException) -> str:
    # Without the frame of this module, which says nothing about the hook.
    if error.__traceback__:
        error.__traceback__ = error.__traceback__.tb_next
    return "".join(traceback.format_exception(error))[-TRACEBACK_LIMIT:]
