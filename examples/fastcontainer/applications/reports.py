"""Takes its time to load what it needs, as large applications do, and answers fast then."""

import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"reports: %s" % environ["PATH_INFO"].encode()]


time.sleep(1.2)
