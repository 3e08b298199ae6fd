"""Serve the folder `public` beside this file on port 8080 until SIGTERM."""

import signal
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8080

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
public = Path(__file__).with_name("public")
with ThreadingHTTPServer(("", PORT), partial(SimpleHTTPRequestHandler, directory=public)) as server:
    server.serve_forever()
