"""Headers as they are handed on: what is about one connection stays there, and who has asked is told by the front."""

from __future__ import annotations

from haconiwa_fastcontainer.front.http.head import Request

Headers = list[tuple[bytes, bytes]]

_OF_THE_CONNECTION = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
_OF_THE_FRONT = {b"expect", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}
_COLD_START = b"x-haconiwa-cold-start"


def request_headers(request: Request, client: str) -> Headers:
    """Return the headers of a request for an instance.

    Headers with "_" in their names are left out: to many applications they are the same as those with "-".

    Args:
        request: as it has come.
        client: the address that it has come from.
    """
    dropped = _OF_THE_FRONT | _named(request.values(b"connection"))
    headers = [(name, value) for name, value in request.headers if name not in dropped and b"_" not in name]
    headers += [
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", request.host.encode()),
    ]
    if not request.values(b"host"):
        headers.append((b"host", b""))
    if request.upgrades:
        headers += [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
    elif request.has_body and not request.values(b"content-length"):
        headers.append((b"transfer-encoding", b"chunked"))
    return headers


def response_headers(headers: Headers, *, cold: bool, waited: float) -> Headers:
    """Return the headers of a response for a client.

    Args:
        headers: as they have come from an instance.
        cold: whether the request has waited for the start of the instance.
        waited: seconds that it has waited.
    """
    dropped = {_COLD_START} | _named([value for name, value in headers if name == b"connection"])
    if any(name == b"transfer-encoding" for name, _ in headers):
        dropped.add(b"content-length")  # Which counts for nothing then (RFC 9112, 6.3).
    kept = [(name, value) for name, value in headers if name not in dropped]
    return [*kept, *_of_the_start(cold=cold, waited=waited)]


def plain_headers(headers: Headers) -> Headers:
    """Return headers without those of the connection."""
    return [(name, value) for name, value in headers if name not in _OF_THE_CONNECTION]


def switch_headers(headers: Headers, *, cold: bool, waited: float) -> Headers:
    """Return the headers of an answer that switches to another protocol; arguments are those of `response_headers`."""
    kept = [(name, value) for name, value in headers if name not in {_COLD_START} | _OF_THE_CONNECTION]
    upgrade = [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
    return [*kept, *upgrade, *_of_the_start(cold=cold, waited=waited)]


def _of_the_start(*, cold: bool, waited: float) -> Headers:
    """Return what tells a client that it has waited for the start of an instance."""
    return [(_COLD_START, b"1"), (b"server-timing", b"start;dur=%.1f" % (waited * 1000))] if cold else []


def _named(connection: list[bytes]) -> set[bytes]:
    """Return the names of headers that are about one connection: the usual, and those that it names itself."""
    named = (word.strip().lower() for value in connection for word in value.split(b","))
    # How long the body is, and for whom the request is, nobody may hide.
    return _OF_THE_CONNECTION | set(named) - {b"content-length", b"host"}
