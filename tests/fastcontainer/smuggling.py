"""Requests that somebody could read otherwise than somebody else: raw bytes, by what is strange about them."""

from __future__ import annotations

_HOST = b"Host: web.test\r\n"
_HIDDEN = b"GET /hidden HTTP/1.1\r\n" + _HOST + b"\r\n"


def _post(headers: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + _HOST + headers + b"\r\n" + body


def _chunked(body: bytes, header: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    return _post(header, body)


REFUSED: dict[str, bytes] = {
    # Two lengths.
    "length and coding": _post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + _HIDDEN),
    "coding and length": _post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n" + _HIDDEN),
    "two lengths": _post(b"Content-Length: 0\r\nContent-Length: 48\r\n", _HIDDEN),
    "one length twice": _post(b"Content-Length: 1\r\nContent-Length: 1\r\n", b"a"),
    "a list of lengths": _post(b"Content-Length: 1, 1\r\n", b"a"),
    "length with a sign": _post(b"Content-Length: +1\r\n", b"a"),
    "negative length": _post(b"Content-Length: -1\r\n"),
    "hexadecimal length": _post(b"Content-Length: 0x1\r\n", b"a"),
    "length with a space": _post(b"Content-Length: 1 0\r\n", b"a" * 10),
    "length with an underscore": _post(b"Content-Length: 1_0\r\n", b"a" * 10),
    "empty length": _post(b"Content-Length:\r\n"),
    "length of 30 digits": _post(b"Content-Length: " + b"9" * 30 + b"\r\n"),
    # Transfer codings.
    "unknown coding": _chunked(b"0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n"),
    "two codings": _chunked(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunked twice": _chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "identity": _chunked(b"0\r\n\r\n", b"Transfer-Encoding: identity\r\n"),
    "quoted coding": _chunked(b"0\r\n\r\n", b'Transfer-Encoding: "chunked"\r\n'),
    "coding with a vertical tab": _chunked(b"0\r\n\r\n", b"Transfer-Encoding: \x0bchunked\r\n"),
    "coding with a space before the colon": _chunked(b"0\r\n\r\n", b"Transfer-Encoding : chunked\r\n"),
    "coding after a folded line": _chunked(b"0\r\n\r\n", b"X: a\r\n Transfer-Encoding: chunked\r\n"),
    "folded coding": _chunked(b"0\r\n\r\n", b"Transfer-Encoding:\r\n chunked\r\n"),
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _HIDDEN,
    # Ends of lines.
    "bare line feeds": b"GET / HTTP/1.1\nHost: web.test\n\n",
    "a bare line feed in a header": _post(b"X: a\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a bare carriage return": _post(b"X: a\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "a NUL": _post(b"X: a\0b\r\n"),
    "an empty line first": b"\r\nGET / HTTP/1.1\r\n" + _HOST + b"\r\n",
    # Names and lines.
    "space in a name": _post(b"X Y: a\r\n"),
    "no name": _post(b": a\r\n"),
    "no colon": _post(b"Host\r\n"),
    "space before the first header": b"GET / HTTP/1.1\r\n Host: web.test\r\n\r\n",
    "101 headers": _post(b"".join(b"X-%d: a\r\n" % number for number in range(101))),
    "a head that is too large": _post(b"X: " + b"a" * 20000 + b"\r\n"),
    # Hosts and targets.
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + _HOST + b"Host: other.test\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: web.test/a\r\n\r\n",
    "host with an at": b"GET / HTTP/1.1\r\nHost: web.test@other.test\r\n\r\n",
    "host with a space": b"GET / HTTP/1.1\r\nHost: web.test other\r\n\r\n",
    "host with bytes beyond ASCII": b"GET / HTTP/1.1\r\nHost: w\xc3\xa4b.test\r\n\r\n",
    "host with a port that is none": b"GET / HTTP/1.1\r\nHost: web.test:80a\r\n\r\n",
    "another host in the target": b"GET http://other.test/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a user in the target": b"GET http://a@web.test/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a target that is no path": b"GET web.test HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a target with a space": b"GET /a b HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a target with a tab": b"GET /a\tb HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a star for GET": b"GET * HTTP/1.1\r\n" + _HOST + b"\r\n",
    "another scheme": b"GET ftp://web.test/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    # Methods and versions.
    "CONNECT": b"CONNECT web.test:80 HTTP/1.1\r\n" + _HOST + b"\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a method that is no token": b"GE(T / HTTP/1.1\r\n" + _HOST + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n" + _HOST + b"\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n" + _HOST + b"\r\n",
    "HTTP/1.10": b"GET / HTTP/1.10\r\n" + _HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    # Chunks.
    "chunk size with a sign": _chunked(b"+1\r\na\r\n0\r\n\r\n"),
    "chunk size with 0x": _chunked(b"0x1\r\na\r\n0\r\n\r\n"),
    "chunk size with a space before": _chunked(b" 1\r\na\r\n0\r\n\r\n"),
    "chunk size with an underscore": _chunked(b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n"),
    "chunk size that is no number": _chunked(b"z\r\na\r\n0\r\n\r\n"),
    "chunk size of 30 digits": _chunked(b"1" * 30 + b"\r\na\r\n0\r\n\r\n"),
    "empty chunk size": _chunked(b"\r\na\r\n0\r\n\r\n"),
    "chunk ended by a line feed": _chunked(b"1\na\r\n0\r\n\r\n"),
    "chunk longer than its size": _chunked(b"1\r\nab\r\n0\r\n\r\n"),
    "chunk shorter than its size": _chunked(b"5\r\na\r\n0\r\n\r\n" + _HIDDEN),
}
"""Each is answered with an error, its connection is closed, and nothing hidden in it is taken for a request."""

TAKEN: dict[str, bytes] = {
    "a chunk extension": _chunked(b"1;a=b\r\na\r\n0\r\n\r\n"),
    "trailers": _chunked(b"1\r\na\r\n0\r\nHost: other.test\r\nContent-Length: 5\r\n\r\n"),
    "leading zeros": _chunked(b"0001\r\na\r\n0\r\n\r\n"),
    "the same host in the target": b"GET http://web.test/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a star for OPTIONS": b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    "an upgrade to HTTP/2": b"GET / HTTP/1.1\r\n"
    + _HOST
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
    "Connection names Content-Length": _post(b"Connection: Content-Length\r\nContent-Length: 1\r\n", b"a"),
}
"""Each is strange, and means one thing alone: it is answered, and what an instance sees is not strange."""
