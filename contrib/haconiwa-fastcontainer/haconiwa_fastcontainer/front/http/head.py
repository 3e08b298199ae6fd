"""The head of a request: what is no HTTP/1.1, or could be read in two ways, is refused (RFC 9112)."""

from __future__ import annotations

import re
from typing import NamedTuple

import h11

LIMIT = 16 << 10
"""Bytes of a head."""

_HEADERS = 100
_END = b"\r\n\r\n"
_STRANGE = re.compile(rb"\x00|(?<!\r)\n|\r(?!\n)|\r\n[ \t]")
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r]*)", re.IGNORECASE)
_HOST = re.compile(rb"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]{0,252})?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://(?P<authority>[^/?#]*)(?P<rest>[/?].*)?", re.IGNORECASE)


class BadRequestError(Exception):
    """A request is refused, and its connection closed.

    Args:
        text: why.
        status: of the answer (RFC 9110).
    """

    def __init__(self, text: str, status: int = 400) -> None:
        self.status = status
        super().__init__(text)


class Request(NamedTuple):
    """A request's head.

    Attributes:
        method: a token.
        target: in origin form, or "*".
        host: in small letters, without port; "" for none.
        headers: names in small letters, and values.
        is_old: whether it is HTTP/1.0.
        has_body: whether a body follows, which may be empty.
        upgrades: whether it asks for a WebSocket.
    """

    method: bytes
    target: bytes
    host: str
    headers: list[tuple[bytes, bytes]]
    is_old: bool
    has_body: bool
    upgrades: bool

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]


def end_of_head(data: bytes) -> int:
    """Return where a head ends in what has come so far; -1 if it has not.

    Raises:
        BadRequestError: it can be none any more.
    """
    end = data.find(_END)
    head = data[: end + len(_END)] if end >= 0 else data
    if len(head) > LIMIT:
        raise BadRequestError("the head is too large", 431)
    # The last byte may be the first half of a line's end.
    strange = _STRANGE.search(head[:-1] if end < 0 and head.endswith(b"\r") else head)
    if strange:
        raise BadRequestError("a line ends or begins as none may")
    return end + len(_END) if end >= 0 else -1


def checked(request: h11.Request, head: bytes) -> Request:
    """Return what a request's head says.

    Args:
        request: as h11 has read it, which makes one of several lengths that are the same.
        head: its bytes.

    Raises:
        BadRequestError: it could be read in two ways, or asks for what the front does not do.
    """
    headers = [(bytes(name), bytes(value)) for name, value in request.headers]
    if len(headers) > _HEADERS:
        raise BadRequestError(f"more than {_HEADERS} headers", 431)
    if request.http_version not in (b"1.0", b"1.1"):
        raise BadRequestError("only HTTP/1.0 and HTTP/1.1 are understood here", 505)
    method, is_old = bytes(request.method), request.http_version == b"1.0"
    if method in (b"CONNECT", b"TRACE"):
        raise BadRequestError(f"{method.decode()} is not for this front", 405)
    has_body = _has_body(_LENGTH.findall(head), _values(headers, b"transfer-encoding"), is_old=is_old)
    host, target = _place(bytes(request.target), method, _values(headers, b"host"), is_old=is_old)
    upgrades = b"websocket" in [value.strip().lower() for value in _values(headers, b"upgrade")]
    return Request(method, target, host, headers, is_old, has_body, upgrades and not has_body and not is_old)


def _has_body(lengths: list[bytes], codings: list[bytes], *, is_old: bool) -> bool:
    if len(lengths) > 1 or (lengths and codings):
        raise BadRequestError("the length of the body is said twice")
    if lengths and not lengths[0].strip(b" \t").isdigit():
        raise BadRequestError("the length of the body is no number")
    if codings and is_old:
        raise BadRequestError("HTTP/1.0 has no transfer codings")
    return bool(lengths or codings)


def _place(target: bytes, method: bytes, hosts: list[bytes], *, is_old: bool) -> tuple[str, bytes]:
    """Return the host's name and the target in origin form."""
    if len(hosts) > 1 or (not hosts and not is_old):
        raise BadRequestError("there must be one header Host")
    host = _name(hosts[0]) if hosts else ""
    if absolute := _ABSOLUTE.fullmatch(target):
        if _name(absolute["authority"]) != host or (hosts and absolute["authority"].lower() != hosts[0].lower()):
            raise BadRequestError("the target and the header Host name different hosts")
        rest = absolute["rest"] or b"/"
        return host, rest if rest.startswith(b"/") else b"/" + rest
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return host, target
    raise BadRequestError("the target is no path")


def _name(host: bytes) -> str:
    found = _HOST.fullmatch(host)
    if found is None:
        raise BadRequestError("the header Host names no host")
    return found["name"].decode("ascii").lower().rstrip(".")


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]
