"""Serve a WSGI application (PEP 3333) on $PORT, each request in a thread: `serve.py MODULE`."""

import os
import signal
import sys
from importlib import import_module
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class Server(ThreadingMixIn, WSGIServer):
    """The standard library's, in threads."""

    daemon_threads = True
    request_queue_size = 512


class Handler(WSGIRequestHandler):
    """One that keeps silent about requests."""

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


# Process 1 of a pid namespace gets only the signals that it handles.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
# It listens when it has loaded all that it needs: a request is not sent to it before.
application = import_module(sys.argv[1]).application
with Server(("127.0.0.1", int(os.environ["PORT"])), Handler) as server:
    server.set_app(application)
    server.serve_forever()
