"""Answer each request after two seconds, on port 8080. SIGUSR1: take no more of them, answer the others, and end."""

import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Slow(BaseHTTPRequestHandler):
    """What takes two seconds."""

    def do_GET(self) -> None:
        time.sleep(2)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Done.\n")


class Server(ThreadingHTTPServer):
    """A server that is closed when its last request is answered."""

    daemon_threads = False


with Server(("127.0.0.1", 8080), Slow) as server:
    # In a thread, for it waits until serving, which this signal interrupts, has ended.
    signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
