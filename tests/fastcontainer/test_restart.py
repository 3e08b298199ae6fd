"""A front that crashes, or is replaced, takes neither a container nor a listening socket with it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastcontainer.fronts import ECHO, HELLO, Front, free_port, until
from fastcontainer.test_http import asked

PATIENT = HELLO.replace("Server((", "time.sleep(1); Server((")
"""A web service that takes a second to start."""


def fronts(front: Front) -> list[int]:
    """Return the pids of the processes that have served so far."""
    return [event["pid"] for event in front.events("serving")]


def replace(front: Front) -> None:
    """Have another front take the place of the present one, and wait until it serves."""
    before = len(fronts(front))
    front.process.send_signal(signal.SIGHUP)
    until(lambda: len(fronts(front)) == before + 1, "that another front serves")


class Load:
    """Clients that ask again and again, each on connections that it keeps; a fault is any other answer than 200."""

    def __init__(self, front: Front, clients: int = 4) -> None:
        self.front = front
        self.faults: list[str] = []
        self.answers = 0
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._ask_all) for _ in range(clients)]

    def _ask_all(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=60)
        while not self._ends.is_set():
            try:
                connection.request("GET", "/", headers={"Host": "web.test"})
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    self.faults.append(f"{response.status} {body!r}")
                self.answers += 1
                if response.will_close:
                    connection.close()
            except (http.client.HTTPException, OSError) as error:
                self.faults.append(repr(error))
                connection.close()
        connection.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def load(front: Front) -> Iterator[Load]:
    """Ask all the time; nothing may fail."""
    with Load(front) as made:
        until(lambda: made.answers > 50, "that requests are answered")
        yield made
        before = made.answers
        until(lambda: made.answers > before + 50, "that requests are still answered")
    assert made.faults == []


def test_crash_of_the_front_leaves_containers_and_sockets(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    assert asked(front)[0].status == 200
    before = front.containers()
    os.kill(fronts(front)[0], signal.SIGKILL)
    # The socket listens all the time: this waits until the next front accepts.
    assert asked(front)[0].status == 200
    assert len(fronts(front)) == 2
    assert front.containers() == before
    assert "has crashed" in front.errors


def test_crash_in_the_middle_of_a_start_blocks_nobody(front: Front) -> None:
    front.write("web", PATIENT, 'hosts = ["web.test"]')
    front.start()
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        until(front.containers, "that the container is there")
        os.kill(fronts(front)[0], signal.SIGKILL)
        assert connection.recv(1) == b""
    assert asked(front)[0].status == 200
    assert len(front.containers()) == 1


def test_replaced_under_load(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    with load(front):
        for _ in range(2):
            replace(front)
            time.sleep(1)
    assert len(list(front.events("started"))) == 1
    until(lambda: not os.path.exists(f"/proc/{fronts(front)[0]}"), "that the first one has ended")


def test_long_connections_go_on_while_a_front_is_replaced(front: Front) -> None:
    port = free_port()
    front.write("echo", ECHO, f'protocol = "tcp"\nlisten = ["127.0.0.1:{port}"]\nidle = 0.5')
    front.start()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as old:
        old.sendall(b"a")
        assert old.recv(1) == b"a"
        replace(front)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as new:
            new.sendall(b"b")
            assert new.recv(1) == b"b"
        time.sleep(2)
        old.sendall(b"c")
        assert old.recv(1) == b"c", "in use by the old front alone"
    assert len(list(front.events("started"))) == 1
    until(lambda: not front.containers(), "that it ends")


def test_requests_that_are_held_are_answered_by_the_front_that_holds_them(front: Front) -> None:
    front.write("web", PATIENT, 'hosts = ["web.test"]')
    front.start()
    statuses: list[int] = []
    held = [threading.Thread(target=lambda: statuses.append(asked(front)[0].status)) for _ in range(5)]
    for thread in held:
        thread.start()
    until(front.containers, "that the container is there")
    front.process.send_signal(signal.SIGHUP)
    until(lambda: len(fronts(front)) == 2, "that another front serves")
    statuses.append(asked(front)[0].status)
    for thread in held:
        thread.join()
    assert statuses == [200] * 6
    assert len(front.containers()) == 1


def test_broken_definition_leaves_the_present_front(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    front.write("web", HELLO, 'hosts = ["web.test"]\nidel = 3')
    front.process.send_signal(signal.SIGHUP)
    until(lambda: 'unknown key "idel"' in front.errors, "that it is told what is wrong")
    assert asked(front)[0].status == 200
    assert len(fronts(front)) == 1


def test_crash_while_another_front_begins_leaves_one(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    front.process.send_signal(signal.SIGHUP)
    os.kill(fronts(front)[0], signal.SIGKILL)
    assert asked(front)[0].status == 200
    time.sleep(1)
    children = Path(f"/proc/{front.process.pid}/task/{front.process.pid}/children")
    assert len(children.read_text().split()) == 1
    before = len(fronts(front))
    front.process.send_signal(signal.SIGHUP)
    until(lambda: len(fronts(front)) == before + 1, "that another front serves")
    front.stop()


def test_sockets_of_the_service_manager_are_used(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    with socket.create_server(("127.0.0.1", front.port)) as passed:
        number = passed.fileno()
        front.prefix = ["bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{number}', "bash"]
        front.pass_fds = (number,)
        front.start()
        assert asked(front)[0].status == 200
        front.stop()
        # It still listens: nobody has closed it.
        socket.create_connection(("127.0.0.1", front.port)).close()


def test_only_one_front_of_a_state_directory(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]')
    front.start()
    other = Front(front.folder)
    other.files = front.files
    try:
        other.start()
    except AssertionError:
        assert "another front serves" in front.errors
    else:
        raise AssertionError("two fronts serve")
    assert asked(front)[0].status == 200


def test_supervisor_stays_and_comes_back(front: Front) -> None:
    front.write("web", HELLO, 'hosts = ["web.test"]\nidle = 0.5')
    front.start()
    log = front.folder / "state" / ".supervisor"

    def supervisor() -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            if asking.connect_ex(str(log / "control")):
                return 0
            return int.from_bytes(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")

    first = until(supervisor, "that the supervisor is there before anything is asked")
    assert asked(front)[0].status == 200
    until(lambda: not front.containers(), "that the container ends")
    time.sleep(2)
    assert supervisor() == first
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor() not in (0, first), "that another one is there")
    assert asked(front)[0].status == 200
