"""nginx holds the connections, and asks for instances."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time

from fastcontainer.fronts import HELLO, Front, until
from fastcontainer.nginx import IN_THE_HOSTS_NETWORK, Nginx, nginx_for
from fastcontainer.test_http_upgrade import server
from websockets.sync.client import connect

HERE = IN_THE_HOSTS_NETWORK


def asked(nginx: Nginx, method: str = "GET", path: str = "/", body: bytes | None = None, **headers: str):
    """Ask nginx once; return the response, with its body read, and that."""
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=60)
    try:
        connection.request(method, path, body, {"Host": "web.test", **headers})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_parallel_first_requests_start_one_instance(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nport = 0', HERE)
    statuses: list[int] = []
    with nginx_for(front) as nginx:
        threads = [threading.Thread(target=lambda: statuses.append(asked(nginx)[0].status)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 30
        assert len(list(front.events("started"))) == 1
        warm, body = asked(nginx, path="/a?b")
        assert (warm.status, body.split()[-1]) == (200, b"/a?b")
        assert warm.headers["X-Haconiwa-Cold-Start"] is None


def test_cold_start_is_told_to_who_has_waited_for_it(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nport = 0', HERE)
    with nginx_for(front) as nginx:
        assert asked(nginx)[0].headers["X-Haconiwa-Cold-Start"] == "1"
        assert asked(nginx)[0].headers["X-Haconiwa-Cold-Start"] is None


def test_idle_stop_loses_no_request(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nport = 0\nidle = 0.5', HERE)
    with nginx_for(front) as nginx:
        for pause in (0, 0.6, 3.3, 3.6, 3.9):
            time.sleep(pause)
            assert asked(nginx)[0].status == 200
        until(lambda: not front.containers(), "that it ends")
        assert list(front.events("stopping"))


def test_failed_start_is_told_with_an_id(front: Front) -> None:
    front.write("web", "raise SystemExit('no configuration')", 'hosts = ["web.test"]\nport = 0', HERE)
    with nginx_for(front) as nginx:
        response, body = asked(nginx)
        assert response.status == 502
        assert int(response.headers["Retry-After"]) >= 1
        assert "no configuration" in front.haconiwa("logs", body.decode().split()[-1])


def test_what_has_to_wait_too_long_is_told_when_to_come_again(front: Front) -> None:
    front.write("web", "import time; time.sleep(60)", 'hosts = ["web.test"]\nport = 0\nhold = 0.5', HERE)
    with nginx_for(front) as nginx:
        response, _ = asked(nginx)
        assert (response.status, int(response.headers["Retry-After"]) >= 1) == (503, True)


def test_two_services_and_a_host_that_nobody_has(front: Front) -> None:
    for name in ("web", "other"):
        front.write(name, HELLO.replace("hello from", f"hello from {name}"), f'hosts = ["{name}.test"]\nport = 0', HERE)
    with nginx_for(front) as nginx:
        assert asked(nginx)[1].split()[2] == b"web"
        assert asked(nginx, Host="other.test")[1].split()[2] == b"other"
        assert asked(nginx, Host="third.test")[0].status == 421


def test_bodies_pass(front: Front) -> None:
    program = HELLO.replace(
        "def log_message",
        "def do_POST(self):\n            body = self.rfile.read(int(self.headers['Content-Length']))\n"
        "            self.send_response(200)\n            self.send_header('Content-Length', str(len(body)))\n"
        "            self.end_headers()\n            self.wfile.write(body)\n        def log_message",
    )
    front.write("web", program, 'hosts = ["web.test"]\nport = 0', HERE)
    with nginx_for(front) as nginx:
        body = os.urandom(300_000)
        response, returned = asked(nginx, "POST", body=body)
        assert (response.status, returned) == (200, body)


def test_crash_of_an_instance_costs_no_request_that_can_be_repeated(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nport = 0', HERE)
    with nginx_for(front) as nginx:
        assert asked(nginx)[0].status == 200
        (name,) = front.containers()
        front.haconiwa("kill", "-s", "KILL", name)
        assert asked(nginx)[0].status == 200
        assert front.containers() != [name]


def test_quiet_requests_do_not_wake(front: Front) -> None:
    options = 'hosts = ["web.test"]\nport = 0\nquiet_paths = ["/health"]\nquiet_agents = ["some bot"]'
    front.write("web", HELLO, options, HERE)
    with nginx_for(front) as nginx:
        assert asked(nginx, path="/health/live")[0].status == 503
        assert asked(nginx, **{"User-Agent": "a some bot/1"})[0].status == 503
        assert front.containers() == []
        assert asked(nginx)[0].status == 200
        assert asked(nginx, path="/health/live")[0].status == 200


def test_websocket(front: Front) -> None:
    import socket

    front.write("web", server(), 'hosts = ["web.test"]\nport = 0\nidle = 0.5', HERE)
    with nginx_for(front) as nginx:
        opened = socket.create_connection(("127.0.0.1", nginx.port))
        with connect("ws://web.test/chat", sock=opened, open_timeout=60) as connection:
            connection.send("one")
            assert connection.recv(30) == "one"
            time.sleep(5)
            connection.send("still")
            assert connection.recv(30) == "still"


def test_several_instances_share_the_requests(front: Front) -> None:
    program = HELLO.replace("hello from", "hello from {os.getpid()} {os.environ['PORT']}")
    front.write("web", program, 'hosts = ["web.test"]\nport = 0\nleast = 3\nmost = 3', HERE)
    with nginx_for(front) as nginx:
        until(lambda: len(list(front.events("started"))) == 3, "that three run")
        seen = {asked(nginx)[1].split()[3] for _ in range(60)}
        assert len(seen) == 3


def test_strange_names_stay_words_of_the_configuration(front: Front) -> None:
    paths = ['/";}', "/$host", "/a\\b", "/'x", "/{"]
    options = f'hosts = ["web.test"]\nport = 0\nquiet_paths = {json.dumps(paths)}\nquiet_agents = ["\\";}}", "$host"]'
    front.write("web", HELLO, options, HERE)
    with nginx_for(front) as nginx:
        assert asked(nginx, path="/$host")[0].status == 503
        assert asked(nginx, path="/'x")[0].status == 503
        assert asked(nginx, path="/", **{"User-Agent": '";}'})[0].status == 503
        assert asked(nginx)[0].status == 200


def test_service_that_nginx_cannot_reach_is_refused(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    try:
        nginx_for(front).__enter__()
    except AssertionError:
        assert "nginx cannot reach web" in front.errors
        assert "ns-net" in front.errors
    else:
        raise AssertionError("it has started")
