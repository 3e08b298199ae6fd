"""Sends an event every quarter of a second, as many as the path says: server-sent events."""

import time
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
    return events(int(environ["PATH_INFO"].strip("/") or 1))


def events(count: int) -> Iterator[bytes]:
    for number in range(count):
        time.sleep(0.25 if number else 0)
        yield b"data: feed %d\n\n" % number
