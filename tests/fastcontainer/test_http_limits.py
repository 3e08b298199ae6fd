"""Clients that are slow, or many, do not keep others from their answers."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from fastcontainer.fronts import HELLO, Front
from fastcontainer.test_http import asked

BEGINNING = b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1000\r\n"


def test_slow_heads_starve_nobody(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nconcurrency = 10')
    front.start()
    assert asked(front)[0].status == 200
    with ExitStack() as opened:
        slow = [opened.enter_context(socket.create_connection(("127.0.0.1", front.port))) for _ in range(500)]
        for number, connection in enumerate(slow):
            connection.sendall(BEGINNING[: 10 + number % 40])
        for _ in range(20):
            began = time.monotonic()
            assert asked(front)[0].status == 200
            assert time.monotonic() - began < 1
        # After ten seconds the front has ended them all.
        deadline = time.monotonic() + 30
        for connection in slow:
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            assert connection.recv(1) == b""


def test_slow_bodies_starve_nobody(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nconcurrency = 5\nqueue = 5')
    front.start()
    assert asked(front)[0].status == 200
    with ExitStack() as opened:
        for _ in range(50):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", front.port)))
            connection.sendall(BEGINNING + b"\r\nthe beginning of a body")
        for _ in range(10):
            began = time.monotonic()
            assert asked(front)[0].status == 200
            assert time.monotonic() - began < 1


def test_one_address_has_so_many_connections_and_no_more(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    with ExitStack() as opened:
        for _ in range(1024):
            opened.enter_context(socket.create_connection(("127.0.0.1", front.port)))
        assert asked(front)[0].status == 503
    time.sleep(0.5)
    assert asked(front)[0].status == 200


def test_client_that_takes_nothing_does_not_hold_up_others(front: Front) -> None:
    program = """
        import os, signal
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_GET(self):
                size = 64 << 20 if self.path == "/large" else 5
                self.send_response(200)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                for _ in range(0, size, 1 << 16):
                    self.wfile.write(bytes(min(size, 1 << 16)))
            def log_message(self, *_):
                pass
        ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
    """
    front.write("web", program, 'hosts = ["web.test"]')
    front.start()
    with ExitStack() as opened:
        for _ in range(20):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", front.port)))
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: web.test\r\n\r\n")
        time.sleep(0.5)
        for _ in range(10):
            began = time.monotonic()
            response, body = asked(front, path="/small")
            assert (response.status, len(body)) == (200, 5)
            assert time.monotonic() - began < 2
