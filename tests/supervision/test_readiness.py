"""When a container is ready, on the real kernel: each kind with what it must not take for it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_mount import Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Ready, Supervision
from haconiwa_supervision.readiness import NotReadyError, http, wait_until_ready

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import Feature
from haconiwa_core.linux import start_time
from haconiwa_core.linux.constants import WALL
from haconiwa_core.runtime.running import Running
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import busybox_root, needs_program, needs_root, problems_of, run_attached, started
from haconiwa_core.testing.running import INSTANCE

pytestmark = needs_root


class Watched:
    """A container of a test, as `wait_until_ready` takes it."""

    def __init__(self, running: Running, features: Sequence[Feature], group: tuple[str, ...] = ()) -> None:
        self.name = running.name
        self.pid = running.pid
        self.started = start_time(running.pid)
        self.pidfd = running.pidfd
        self.group = group
        self.notified = asyncio.Event()
        self.runs = 0
        self._attach: Callable[[Sequence[str]], int] = lambda command: (
            run_attached(running, *features, command=command).exit_status
        )

    async def run(self, command: Sequence[str]) -> int:
        self.runs += 1
        return await asyncio.to_thread(self._attach, command)


def python(source: str, *arguments: object) -> list[str]:
    return [sys.executable, "-I", "-c", source, *map(str, arguments)]


def free_port() -> int:
    """Return a port on which nothing listens, of the host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def watched(*features: Feature, command: Sequence[str] = ("sleep", "600"), **fields: Any) -> Iterator[Watched]:
    with started(*features, command=command, **fields) as running:
        yield Watched(running, features)


def wait(subject: Watched, timeout: float = 20.0, **ready: Any) -> None:
    asyncio.run(wait_until_ready(Ready(timeout=timeout, **ready), subject))


def lack(subject: Watched, timeout: float = 0.5, **ready: Any) -> str:
    """Return what a container that does not become ready lacks."""
    with pytest.raises(NotReadyError) as caught:
        wait(subject, timeout, **ready)
    return str(caught.value)


def exit_status(running: Running) -> int:
    """Wait for a container's end, and leave it to be reaped."""
    ended = os.waitid(os.P_PIDFD, running.pidfd, os.WEXITED | os.WNOWAIT | WALL)
    assert ended is not None
    return ended.si_status


LISTENS = """
import socket, sys, time
time.sleep(0.3)
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=int(sys.argv[3]))
server.settimeout(1)
try:
    server.accept()
    sys.exit(7)
except TimeoutError:
    pass
"""


@pytest.mark.parametrize(
    ("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("::", socket.AF_INET6)]
)
def test_a_port_is_seen_without_connecting(address: str, family: int) -> None:
    port = free_port()
    with started(NetNamespace(), command=python(LISTENS, address, port, int(family))) as running:
        wait(Watched(running, ()), port=port)
        # Not by whoever is outside.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        assert exit_status(running) == 0


def test_a_port_of_the_host_is_none_of_another_namespace() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, watched(NetNamespace()) as subject:
        port = server.getsockname()[1]
        assert lack(subject, port=port) == f"{subject.name} is not ready after 0.5 s; port {port}: nothing listens"


def test_what_is_connected_does_not_listen() -> None:
    source = """
import socket, time
server = socket.create_server(("127.0.0.1", 1234))
client = socket.create_connection(("127.0.0.1", 1234))
accepted = server.accept()
server.close()
time.sleep(600)
"""
    with watched(NetNamespace(), command=python(source)) as subject:
        time.sleep(0.5)
        assert "nothing listens" in lack(subject, port=1234)


@pytest.mark.parametrize("forks", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_in_the_hosts_namespace_only_what_is_the_containers_counts(tmp_path: Path, forks: bool, grouped: bool) -> None:
    source = """
import os, socket, sys, time
socket_of = lambda: socket.create_server(("127.0.0.1", int(sys.argv[1])))
if sys.argv[2] == "True":
    if os.fork() == 0:
        server = socket_of()
        time.sleep(600)
else:
    server = socket_of()
time.sleep(600)
"""
    features = [Cgroup(pids=10)] if grouped else []
    port = free_port()
    store = Store(tmp_path)
    with started(*features, command=python(source, port, forks), store=store) as running:
        group = store.read(INSTANCE).group
        assert bool(group) is grouped
        subject = Watched(running, features, group)
        wait(subject, port=port)
        with socket.create_server(("127.0.0.1", 0)) as server:
            foreign = server.getsockname()[1]
            assert "only what is not of the container listens" in lack(subject, port=foreign)


SERVES = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", 80))
while True:
    connection = server.accept()[0]
    try:
        asked = connection.recv(4096)
        exec(sys.argv[1])
    except OSError:
        pass
    connection.close()
"""


@contextmanager
def serving(answer: str) -> Iterator[Watched]:
    """Keep a container that serves port 80 of a namespace of its own."""
    with watched(NetNamespace(), command=python(SERVES, answer)) as subject:
        yield subject


@pytest.mark.parametrize("status", [200, 204, 301, 399])
def test_http_answers(status: int) -> None:
    with serving(f"connection.sendall(b'HTTP/1.1 {status} Some text\\r\\n\\r\\n')") as subject:
        wait(subject, http="http://localhost/health?full=1")


@pytest.mark.parametrize("status", [100, 199, 400, 404, 500, 503, 999])
def test_http_answers_that_it_is_not_ready(status: int) -> None:
    with serving(f"connection.sendall(b'HTTP/1.1 {status} Some text\\r\\n\\r\\n')") as subject:
        assert f"it answers with status {status}" in lack(subject, http="http://localhost/", timeout=1)


def test_http_asks_for_the_path_and_names_the_host() -> None:
    answer = """
good = asked.startswith(b"GET /a/b?c=d HTTP/1.1\\r\\nHost: 127.0.0.1:80\\r\\n") and asked.endswith(b"\\r\\n\\r\\n")
connection.sendall(b"HTTP/1.0 200\\r\\n\\r\\n" if good else b"HTTP/1.0 400\\r\\n\\r\\n")
"""
    with serving(answer) as subject:
        wait(subject, http="http://127.0.0.1:80/a/b?c=d#fragment")


def test_http_becomes_ready_later() -> None:
    answer = """
times = globals().get("times", 0) + 1
connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n" if times > 3 else b"HTTP/1.1 503 Wait\\r\\n\\r\\n")
"""
    with serving(answer) as subject:
        wait(subject, http="http://localhost/")


HOSTILE = {
    "silent": ("time.sleep(600)", "no answer within"),
    "slow": ("[(connection.sendall(b'H'), time.sleep(0.1)) for _ in range(100)]", "no answer within"),
    "endless": ("while True: connection.sendall(bytes(1 << 16))", "the answer is no HTTP"),
    "other": ("connection.sendall(b'SSH-2.0-OpenSSH\\r\\n')", "the answer is no HTTP"),
    "empty": ("pass", "the answer is no HTTP"),
    "number": ("connection.sendall(b'HTTP/1.1 2000 OK\\r\\n\\r\\n')", "the answer is no HTTP"),
    "cut": ("connection.sendall(b'HTTP/1.1 200')", "the answer is no HTTP"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_http_servers_that_do_what_they_like(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.5)
    answer, expected = HOSTILE[name]
    with serving(answer) as subject:
        assert expected in lack(subject, http="http://localhost/", timeout=3)


@pytest.mark.parametrize("rest", ["while True: connection.sendall(bytes(1 << 16))", "time.sleep(600)"])
def test_http_needs_no_end_of_the_answer(rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.5)
    with serving(f"connection.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')\n{rest}") as subject:
        wait(subject, http="http://localhost/")


def test_no_more_than_64_kib_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel has handed out is what the client has received; the rest stays where it is."""
    received = 0
    loops = asyncio.SelectorEventLoop
    original = loops.sock_recv

    async def counting(self: Any, opened: socket.socket, size: int) -> bytes:
        nonlocal received
        data: bytes = await original(self, opened, size)
        received += len(data)
        return data

    monkeypatch.setattr(loops, "sock_recv", counting)
    with serving("connection.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n' + bytes(1 << 24))") as subject:
        wait(subject, http="http://localhost/")
    assert received == 64 << 10


def test_http_does_not_break_a_servers_connection() -> None:
    source = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(30):
                self.wfile.write(bytes(1000))
                self.wfile.flush()
                time.sleep(0.01)
        except OSError:
            sys.exit(3)
        self.close_connection = True
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 80), Handler)
server.handle_request()
"""
    with started(NetNamespace(), command=python(source)) as running:
        wait(Watched(running, ()), http="http://localhost/")
        assert exit_status(running) == 0


def test_http_in_the_hosts_namespace_is_not_answered_by_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, watched() as subject:
        port = server.getsockname()[1]
        assert "only what is not of the container listens" in lack(subject, http=f"http://localhost:{port}/")
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "http://localhost:99999/", "http://u:p@localhost/", "http://[fe80::1%25lo]/", "http://:80"],
)
def test_addresses_that_would_have_to_be_looked_up_are_refused(url: str) -> None:
    (problem,) = problems_of(Supervision(ready=Ready(http=url)))
    assert (problem.section, problem.key) == ("supervision", "ready.http")
    assert problems_of(Supervision(ready=Ready(http="http://[::1]:8080"))) == ()


def test_the_namespace_of_this_process_stays() -> None:
    before = os.stat("/proc/self/ns/net").st_ino
    with serving("connection.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')") as subject:
        wait(subject, port=80, http="http://localhost/")
        assert os.stat(f"/proc/{subject.pid}/ns/net").st_ino != before
    tasks = {os.stat(f"/proc/self/task/{task}/ns/net").st_ino for task in os.listdir("/proc/self/task")}
    assert tasks == {before}


def test_a_command_that_succeeds_later(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with watched(PidNamespace(), command=["sh", "-c", f"sleep 1; touch {marker}; sleep 600"]) as subject:
        wait(subject, command=("test", "-e", str(marker)))
        assert marker.exists()
        assert subject.runs > 1


def test_a_command_that_fails() -> None:
    with watched() as subject:
        expected = f"""{subject.name} is not ready after 0.5 s; command "sh -c 'exit 3'": it ends with status 3"""
        assert lack(subject, command=("sh", "-c", "exit 3")) == expected


def test_a_command_that_cannot_be_executed_is_told_at_once() -> None:
    with watched() as subject, pytest.raises(HaconiwaError, match="ENOENT"):
        wait(subject, timeout=60, command=("/no/such/program",))


def test_a_command_that_does_not_end_is_cancelled() -> None:
    cancelled = []

    class Hanging(Watched):
        async def run(self, command: Sequence[str]) -> int:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                cancelled.append(command)
                raise
            return 0

    with started() as running:
        assert "nothing is known yet" in lack(Hanging(running, ()), command=("hangs",))
    assert cancelled == [("hangs",)]


@needs_program("busybox")
def test_a_file_is_looked_for_in_the_containers_root(tmp_path: Path) -> None:
    root = busybox_root(tmp_path / "root")
    outside = tmp_path / "outside"
    outside.touch()
    os.symlink(outside, root / "tmp" / "absolute")
    os.symlink("../../outside", root / "tmp" / "climbing")
    os.symlink("/etc/inside", root / "tmp" / "link")
    os.symlink("loop", root / "tmp" / "loop")
    features = [MountNamespace(), PidNamespace(), Chroot(str(root)), Mount(proc=True)]
    with watched(*features, command=["sleep", "600"]) as subject:
        assert os.path.exists(f"{root}/tmp/absolute")
        for name in ("absolute", "climbing", "link", "none/below", "link/below"):
            assert "No such file or directory" in lack(subject, file=f"/tmp/{name}", timeout=0.2)
        assert "Too many levels" in lack(subject, file="/tmp/loop", timeout=0.2)
        # A link of proc leads wherever its process has something open, here to the host's root.
        os.symlink(f"/proc/1/root{outside}", root / "tmp" / "magic")
        assert "Too many levels" in lack(subject, file="/tmp/magic", timeout=0.2)
        (root / "etc" / "inside").touch()
        wait(subject, file="/tmp/link")
        wait(subject, file="/")


def test_a_file_that_appears_in_a_mount_of_the_containers() -> None:
    source = "mount -t tmpfs none /mnt && sleep 0.5 && touch /mnt/there && sleep 600"
    with watched(MountNamespace(), command=["sh", "-c", source]) as subject:
        wait(subject, file="/mnt/there")
        assert not os.path.exists("/mnt/there")


FUSE = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"silent", sys.argv[1].encode(), b"fuse", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
open(sys.argv[2], "w").close()
time.sleep(600)
"""


def test_a_file_system_that_never_answers_holds_up_nobody(tmp_path: Path) -> None:
    if not os.path.exists("/dev/fuse"):
        pytest.skip("the kernel has no FUSE")
    folder, mounted = tmp_path / "folder", tmp_path / "mounted"
    folder.mkdir()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main(subject: Watched) -> None:
        ticking = asyncio.ensure_future(tick())
        try:
            with pytest.raises(NotReadyError, match="nothing is known yet"):
                await wait_until_ready(Ready(file=f"{folder}/file", timeout=1), subject)
        finally:
            ticking.cancel()

    with watched(MountNamespace(), command=python(FUSE, folder, mounted)) as subject:
        wait(subject, file=str(mounted))
        asyncio.run(main(subject))
    # Held up, it would have been none.
    assert ticks > 10


def test_all_that_is_asked_for_must_be_seen() -> None:
    with watched() as subject:
        wait(subject, file="/", command=("true",))
        assert "command false: it ends with status 1" in lack(subject, file="/", command=("false",)).replace("'", "")
        assert "file /none" in lack(subject, file="/none", command=("true",))


def test_a_container_that_ends_before_it_is_ready() -> None:
    began = time.monotonic()
    with watched(NetNamespace(), command=["sleep", "0.3"]) as subject:
        assert lack(subject, port=80, timeout=60) == (
            f"{subject.name} has ended before it was ready; port 80: nothing listens"
        )
    with watched(command=["sleep", "0.3"]) as subject:
        assert "has ended before it was ready; READY=1: it was not sent" in lack(subject, notify=True, timeout=60)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("ready", [{"port": 80}, {"http": "http://localhost/"}, {"file": "/none"}, {"notify": True}])
def test_a_container_that_has_ended_already(ready: dict[str, Any]) -> None:
    with started(NetNamespace(), command=["true"]) as running:
        subject = Watched(running, ())
        assert exit_status(running) == 0
        assert "has ended before it was ready" in lack(subject, timeout=60, **ready)


def test_another_process_of_its_pid_is_not_looked_at(tmp_path: Path) -> None:
    with watched() as subject:
        subject.started += 1
        message = lack(subject, file="/", timeout=60)
        assert "cannot be looked at; file /: ESRCH" in message


def test_nothing_asked_for_is_ready_at_once() -> None:
    with watched() as subject:
        wait(subject)


def test_nothing_stays_open() -> None:
    with serving("connection.sendall(b'HTTP/1.1 404 None\\r\\n\\r\\n')") as subject:
        wait(subject, port=80)
        before = sorted(os.listdir("/proc/self/fd"))
        lack(subject, http="http://localhost/")
        lack(subject, port=81)
        lack(subject, file="/none")
        assert sorted(os.listdir("/proc/self/fd")) == before


def test_who_stops_waiting_leaves_nothing() -> None:
    async def main(subject: Watched) -> None:
        waiting = asyncio.ensure_future(wait_until_ready(Ready(port=81), subject))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    before = sorted(os.listdir("/proc/self/fd"))
    with watched(NetNamespace()) as subject:
        opened = sorted(os.listdir("/proc/self/fd"))
        asyncio.run(main(subject))
        assert sorted(os.listdir("/proc/self/fd")) == opened
    assert sorted(os.listdir("/proc/self/fd")) == before
