"""What could be read in two ways is refused, and no instance sees any of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from fastcontainer.fronts import Front
from fastcontainer.smuggling import REFUSED, TAKEN

RECORDER = """
    import json, os, signal, socket, sys
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    seen = open(sys.argv[0] + ".seen", "a")
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
    while True:
        connection, _ = listening.accept()
        connection.settimeout(0.3)
        data = b""
        try:
            while part := connection.recv(65536):
                data += part
        except TimeoutError:
            pass
        if data:
            seen.write(json.dumps(data.decode("latin-1")) + "\\n")
            seen.flush()
            try:
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
            except OSError:
                pass
        connection.close()
"""
"""A service that notes every byte that it gets."""


class Recorded:
    """A front before a service that notes what it gets."""

    def __init__(self, front: Front) -> None:
        self.front = front
        front.write("web", RECORDER, 'hosts = ["web.test"]\nidle = 0\nlife = 0')
        front.start()

    def send(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own, and return all that comes back until it ends."""
        with socket.create_connection(("127.0.0.1", self.front.port), timeout=30) as connection:
            connection.sendall(data)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received

    def seen(self) -> list[str]:
        """Return what the service has got."""
        file = self.front.folder / "web.py.seen"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    front = Front(tmp_path_factory.mktemp("front"))
    try:
        yield Recorded(front)
    finally:
        front.close()


@pytest.mark.parametrize("strange", REFUSED)
def test_refused_and_closed(recorded: Recorded, strange: str) -> None:
    before = len(recorded.seen())
    answer = recorded.send(REFUSED[strange])
    status = int(answer.split()[1])
    assert status in (400, 405, 431, 501, 505)
    assert answer.count(b"\r\n\r\n") == 1, "something hidden was taken for a request"
    assert b"connection: close" in answer.lower()
    # Of a body that turns out to be wrong the head was seen; nothing of it is a whole request.
    for request in recorded.seen()[before:]:
        assert "hidden" not in request
        assert not request.endswith("0\r\n\r\n")


@pytest.mark.parametrize("strange", TAKEN)
def test_taken_and_made_plain(recorded: Recorded, strange: str) -> None:
    closing = TAKEN[strange].replace(b"Host: web.test\r\n", b"Host: web.test\r\nConnection: close\r\n", 1)
    assert recorded.send(closing).startswith(b"HTTP/1.1 200 ")
    request = recorded.seen()[-1].lower()
    head, _, body = request.partition("\r\n\r\n")
    assert head.count("\r\nhost: web.test") == 1
    assert "other.test" not in request
    assert "h2c" not in request
    assert "http2-settings" not in request
    if "content-length" in head:
        assert "transfer-encoding" not in head
        assert body == "a"
    elif "transfer-encoding" in head:
        assert body == "1\r\na\r\n0\r\n\r\n"


def test_each_refused_request_would_pass_without_what_is_strange(recorded: Recorded) -> None:
    plain = b"POST / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"
    assert recorded.send(plain).startswith(b"HTTP/1.1 200 ")
