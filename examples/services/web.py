"""A web server that shows what the database says, and ends at once where there is none: `web.py PORT DB_PORT`."""

import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, DB_PORT = map(int, sys.argv[1:])


def ask() -> bytes:
    """Return the database's answer."""
    with socket.create_connection(("127.0.0.1", DB_PORT)) as db:
        return db.recv(100)


class Page(BaseHTTPRequestHandler):
    """The only page."""

    def do_GET(self) -> None:
        text = ask()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ask()
with ThreadingHTTPServer(("127.0.0.1", PORT), Page) as server:
    server.serve_forever()
