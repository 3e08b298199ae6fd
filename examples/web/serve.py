"""Serve the folder `public` beside this file on port 8080 until SIGTERM."""

import os
import signal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8080

# At once: an exception could be raised, and lost, wherever the interpreter happens to be.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
public = Path(__file__).with_name("public")
with ThreadingHTTPServer(("", PORT), partial(SimpleHTTPRequestHandler, directory=public)) as server:
    server.serve_forever()
