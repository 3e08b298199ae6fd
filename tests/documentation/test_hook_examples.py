"""The examples with hooks do what they say, under a supervisor of their own, and with shorter times."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from haconiwa_core.testing import needs_program, needs_root

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HACONIWA = [sys.executable, "-m", "haconiwa_core"]
PATIENCE = 60.0
MIB = 1 << 20

ASK = """
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", 8080)
connection.request("GET", "/")
print(connection.getresponse().read().decode())
"""

# All read more than the first limit holds, again and again.
READ = """
import os
for _ in range(7):
    if os.fork() == 0:
        break
data = open({file!r}, "rb", buffering=0)
while True:
    data.seek(0)
    while data.read(1 << 20):
        pass
"""

pytestmark = needs_root


class Place:
    """A copy of the examples, and a state directory with a supervisor of its own."""

    def __init__(self, folder: Path) -> None:
        self.examples = shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        self.state = folder / "state"
        self.environment = {**os.environ, "HACONIWA_STATE": str(self.state)}

    def change(self, file: str, *changes: tuple[str, str]) -> None:
        """Replace parts of an example, each of which must be there."""
        path = self.examples / file
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    def haconiwa(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*HACONIWA, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    @contextmanager
    def running(self, file: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [*HACONIWA, "run", "--rm", *arguments, str(self.examples / file)]
        with subprocess.Popen(command, env=self.environment) as caller:
            try:
                yield caller
            finally:
                # What still runs ends with its caller.
                caller.kill()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what has happened, of one kind."""
        file = self.state / ".supervisor" / "events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def event(self, kind: str, name: str = "", count: int = 1) -> dict[str, Any]:
        """Return the last of so many events of a kind as soon as they have happened.

        Args:
            kind: such as "started".
            name: of the container, or what it begins with.
            count: how many there are to be.
        """
        return wait_for(lambda: [each for each in self.events(kind) if each["container"].startswith(name)][count - 1 :])

    def failed_hooks(self) -> list[dict[str, Any]]:
        return [each for each in self.events("hook") if each["outcome"] != "returned"]

    def processes(self) -> dict[int, str]:
        """Return the supervisor and what it has started, with their command lines, which name the directory."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                command = (process / "cmdline").read_bytes().decode(errors="replace")
                if str(self.state) in command:
                    found[int(process.name)] = command
        return found

    def end(self) -> None:
        """See to it that no process is left: the supervisor ends when it is idle, the keeper of logs later."""
        deadline = time.monotonic() + PATIENCE
        while left := self.processes():
            assert time.monotonic() < deadline, f"these are left: {left}"
            if all("keeper.py" in command for command in left.values()):
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)


def wait_for(look: Callable[[], list[dict[str, Any]]]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.05)
    return found[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.end()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def get(port: int) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/")
    return connection.getresponse().read()


def test_cpu_burst_ends(place: Place) -> None:
    place.change("cpu_burst.py", ("seconds=10", "seconds=1"))
    with place.running("cpu_burst.py", "--name", "burst"):
        place.event("started")
        assert cpu(place, "burst")["max"] == 1.0
        assert place.event("log")["values"] == {"cpu": 0.1}
        after = cpu(place, "burst")
        assert after["max"] == 0.1
        time.sleep(1)
        # Within a quota of a tenth a loop is kept waiting in each period.
        assert cpu(place, "burst")["nr_throttled"] > after["nr_throttled"]
    assert place.failed_hooks() == []


def in_force(place: Place, name: str) -> dict[str, Any]:
    """Return what `haconiwa inspect` shows of a container's control group."""
    shown = place.haconiwa("inspect", name, "--format", "json")
    return json.loads(shown.stdout)["in_force"]["cgroup"]


def cpu(place: Place, name: str) -> dict[str, Any]:
    return in_force(place, name)["cpu"]


def test_memory_follows_need(place: Place) -> None:
    with place.running("memory_on_demand.py") as caller:
        assert caller.wait() == 0
    limits = [event["values"]["limit"] for event in place.events("log")]
    assert limits == [128 * MIB, 256 * MIB, 128 * MIB, 64 * MIB]
    assert place.failed_hooks() == []


def test_memory_ends_at_its_ceiling(place: Place) -> None:
    place.change("memory_on_demand.py", ("512 * MIB", "128 * MIB"))
    with place.running("memory_on_demand.py") as caller:
        assert caller.wait() == 128 + signal.SIGKILL
    assert place.event("exited")["reason"] == "oom"
    assert [event["values"]["limit"] for event in place.events("log")] == [128 * MIB]


def test_memory_is_raised_under_pressure(place: Place, tmp_path: Path) -> None:
    """Before the next look at it, which does not come here."""
    if not Path("/proc/pressure/memory").exists():
        pytest.skip("the kernel tells of no pressure")
    data = tmp_path / "data"
    with data.open("wb") as file:
        file.write(os.urandom(MIB) * 200)
        os.fsync(file.fileno())
        # What is in memory already is nobody's.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    work = READ.format(file=str(data))
    text = (place.examples / "memory_on_demand.py").read_text()
    example = text[text.index('WORK = """') : text.index("worker = ")]
    place.change("memory_on_demand.py", (example, f"WORK = {work!r}\n\n"), ("every(seconds=0.5)", "every(seconds=9e6)"))
    with place.running("memory_on_demand.py", "--name", "worker"):
        place.event("started")
        try:
            raised = place.event("log")
        except AssertionError:
            stalled = in_force(place, "worker")["pressure"]["memory"]["some"]["total"]
            if stalled < 100_000:
                pytest.skip(f"nothing can be made to wait for memory here: {stalled} microseconds in a minute")
            raise
        assert raised["values"]["limit"] == 128 * MIB
        assert place.event("hook")["trigger"] == "on_pressure"


@needs_program("nsenter")
@pytest.mark.parametrize("drained", [True, False])
def test_what_was_asked_is_answered_before_the_end(place: Place, drained: bool) -> None:
    # Without draining it would be ended at once.
    place.change("draining.py", ("seconds=60", "seconds=2"), ("port=8080)", "port=8080), stop_timeout=0"))
    if not drained:
        place.change("draining.py", (', drain=5.0, signal="SIGUSR1"', ""))
    with place.running("draining.py") as caller:
        place.event("ready")
        pid = place.event("started")["pid"]
        time.sleep(1)
        command = ["nsenter", "--target", str(pid), "--net", sys.executable, "-c", ASK]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (asked.stdout == "Done.\n\n") == drained
        assert caller.wait() == (0 if drained else 128 + signal.SIGKILL)
    assert place.event("stopping")["reason"] == "the hook lifetime has asked for it"
    assert place.failed_hooks() == []


class Webhook(BaseHTTPRequestHandler):
    """Somebody who is told."""

    told: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("status", [3, 0])
def test_somebody_is_told_of_a_failure_and_of_nothing_else(place: Place, status: int) -> None:
    told: list[dict[str, Any]] = []
    handler = type("Handler", (Webhook,), {"told": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            port = server.server_port
            place.change("notify_failure.py", ("127.0.0.1:9000", f"127.0.0.1:{port}"), ("exit 3", f"exit {status}"))
            done = place.haconiwa("run", "--rm", str(place.examples / "notify_failure.py"))
        finally:
            server.shutdown()
    name = place.event("started")["container"]
    assert (done.stdout, done.returncode) == ("working\n", status)
    assert told == ([{"container": name, "exit_status": 3, "reason": "exited"}] if status else [])
    assert place.failed_hooks() == []


def test_a_notification_that_fails_is_told_and_changes_nothing_else(place: Place) -> None:
    place.change("notify_failure.py", ("127.0.0.1:9000", f"127.0.0.1:{free_port()}"))
    done = place.haconiwa("run", "--rm", str(place.examples / "notify_failure.py"))
    assert (done.stdout, done.returncode) == ("working\n", 3)
    (failed,) = place.failed_hooks()
    assert failed["hook"] == "notify"
    assert "Connection refused" in failed["reason"]


def test_scaling_by_signals_and_commands(place: Place) -> None:
    with place.running("scale.py", "--name", "service"):
        place.event("started")
        assert cpu(place, "service")["max"] == 0.5
        for name, expected in (("TTIN", 0.6), ("TTOU", 0.5), ("TTOU", 0.4)):
            assert place.haconiwa("signal", "service", name).returncode == 0
            assert cpu(place, "service")["max"] == pytest.approx(expected)
        scaled = place.haconiwa("call", "service", "scale", "--arg", "cpu=1.5")
        assert (json.loads(scaled.stdout), cpu(place, "service")["max"]) == (1.5, 1.5)
        # Its bounds are its own.
        place.haconiwa("call", "service", "scale", "--arg", "cpu=99")
        assert json.loads(place.haconiwa("call", "service", "usage").stdout)["cpu"] == 2.0
    assert place.failed_hooks() == []


def test_services_wait_for_each_other_and_come_back(place: Place) -> None:
    db, web = free_port(), free_port()
    place.change("services.py", ("15432, 18080", f"{db}, {web}"))
    with place.running("services.py") as caller:
        place.event("ready", "web")
        assert get(web) == b"42\n"
        assert place.event("ready", "db")["time"] < place.event("started", "web")["time"]
        os.kill(place.event("started", "db")["pid"], signal.SIGKILL)
        place.event("ready", "db", 2)
        assert get(web) == b"42\n"
        caller.send_signal(signal.SIGTERM)
        assert caller.wait() == 0
    assert [event["container"].partition("-")[0] for event in place.events("restarting")] == ["db"]


def test_without_its_dependency_the_second_fails(place: Place) -> None:
    db, web = free_port(), free_port()
    changes = [("15432, 18080", f"{db}, {web}"), (', depends=("db",), restart="on-failure"', "")]
    place.change("services.py", *changes)
    with place.running("services.py"):
        assert place.event("exited", "web")["exit_status"] == 1
