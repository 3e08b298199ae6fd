"""What each tenant is asked, and what it has to answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from client import CLOSE, Address, Head, connection, exchange, websocket

EVENTS, MESSAGES = 8, 4
_BETWEEN_MESSAGES = 0.4


class WrongAnswerError(Exception):
    """Somebody was told what nobody should have told him."""


class Seen(NamedTuple):
    """An answer as its client saw it.

    Args:
        seconds: until its first bytes were there.
        is_cold: whether the request waited for the start of a container; None where nobody tells.
        failed: name of the container that could not be started.
    """

    seconds: float
    is_cold: bool | None
    failed: str = ""


class Places(NamedTuple):
    """Where the front listens."""

    http: Address
    echo: Address


Ask = Callable[[Places, int], Awaitable[Seen]]


async def _answer(http: Address, tenant: str, path: str, body: bytes | None = None) -> tuple[Head, bytes]:
    async with exchange(http) as asked:
        asked.send(f"{tenant}.example", path, CLOSE, body=body)
        head = await asked.head()
        return head, b"".join([part async for part in asked.body()])


def _expect(head: Head, status: int, answer: bytes, wanted: bytes) -> None:
    if head.status != status or wanted not in answer:
        raise WrongAnswerError(f"{head.status} {answer[:200]!r} instead of {status} {wanted!r}")


def page(tenant: str, path: str, wanted: str) -> Ask:
    """Return a function that asks for a page; "{}" in the path and in the answer stands for a number."""

    async def ask(places: Places, number: int) -> Seen:
        head, answer = await _answer(places.http, tenant, path.format(number))
        _expect(head, 200, answer, wanted.format(number).encode())
        return Seen(head.seconds, head.is_cold)

    return ask


async def note(places: Places, number: int) -> Seen:
    """Send a note, and be told its length."""
    text = b"x" * (number * 997 % 50_000)
    head, answer = await _answer(places.http, "notes", f"/{number}", text)
    _expect(head, 200, answer, b"notes: %d bytes at /%d" % (len(text), number))
    return Seen(head.seconds, head.is_cold)


async def feed(places: Places, number: int) -> Seen:
    """Follow server-sent events to their end."""
    head, answer = await _answer(places.http, "feed", f"/{EVENTS}?{number}")
    _expect(head, 200, answer, b"".join(b"data: feed %d\n\n" % each for each in range(EVENTS)))
    return Seen(head.seconds, head.is_cold)


async def chat(places: Places, number: int) -> Seen:
    """Say something over a WebSocket, with pauses."""
    async with exchange(places.http) as asked:
        asked.send("chat.example", "/", *websocket())
        head = await asked.head()
        _expect(head, 101, b"", b"")
        for message in range(MESSAGES):
            await asyncio.sleep(_BETWEEN_MESSAGES if message else 0)
            text = b"chat %d of %d" % (message, number)
            answer = await asked.say(text)
            _expect(head, 101, answer, text)
        return Seen(head.seconds, head.is_cold)


async def echo(places: Places, number: int) -> Seen:
    """Send bytes over TCP, and get them back."""
    began = time.monotonic()
    sent = b"echo %d" % number
    async with connection(places.echo) as (reader, writer):
        writer.write(sent)
        if (answer := await reader.read(len(sent))) != sent:
            raise WrongAnswerError(f"{answer!r} instead of {sent!r}")
        return Seen(time.monotonic() - began, None)


async def broken(places: Places, number: int) -> Seen:
    """Be told that it cannot be started, and which container's log says why."""
    head, answer = await _answer(places.http, "broken", f"/{number}")
    _expect(head, 502, answer, b"broken-")
    name = next(word for word in answer.decode().split() if word.startswith("broken-"))
    return Seen(head.seconds, head.is_cold, failed=name.rstrip(".,:"))


TENANTS: dict[str, Ask] = {
    "blog": page("blog", "/", "blog: nothing has happened"),
    "handbook": page("handbook", "/?{}", "handbook: first read"),
    "notes": note,
    "shop": page("shop", "/{}", "shop: /{}"),
    "agenda": page("agenda", "/{}", "agenda: /{} on "),
    "reports": page("reports", "/{}", "reports: /{}"),
    "feed": feed,
    "chat": chat,
    "echo": echo,
    "broken": broken,
}
