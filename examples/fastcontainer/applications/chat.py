"""Sends each message of a WebSocket (RFC 6455) back; messages have at most 125 bytes."""

import os
import signal
import sys
from base64 import b64encode
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 0x1, 0x8
LAST = 0x80
"""The bit of a frame that no other one continues."""


class Handler(BaseHTTPRequestHandler):
    """One WebSocket."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        key = self.headers.get("Sec-WebSocket-Key")
        if not key:
            self.send_error(400, "This is for WebSockets")
            return
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", b64encode(sha1(key.encode() + MAGIC).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while (frame := self.frame()) and frame[0] == TEXT:
            self.wfile.write(bytes([LAST | TEXT, len(frame[1])]) + frame[1])
        self.wfile.write(bytes([LAST | CLOSE, 0]))

    def frame(self) -> tuple[int, bytes] | None:
        """Return what a frame is and what it holds; None at the end of the connection."""
        head = self.rfile.read(2)
        if len(head) < 2:
            return None
        mask = self.rfile.read(4)
        masked = self.rfile.read(head[1] & 0x7F)
        return head[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler) as server:
    server.serve_forever()
