"""Sends back what it is sent, over TCP."""

import os
import signal
import sys
from socketserver import BaseRequestHandler, ThreadingTCPServer


class Echo(BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingTCPServer.request_queue_size = 512
ThreadingTCPServer.daemon_threads = True
with ThreadingTCPServer(("127.0.0.1", int(os.environ["PORT"])), Echo) as server:
    server.serve_forever()
