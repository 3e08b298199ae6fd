"""Clients of the embedded front: each connection is a task, which answers one request after the other."""

from __future__ import annotations

import asyncio
import math
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import h11

from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.front.http.answers import answer, refuse
from haconiwa_fastcontainer.front.http.exchange import BrokenError, Exchange
from haconiwa_fastcontainer.front.http.head import BadRequestError, Request
from haconiwa_fastcontainer.front.http.side import Side
from haconiwa_fastcontainer.front.routing import Asked, Routes

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.service import Service

HEAD = 10.0
"""Seconds in which a client must have sent the head of a request, once it has begun, or has connected."""

KEPT = 60.0
"""Seconds for which a connection is kept on which nothing is asked."""

MOST_OF_ONE = 1024
"""Connections of one client's address."""

_LAST_REQUEST = 1.0
"""Seconds in which a request may still come when the front ends: it may be on its way."""

_TICK = 0.25
_LINGER, _LINGERING = 1.0, 1 << 20
"""Seconds and bytes for which a client that was refused may go on to send, so that it sees the answer."""

Fault = Callable[[str, BaseException], None]


class HttpFront:
    """Serves connections of clients.

    Args:
        routes: to services.
        fault: told what has failed by a fault of ours, or of a function that routes.
    """

    def __init__(self, routes: Routes, fault: Fault) -> None:
        self._routes = routes
        self._fault = fault
        self._sides: set[Side] = set()
        self._clients: Counter[str] = Counter()
        self._is_ending = False
        self._idle: set[Side] = set()
        self._loop = asyncio.get_running_loop()
        self._tick = self._loop.call_later(_TICK, self._break_off)

    async def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until it ends.

        Args:
            connection: of a client; it does not block, and the caller closes it.
        """
        try:
            address = connection.getpeername()[0]
        except OSError:
            return  # The client has gone.
        client = Side(connection, h11.SERVER)
        self._sides.add(client)
        self._clients[address] += 1
        try:
            if self._clients[address] > MOST_OF_ONE:
                await answer(client, 503, headers=[("retry-after", "1")])
            else:
                await self._serve_all(client, address)
        except OSError:
            return  # The client has gone.
        finally:
            self._sides.discard(client)
            self._clients[address] -= 1
            if not self._clients[address]:
                del self._clients[address]

    def end(self) -> None:
        """Let connections end: after the next answer, or when nothing has been asked for a moment."""
        self._is_ending = True
        for client in self._idle:
            client.limit(_LAST_REQUEST)

    def close(self) -> None:
        """Look at deadlines no more."""
        self._tick.cancel()

    async def _serve_all(self, client: Side, address: str) -> None:
        wait = HEAD
        while True:
            client.limit(_LAST_REQUEST if self._is_ending else wait)
            self._idle.add(client)
            try:
                request = await client.request(lambda: self._begins(client))
            except BadRequestError as error:
                await answer(client, error.status, str(error))
                break
            finally:
                self._idle.discard(client)
            if request is None:
                return
            client.deadline = math.inf
            if not await self._answered(client, request, address):
                break
            wait = KEPT
        await self._linger(client)

    def _begins(self, client: Side) -> None:
        self._idle.discard(client)
        client.limit(HEAD)

    async def _answered(self, client: Side, request: Request, address: str) -> bool:
        """Answer a request; return whether another one may follow on the connection."""
        try:
            service = self._routes.find(lambda: _asked(request, address), request.host)
        except Exception as error:  # noqa: BLE001 - a function that routes may raise anything
            self._fault("the function that routes", error)
            await answer(client, 500)
            return False
        if service is None:
            await answer(client, 421)
            return False
        try:
            exchange = Exchange(client, request, address, self._sides, lambda: self._is_ending)
            await exchange.run(service, wakes=not _is_quiet(service, request))
        except RefusedError as refused:
            await refuse(client, refused)
            return False
        except BadRequestError as error:
            await answer(client, error.status, str(error))
            return False
        except (BrokenError, h11.RemoteProtocolError, h11.LocalProtocolError):
            if client.h11.our_state is h11.SEND_RESPONSE:
                await answer(client, 502)
            return False
        return client.end_request()

    async def _linger(self, client: Side) -> None:
        """Let a client see the answer: a connection that is closed while something comes is reset."""
        client.limit(_LINGER)
        taken = 0
        with suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
            while taken < _LINGERING and (data := await client.receive()):
                taken += len(data)

    def _break_off(self) -> None:
        """Break off what is past its deadline."""
        now = self._loop.time()
        for side in [side for side in self._sides if side.deadline < now]:
            side.break_off()
        self._tick = self._loop.call_later(_TICK, self._break_off)


def _asked(request: Request, address: str) -> Asked:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    return Asked(request.host, request.target.decode("latin-1"), request.method.decode("latin-1"), headers, address)


def _is_quiet(service: Service, request: Request) -> bool:
    """Return whether a request does not wake a service."""
    options = service.definition.options
    if any(request.target.startswith(path.encode()) for path in options.quiet_paths):
        return True
    agents = [value.decode("latin-1") for value in request.values(b"user-agent")]
    return any(part in agent for part in options.quiet_agents for agent in agents)
