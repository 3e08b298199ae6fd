"""A client: HTTP/1.1, server-sent events, WebSockets, TCP. Each request has a connection of its own."""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import h11

CLOSE = ("Connection", "close")
"""The header of a request after which there is no other one."""

_COLD = b"x-haconiwa-cold-start"
_CHUNK = 65536
_TEXT, _LAST, _MASKED = 0x1, 0x80, 0x80


def websocket() -> tuple[tuple[str, str], ...]:
    """Return the headers that ask for a WebSocket."""
    key = b64encode(os.urandom(16)).decode()
    upgrade = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
    return (*upgrade, ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key))


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int


class Head(NamedTuple):
    """The beginning of an answer.

    Args:
        status: of HTTP.
        headers: by their names in small letters.
        seconds: from the beginning of the request until the head was there.
    """

    status: int
    headers: dict[bytes, bytes]
    seconds: float

    @property
    def is_cold(self) -> bool:
        """Whether the request has waited until a container was started."""
        return self.headers.get(_COLD) == b"1"


class Exchange:
    """A request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: float) -> None:
        self._reader = reader
        self._writer = writer
        self._began = began
        self._http = h11.Connection(h11.CLIENT)

    def send(self, host: str, path: str, *headers: tuple[str, str], body: bytes | None = None) -> None:
        """Send the request: GET, or POST if it has a body."""
        method = "GET" if body is None else "POST"
        length = [] if body is None else [("Content-Length", str(len(body)))]
        request = h11.Request(method=method, target=path, headers=[("Host", host), *headers, *length])
        for event in (request, h11.Data(data=body or b""), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")

    async def head(self) -> Head:
        """Return the beginning of the answer."""
        event = await self._event()
        if not isinstance(event, h11.Response | h11.InformationalResponse):
            raise ConnectionError("the connection has ended before the answer")
        return Head(event.status_code, dict(event.headers), time.monotonic() - self._began)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def say(self, text: bytes) -> bytes:
        """Send a message over a WebSocket (RFC 6455), and return the one that answers it."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))
        self._writer.write(bytes([_LAST | _TEXT, _MASKED | len(text)]) + mask + masked)
        head = await self._reader.readexactly(2)
        return await self._reader.readexactly(head[1])

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event


@asynccontextmanager
async def exchange(address: Address) -> AsyncIterator[Exchange]:
    """Give a new connection for one request."""
    began = time.monotonic()
    async with connection(address) as (reader, writer):
        yield Exchange(reader, writer, began)


@asynccontextmanager
async def connection(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give a new connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()
