"""Bytes between two connections, both ways, until both have ended."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

_CHUNK = 64 << 10


async def pump(one: socket.socket, other: socket.socket) -> None:
    """Hand on what each side sends to the other; the end of one is the other's, too.

    Nothing is kept: who does not take what it is sent holds up who sends it.

    Args:
        one: a connection that does not block.
        other: as well.
    """
    both = [asyncio.ensure_future(_copy(one, other)), asyncio.ensure_future(_copy(other, one))]
    try:
        # Where one way breaks, nobody is left to listen to the other.
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
        for each in done:
            with suppress(OSError):
                each.result()
    finally:
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    buffer = memoryview(bytearray(_CHUNK))
    while count := await loop.sock_recv_into(source, buffer):
        await loop.sock_sendall(target, buffer[:count])
    target.shutdown(socket.SHUT_WR)
