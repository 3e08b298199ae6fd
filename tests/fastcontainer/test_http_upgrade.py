"""WebSockets: after the upgrade bytes are handed on, and an open one is use."""

from __future__ import annotations

import time

from fastcontainer.fronts import Front, until
from websockets.sync.client import connect

SERVER = """
    import os, signal, sys
    sys.path.insert(0, {place!r})
    from websockets.sync.server import serve
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    def echo(connection):
        for message in connection:
            connection.send(message)
    serve(echo, "127.0.0.1", int(os.environ["PORT"])).serve_forever()
"""
"""A service that sends back what it gets on a WebSocket."""


def server() -> str:
    """Return the program, which finds the library where the tests have it."""
    import websockets

    return SERVER.format(place=str(websockets.__path__[0]).rpartition("/")[0])


def test_messages_pass_both_ways(front: Front) -> None:
    front.write("web", server(), 'hosts = ["web.test"]\nidle = 1')
    front.start()
    with connect("ws://web.test/chat", sock=_connected(front), open_timeout=30) as connection:
        for message in ("one", "x" * 100_000, b"\x00\xff" * 50_000):
            connection.send(message)
            assert connection.recv(30) == message
        (name,) = front.containers()
        time.sleep(3)
        assert front.containers() == [name], "a silent WebSocket is use"
        connection.send("still")
        assert connection.recv(30) == "still"
    until(lambda: not front.containers(), "that it ends")


def _connected(front: Front):
    import socket

    return socket.create_connection(("127.0.0.1", front.port))
