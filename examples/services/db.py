"""A database that takes its time to start, and knows one answer: `db.py PORT`."""

import signal
import socketserver
import sys
import time


class Answer(socketserver.BaseRequestHandler):
    """What it tells everybody."""

    def handle(self) -> None:
        self.request.sendall(b"42\n")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(0.5)
socketserver.TCPServer.allow_reuse_address = True
with socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Answer) as server:
    server.serve_forever()
