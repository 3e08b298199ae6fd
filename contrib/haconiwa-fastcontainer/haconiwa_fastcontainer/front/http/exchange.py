"""One request and its response, handed on between a client and an instance."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import h11

from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.front.connecting import connected
from haconiwa_fastcontainer.front.http.forwarding import (
    plain_headers,
    request_headers,
    response_headers,
    switch_headers,
)
from haconiwa_fastcontainer.front.http.head import BadRequestError, Request
from haconiwa_fastcontainer.front.http.side import Side
from haconiwa_fastcontainer.front.pump import pump

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.service import Service
    from haconiwa_fastcontainer.fleet.use import Use

_REPEATABLE = (b"GET", b"HEAD", b"OPTIONS")
_ANSWER = 300.0
"""Seconds until an instance must have begun to answer."""

_STALL = 30.0
_AT_ONCE = 64 << 10
"""Seconds in which a client must take what it is sent, or send so many bytes of a body, if that has as many."""


class UnansweredError(Exception):
    """An instance has ended a connection without a byte of an answer."""


class BrokenError(Exception):
    """A client or an instance has left in the middle: nothing more can be said on their connections."""


class Exchange:
    """A request of a client.

    Args:
        client: the connection that it has come from.
        request: its head.
        address: of the client.
        watch: has connections broken off at their deadlines.
        is_last: whether the client's connection ends with it.
    """

    def __init__(
        self, client: Side, request: Request, address: str, watch: set[Side], is_last: Callable[[], bool]
    ) -> None:
        self._is_last = is_last
        self._client = client
        self._request = request
        self._address = address
        self._watch = watch
        self._bad: BadRequestError | None = None
        self._early: list[Any] = []

    async def run(self, service: Service, *, wakes: bool) -> None:
        """Get the answer of an instance.

        Args:
            service: that is asked.
            wakes: start an instance where none runs.

        Raises:
            RefusedError: there is none, or it does not answer; the client was told nothing yet.
            BadRequestError: its body is none; the client was told nothing yet.
            BrokenError: the connection of the client cannot be used any more.
        """
        await self._receive_early()
        # What may have an effect is sent once, on a connection that nobody can have closed for its age.
        may_repeat = self._request.method in _REPEATABLE and not self._request.has_body
        for attempt in range(2 if may_repeat else 1):
            use, connection = await connected(service, wakes=wakes, anew=attempt > 0 or not may_repeat)
            backend = Side(connection, h11.CLIENT)
            self._watch.add(backend)
            kept = False
            try:
                kept = await self._relay(backend, use)
                return
            except UnansweredError:
                continue
            finally:
                self._watch.discard(backend)
                if kept:
                    use.instance.keep(connection)
                else:
                    connection.close()
                use.release()
        raise RefusedError(f"{use.instance.name} does not answer", status=502, instance=use.instance.name)

    async def _receive_early(self) -> None:
        """Take the beginning of the body, before an instance is kept waiting for it by a client that is slow."""
        client, size = self._client, 0
        if client.h11.they_are_waiting_for_100_continue:
            await client.send(h11.InformationalResponse(status_code=100, headers=[]))
        client.limit(_STALL)
        while size < _AT_ONCE and not (self._early and isinstance(self._early[-1], h11.EndOfMessage)):
            try:
                event = await client.event()
            except h11.RemoteProtocolError as error:
                raise BadRequestError(str(error), error.error_status_hint) from error
            if not isinstance(event, (h11.Data, h11.EndOfMessage)):
                raise BrokenError
            size += len(event.data) if isinstance(event, h11.Data) else 0
            self._early.append(event)
        client.deadline = math.inf

    async def _relay(self, backend: Side, use: Use) -> bool:
        """Hand on request and response; return whether the instance takes another request on this connection."""
        request = self._request
        head = h11.Request(
            method=request.method, target=request.target, headers=request_headers(request, self._address)
        )
        backend.queue(head)
        backend.limit(_ANSWER)
        uploading = None
        for event in self._early:
            # Trailers could say what a head may not.
            backend.queue(h11.Data(data=event.data) if isinstance(event, h11.Data) else h11.EndOfMessage())
        if not isinstance(self._early[-1], h11.EndOfMessage):
            uploading = asyncio.ensure_future(self._upload(backend))
        try:
            if uploading is None:
                await _unless_gone(backend)
            switched = await self._download(backend, use)
            if switched:
                await self._switch(backend)
                return False
            if uploading and not uploading.done():
                raise BrokenError
        finally:
            if uploading:
                uploading.cancel()
                await asyncio.gather(uploading, return_exceptions=True)
        is_done = backend.h11.our_state is h11.DONE and backend.h11.their_state is h11.DONE
        return is_done and not backend.taken_over()

    async def _upload(self, backend: Side) -> None:
        client, left = self._client, 0
        while True:
            if left <= 0:
                client.limit(_STALL)
                left = _AT_ONCE
            try:
                event = await client.event(backend.flush)
            except h11.RemoteProtocolError as error:
                self._bad = BadRequestError(str(error), error.error_status_hint)
                backend.break_off()
                return
            if isinstance(event, h11.Data):
                left -= len(event.data)
                backend.queue(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                await backend.send(h11.EndOfMessage())
                client.deadline = math.inf
                return
            else:
                backend.break_off()
                return

    async def _download(self, backend: Side, use: Use) -> bool:
        """Hand on the response; return whether it switches to another protocol."""
        client = self._client
        began = False

        async def flush() -> None:
            client.limit(_STALL)
            await client.flush()
            client.deadline = math.inf

        while True:
            try:
                event = await backend.event(flush)
            except (h11.RemoteProtocolError, OSError) as error:
                raise self._broken(backend, use, began=began) from error
            match event:
                case h11.InformationalResponse(status_code=101) if self._request.upgrades:
                    headers = switch_headers(list(event.headers), cold=use.cold, waited=use.waited)
                    client.queue(h11.InformationalResponse(status_code=101, headers=headers))
                    await client.flush()
                    return True
                case h11.InformationalResponse():
                    if not self._request.is_old and event.status_code != 101:
                        headers = plain_headers(list(event.headers))
                        client.queue(h11.InformationalResponse(status_code=event.status_code, headers=headers))
                case h11.Response():
                    began = True
                    # From here on it may take as long as it wants: what it sends may be a stream of events.
                    backend.deadline = math.inf
                    headers = response_headers(list(event.headers), cold=use.cold, waited=use.waited)
                    if self._is_last():
                        headers.append((b"connection", b"close"))
                    client.queue(
                        h11.Response(status_code=event.status_code, headers=headers, reason=bytes(event.reason))
                    )
                case h11.Data():
                    client.queue(h11.Data(data=event.data))
                case h11.EndOfMessage():
                    client.queue(h11.EndOfMessage())
                    await flush()
                    return False
                case _:
                    raise self._broken(backend, use, began=began)

    def _broken(self, backend: Side, use: Use, *, began: bool) -> Exception:
        if began:
            return BrokenError()
        if self._bad:
            return self._bad
        if backend.is_silent:
            return UnansweredError()
        name = use.instance.name
        return RefusedError(f"{name} has answered what is no HTTP/1.1", status=502, instance=name)

    async def _switch(self, backend: Side) -> None:
        """Hand on what both sides say in another protocol, until they have ended."""
        client = self._client
        client.deadline = backend.deadline = math.inf
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            if early := client.taken_over():
                await loop.sock_sendall(backend.socket, early)
            if early := backend.taken_over():
                await loop.sock_sendall(client.socket, early)
            await pump(client.socket, backend.socket)


async def _unless_gone(backend: Side) -> None:
    try:
        await backend.flush()
    except OSError as error:
        raise UnansweredError from error
