"""What nginx asks: where is an instance for this host? The answer comes when one accepts connections."""

from __future__ import annotations

import math
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import h11

from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.front.connecting import connected
from haconiwa_fastcontainer.front.http.head import BadRequestError, Request
from haconiwa_fastcontainer.front.http.side import Side
from haconiwa_fastcontainer.front.nginx import (
    CLIENT,
    COLD_START,
    HOST,
    INSTANCE,
    METHOD,
    QUIET,
    STATUS,
    TARGET,
    UPSTREAM,
)
from haconiwa_fastcontainer.front.routing import Asked, Routes

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.instance import Instance
    from haconiwa_fastcontainer.fleet.service import Service

Headers = list[tuple[bytes, bytes]]
Locate = Callable[["Service", "Instance"], Awaitable[str]]


class Endpoint:
    """Answers nginx.

    Args:
        routes: to services.
        locate: returns the address at which nginx reaches an instance.
    """

    def __init__(self, routes: Routes, locate: Locate) -> None:
        self._routes = routes
        self._locate = locate

    async def serve(self, connection: socket.socket) -> None:
        """Answer the questions of one connection until it ends.

        Args:
            connection: of nginx; it does not block, and the caller closes it.
        """
        nginx = Side(connection, h11.SERVER)
        try:
            while request := await nginx.request(lambda: None):
                await nginx.event()
                status, headers = await self._answer(request)
                length: Headers = [(b"content-length", b"0")]
                nginx.queue(h11.Response(status_code=status, headers=[*length, *headers]))
                await nginx.send(h11.EndOfMessage())
                if not nginx.end_request():
                    return
        except (BadRequestError, h11.ProtocolError, OSError):
            return  # Whoever this is, it is no nginx that was told by us what to say.

    async def _answer(self, request: Request) -> tuple[int, Headers]:
        host = _text(request, HOST)
        service = self._routes.find(lambda: _asked(request, host), host)
        if service is None:
            return _refused(421)
        try:
            # The connection is kept for later, or closed: nginx opens its own.
            use, connection = await connected(service, wakes=_text(request, QUIET) != "1")
        except RefusedError as refused:
            after = str(max(1, math.ceil(refused.retry_after))).encode()
            return _refused(refused.status, (b"retry-after", after), (INSTANCE, refused.instance.encode()))
        with use:
            use.instance.keep(connection)
            place = await self._locate(service, use.instance)
        upstream = (UPSTREAM, f"{place}:{use.instance.row.port}".encode())
        if use.cold:
            # It concerns this request alone.
            return 200, [upstream, (COLD_START, b"1"), (b"x-accel-expires", b"0")]
        return 200, [upstream]


def _refused(status: int, *headers: tuple[bytes, bytes]) -> tuple[int, Headers]:
    return 403, [(STATUS, str(status).encode()), *headers]


def _asked(request: Request, host: str) -> Asked:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    return Asked(host, _text(request, TARGET), _text(request, METHOD), headers, _text(request, CLIENT))


def _text(request: Request, name: bytes) -> str:
    return b"".join(request.values(name)[:1]).decode("latin-1")
