"""Services over HTTP through the embedded front."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from fastcontainer.fronts import HELLO, Front, until

ASKED = """
    import json, os, signal, sys, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def answer(self):
            length = self.headers["Content-Length"]
            body = b""
            if length:
                body = self.rfile.read(int(length))
            elif self.headers["Transfer-Encoding"]:
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            told = {"method": self.command, "path": self.path, "headers": self.headers.items(), "body": body.decode()}
            data = json.dumps(told).encode()
            self.send_response(200)
            if "chunked" in self.path:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for start in range(0, len(data), 7):
                    part = data[start : start + 7]
                    self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
                self.wfile.write(b"0\\r\\n\\r\\n")
                return
            if "until-close" in self.path:
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Haconiwa-Cold-Start", "forged")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
        do_GET = do_POST = do_HEAD = do_PUT = answer
        def log_message(self, *_):
            pass
    class Server(ThreadingHTTPServer):
        request_queue_size = 512
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
"""A service that tells what it was asked, as JSON."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Give a front before a service that tells what it was asked."""
    front = Front(tmp_path_factory.mktemp("front"))
    front.write("web", ASKED, 'hosts = ["web.test"]')
    try:
        front.start()
        yield front
    finally:
        front.close()


def asked(front: Front, method: str = "GET", path: str = "/", body: object = None, **headers: str):
    """Ask once, on a connection of its own; return the response, with its body read, and that."""
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
    try:
        connection.request(
            method, path, body, {"Host": "web.test", **headers}, encode_chunked=not isinstance(body, bytes)
        )
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_first_request_starts_and_is_told(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nidle = 1')
    front.start()
    first, body = asked(front, path="/a?b=c")
    assert (first.status, body.split()[-1]) == (200, b"/a?b=c")
    assert first.headers["X-Haconiwa-Cold-Start"] == "1"
    assert first.headers["Server-Timing"].startswith("start;dur=")
    second, _ = asked(front)
    assert (second.status, second.headers["X-Haconiwa-Cold-Start"]) == (200, None)
    until(lambda: not front.containers(), "that it ends")
    again, _ = asked(front)
    assert (again.status, again.headers["X-Haconiwa-Cold-Start"]) == (200, "1")


def test_many_first_requests_start_one_instance(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(asked(front)[0].status)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 50
    assert len(list(front.events("started"))) == 1


@pytest.mark.parametrize("path", ["/", "/chunked", "/until-close"])
@pytest.mark.parametrize("parts", [[], [b"x" * 100_000], [b"one", b"two" * 50_000]], ids=["none", "length", "chunks"])
def test_bodies_and_framings(recorded: Front, path: str, parts: list[bytes]) -> None:
    body = iter(parts) if len(parts) > 1 else b"".join(parts) or None
    response, data = asked(recorded, "POST" if parts else "GET", path, body)
    assert response.status == 200
    assert json.loads(data)["body"].encode() == b"".join(parts)


def test_head_has_no_body(recorded: Front) -> None:
    response, data = asked(recorded, "HEAD")
    assert (response.status, data) == (200, b"")


def test_headers_are_of_the_front(recorded: Front) -> None:
    forged = {"X-Forwarded-For": "1.2.3.4", "X_Forwarded_For": "1.2.3.4", "Connection": "X-Secret", "X-Secret": "1"}
    asked(recorded)
    response, data = asked(recorded, **forged, Forwarded="for=1.2.3.4", TE="trailers", Upgrade="h2c")
    assert response.headers["X-Haconiwa-Cold-Start"] is None
    told = json.loads(data)["headers"]
    names = {name.lower(): value for name, value in told}
    assert names["x-forwarded-for"] == "127.0.0.1"
    assert names["x-forwarded-host"] == "web.test"
    assert names["x-forwarded-proto"] == "http"
    assert names["host"] == "web.test"
    assert not names.keys() & {"x_forwarded_for", "x-secret", "forwarded", "te", "upgrade", "connection"}


def test_keep_alive_and_pipelining(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as connection:
        request = b"GET /p%d HTTP/1.1\r\nHost: web.test\r\n\r\n"
        connection.sendall(b"".join(request % number for number in range(5)))
        received = b""
        while received.count(b"HTTP/1.1 200") < 5 or not received.rstrip().endswith(b"/p4"):
            received += connection.recv(65536)
        assert [received.find(b"/p%d" % number) for number in range(5)] == sorted(
            received.find(b"/p%d" % number) for number in range(5)
        )


def test_http_1_0(front: Front) -> None:
    front.write("web", ASKED, 'hosts = ["*"]')
    front.start()
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as connection:
        connection.sendall(b"GET /chunked HTTP/1.0\r\n\r\n")
        received = b""
        while part := connection.recv(65536):
            received += part
    assert b"transfer-encoding" not in received.lower()
    assert received.endswith(b"}")


def test_unknown_host_is_misdirected(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    assert asked(front, Host="other.test")[0].status == 421
    assert asked(front, Host="WEB.test.:80")[0].status == 200


def test_failed_start_is_told_with_an_id(front: Front) -> None:
    front.write("web", "raise SystemExit('no configuration')", 'hosts = ["web.test"]')
    front.start()
    response, body = asked(front)
    assert response.status == 502
    assert int(response.headers["Retry-After"]) >= 1
    instance = body.decode().split()[-1]
    assert "no configuration" in front.haconiwa("logs", instance)


def test_hold_is_bounded_in_time_and_number(front: Front) -> None:
    slow = "import time; time.sleep(60)"
    front.write("web", slow, 'hosts = ["web.test"]\nhold = 1.0\nqueue = 3')
    front.start()
    answers: list[tuple[int, str | None]] = []

    def ask() -> None:
        response, _ = asked(front)
        answers.append((response.status, response.headers["Retry-After"]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    threads[0].join()
    until(lambda: len(answers) >= 5, "that five are refused at once", 10)
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [503] * 8
    assert all(after and int(after) >= 1 for _, after in answers)
    assert time.monotonic() - began >= 1.0


def test_quiet_requests_do_not_wake(front: Front) -> None:
    options = 'hosts = ["web.test"]\nquiet_paths = ["/health"]\nquiet_agents = ["bot"]\nidle = 1'
    front.write("web", HELLO, options)
    front.start()
    assert asked(front, path="/health/live")[0].status == 503
    assert asked(front, **{"User-Agent": "some bot/1"})[0].status == 503
    assert front.containers() == []
    assert asked(front)[0].status == 200
    assert asked(front, path="/health/live")[0].status == 200

    def is_asleep() -> bool:
        return asked(front, path="/health")[0].status == 503

    until(is_asleep, "that health checks do not keep it awake")


def test_server_sent_events_pass_at_once(front: Front) -> None:
    program = """
        import os, socket, time
        listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
        while True:
            connection, _ = listening.accept()
            if not connection.recv(65536):
                continue
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
            for number in range(3):
                connection.sendall(b"data: %d\\n\\n" % number)
                connection.recv(1) if number == 2 else time.sleep(0.5)
    """
    front.write("web", program, 'hosts = ["web.test"]')
    front.start()
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        received, moments = b"", []
        for number in range(3):
            while b"data: %d" % number not in received:
                received += connection.recv(65536)
            moments.append(time.monotonic())
    assert moments[2] - moments[0] > 0.6


def test_client_that_waits_for_100_is_told_to_go_on(recorded: Front) -> None:
    asked(recorded)
    with socket.create_connection(("127.0.0.1", recorded.port), timeout=30) as connection:
        head = b"POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"after")
        answer = connection.recv(10000)
        while b"after" not in answer:
            answer += connection.recv(10000)
        assert answer.startswith(b"HTTP/1.1 200 ")
