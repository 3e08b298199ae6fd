"""The front of services that talk any protocol over TCP: bytes are handed on, and nothing is read in them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from haconiwa_fastcontainer.fleet.refusals import RefusedError
from haconiwa_fastcontainer.front.connecting import connected
from haconiwa_fastcontainer.front.pump import pump

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.service import Service


async def serve(service: Service, client: socket.socket) -> None:
    """Connect a client with an instance until both have ended; one that gets none is closed.

    Args:
        service: that is asked for.
        client: the connection, which does not block; it is closed in the end.
    """
    with client:
        try:
            use, connection = await connected(service)
        except RefusedError:
            return
        with use, connection:
            await pump(client, connection)
