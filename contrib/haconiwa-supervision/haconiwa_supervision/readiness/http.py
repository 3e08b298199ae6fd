"""What a server in a container answers to one request (RFC 9112), as far as the status goes."""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from haconiwa_runtime.waiting import within

from haconiwa_supervision.readiness import Subject
from haconiwa_supervision.readiness.network import socket_in

_LIMIT = 64 << 10
_PATIENCE = 5.0
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])[ \r]")
_LOCAL = (ip_address("127.0.0.1"), ip_address("::1"))


class Request:
    """A GET request, which can be made again and again.

    Args:
        url: its host is "localhost" or a number: no names are looked up.

    Raises:
        ValueError: the address is none of those.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if (
            parts.scheme != "http"
            or parts.username is not None
            or "%" in parts.netloc
            or not url.isascii()
            or not url.isprintable()
        ):
            raise ValueError("is no address like http://localhost:8080/path")
        self.port = parts.port or 80
        host = parts.hostname or ""
        try:
            self._addresses = _LOCAL if host == "localhost" else (ip_address(host),)
        except ValueError:
            raise ValueError(f"must name localhost or a number, not {host!r}") from None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._text = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: haconiwa\r\nConnection: close\r\n\r\n"
        ).encode()

    async def lack(self, subject: Subject) -> str:
        """Return "" if the server answers with a status from 200 to 399, else what is wrong.

        It has 5 seconds, and 64 KiB of what it sends are read.

        Args:
            subject: the container in whose network namespace it is asked.

        Raises:
            OSError: its namespace cannot be entered.
        """
        for address in self._addresses:
            try:
                return await self._ask(subject, address)
            except ConnectionRefusedError:
                continue
        return "the connection is refused"

    async def _ask(self, subject: Subject, address: IPv4Address | IPv6Address) -> str:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        answer = bytearray()
        with await socket_in(subject, family, socket.SOCK_STREAM) as opened:
            opened.setblocking(False)
            try:
                await within(_PATIENCE, self._exchange(opened, str(address), answer))
            except ConnectionRefusedError:
                raise
            except (TimeoutError, OSError) as error:
                if not _STATUS_LINE.match(answer):
                    return (
                        f"no answer within {_PATIENCE:g} s"
                        if isinstance(error, TimeoutError)
                        else error.strerror or str(error)
                    )
        line = _STATUS_LINE.match(answer)
        if line is None:
            return "the answer is no HTTP"
        status = int(line[1])
        return "" if 200 <= status < 400 else f"it answers with status {status}"

    async def _exchange(self, opened: socket.socket, address: str, answer: bytearray) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(opened, (address, self.port))
        await loop.sock_sendall(opened, self._text)
        # To the end, though the first line says it all: the server would complain of a connection that breaks.
        while len(answer) < _LIMIT:
            received = await loop.sock_recv(opened, _LIMIT - len(answer))
            if not received:
                return
            answer += received
