"""Tells the date, and what was asked."""

from collections.abc import Iterable
from datetime import date
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"agenda: %s on %s" % (environ["PATH_INFO"].encode(), date.today().isoformat().encode())]
