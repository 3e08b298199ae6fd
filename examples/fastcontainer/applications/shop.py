"""Waits for a database of which only the waiting is real."""

import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    time.sleep(0.08)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shop: %s" % environ["PATH_INFO"].encode()]
