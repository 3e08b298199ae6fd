"""A supervisor with a state directory of its own, of which nothing is left after a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from haconiwa_runtime import recorded
from haconiwa_runtime.client import Connection, connect
from haconiwa_supervision.control.resident import ResidentSupervisor

from haconiwa_core import Container
from haconiwa_core.errors import RecordError
from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.processes import end_of
from haconiwa_core.runtime.record import Process, Record
from haconiwa_core.runtime.store import Store
from haconiwa_core.runtime.supervisor import Start, control_socket
from haconiwa_core.testing import haconiwa_command

LIMIT = 30.0
"""Seconds after which what is waited for counts as lost."""


class House:
    """A state directory, and the supervisor that is started for it.

    Attributes:
        folder: of the test; what the test starts has it in its command lines.
        store: with the records.
        own: the folder of the supervisor's own files.
        site: folders with further distributions, for what is started from now on.
        process: the supervisor that was started last.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "state")
        self.own = self.store.directory / ".supervisor"
        self.socket = control_socket(self.store.directory)
        self.environment = {**os.environ, "HACONIWA_STATE": str(self.store.directory)}
        self.site: list[Path] = []
        self.process: subprocess.Popen[str] | None = None

    # The supervisor.

    def open(self, *options: str, wait: bool = True, **how: Any) -> subprocess.Popen[str]:
        """Start a supervisor in the foreground; wait until it has adopted what there is, and listens."""
        command = [*haconiwa_command(*self.site), "supervise", *options]
        how["env"] = {**self.environment, **how.get("env", {})}
        self.process = subprocess.Popen(command, text=True, **{"stdin": subprocess.DEVNULL, **how})
        if wait:
            self.until(self.listens)
        return self.process

    def listens(self) -> bool:
        """Return whether somebody answers at the control socket."""
        assert self.process is None or self.process.poll() is None, "the supervisor has ended"
        connection = connect(self.socket)
        if connection is None:
            return False
        with connection:
            connection._socket.settimeout(LIMIT)
            # Any answer will do: it comes when all has been adopted.
            with suppress(RecordError):
                connection.ask("inspect", name="")
        return True

    def is_listening(self) -> bool:
        """Return whether somebody takes connections."""
        connection = connect(self.socket)
        if connection:
            connection.close()
        return connection is not None

    def close(self, number: int = signal.SIGTERM) -> int:
        """End the supervisor by a signal; return its status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(LIMIT)

    def kill(self) -> None:
        """Kill the supervisor."""
        assert self.close(signal.SIGKILL) == -signal.SIGKILL

    # What is asked of it.

    def connected(self) -> Connection:
        """Return a connection to the supervisor."""
        connection = connect(self.socket)
        assert connection
        return connection

    def ask(self, do: str, **what: Any) -> Any:
        """Ask the supervisor something, and return the value that it answers."""
        with self.connected() as connection:
            return connection.ask(do, **what).content["value"]

    def start(self, *containers: Container, name: str | None = None, **options: Any) -> list[str]:
        """Start containers in the background; return their names."""
        wanted = Start([each.detached() for each in containers], self.store, Plugins(), name, **options)
        return ResidentSupervisor().start(wanted)

    def command(self, *arguments: str | Path, **how: Any) -> subprocess.Popen[str]:
        """Begin to run the command line."""
        pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        command = [*haconiwa_command(*self.site), *map(str, arguments)]
        options = {"env": self.environment, "stdin": subprocess.DEVNULL, "text": True, **pipes, **how}
        return subprocess.Popen(command, **options)

    def run(self, *arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        with self.command(*arguments, **how) as process:
            out, err = process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start_file(self, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Start a supervisor, and with it the containers of a definition in the background, the only one as "web"."""
        self.open()
        return self.run("run", "-d", "--name", "web", *options, file)

    # What there is.

    def record(self, name: str) -> Record:
        """Return the record of a container."""
        return self.store.read(name)

    def is_running(self, name: str) -> bool:
        """Return whether a container was started, and has not ended."""
        return name in {found.record.name for found in recorded.find_all(self.store) if found.state == "running"}

    def first(self, name: str) -> Process:
        """Return the first process of a container that runs."""
        child = self.store.read(name).child
        assert child
        return child

    def is_alive(self, process: Process) -> bool:
        """Return whether a process has not ended."""
        return process in (Process.of(process.pid),) and _state_of(process.pid) != "Z"

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the events so far, of one container or all."""
        try:
            lines = (self.own / "events.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        told = [json.loads(line) for line in lines]
        return [event for event in told if name in (None, event["container"])]

    def faults(self) -> list[str]:
        """Return what the supervisor has done wrong."""
        return [event["reason"] for event in self.events() if event["event"] == "fault"]

    def traces(self, prefix: str) -> dict[str, list[str]]:
        """Return what containers whose names begin like this have on the host, apart from records that have ended."""
        trees = [Path(tree.mount) for tree in gather().cgroups]
        groups = {str(path) for tree in trees for path in tree.glob(f"*/{prefix}*")}
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if prefix in line]
        alive = [name for name in self.store.names() if recorded.find(self.store, name).state != "exited"]
        return {"groups": sorted(groups), "mounts": mounts, "alive": alive, "processes": self.processes()}

    def processes(self) -> list[str]:
        """Return the command lines of all processes of this test."""
        return [line for _, line in self._processes()]

    def _processes(self) -> Iterator[tuple[int, str]]:
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.folder) in line and int(path.name) != os.getpid():
                    yield int(path.name), line

    def log_of(self, name: str) -> dict[str, list[str]]:
        """Return what a container has written, by stream, as its log has it."""
        files = sorted((self.store.directory / name).glob("stream.log*"), key=_age)
        found: dict[str, list[str]] = {"stdout": [], "stderr": []}
        for line in "".join(path.read_text() for path in files).splitlines():
            _, stream, tag, text = line.split(" ", 3)
            assert tag == "F"
            found[stream].append(text)
        return found

    @staticmethod
    def can_tell_after_the_fact() -> bool:
        """Return whether the kernel tells how a process has ended that was reaped (Linux 6.15)."""
        child = subprocess.Popen(["sh", "-c", "exit 3"])
        pidfd = os.pidfd_open(child.pid)
        child.wait()
        status = end_of(pidfd).exit_status
        os.close(pidfd)
        return status == 3

    @staticmethod
    def until(condition: Callable[[], Any], timeout: float = LIMIT) -> Any:
        """Wait until something is true, and return it; a container that has no record yet makes nothing true."""
        deadline = time.monotonic() + timeout
        while True:
            with suppress(RecordError):
                if found := condition():
                    return found
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.005)

    def clear(self) -> None:
        """End all containers and the supervisor, and see that no process of them is left."""
        if self.process and self.process.poll() is None:
            self.close()
        for name in self.store.names():
            recorded.remove(self.store, name, force=True)

        def only_the_keeper() -> bool:
            left = list(self._processes())
            if not all("keeper.py" in line for _, line in left):
                return False
            for pid, _ in left:
                # It would end by itself after a while.
                os.kill(pid, signal.SIGTERM)
            return not left

        try:
            self.until(only_the_keeper, 10)
        except AssertionError:
            left = list(self._processes())
            for pid, _ in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"these were left: {left}") from None


def _age(log: Path) -> int:
    """Return what sorts files of a log from the oldest to the present one."""
    return -int(log.suffix[1:]) if log.suffix != ".log" else 0


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Return a state directory without a supervisor."""
    if os.geteuid() != 0:
        pytest.skip("needs root: real containers")
    monkeypatch.delenv("HACONIWA_SOCKET", raising=False)
    house = House(tmp_path)
    # In the background, a shell lets SIGINT be ignored, and what is started here would inherit that.
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield house
    house.clear()
    signal.signal(signal.SIGINT, interrupted)


@pytest.fixture
def features() -> list[Feature]:
    """Return some features of those that are installed, which leave something on the host."""
    kinds = [
        ("haconiwa_cgroup", "Cgroup", {"pids": 64}),
        ("haconiwa_ns_pid", "PidNamespace", {}),
        ("haconiwa_ns_mount", "MountNamespace", {}),
        ("haconiwa_ns_uts", "UtsNamespace", {}),
    ]
    found = [(getattr(import_module(name), kind), options) for name, kind, options in kinds if find_spec(name)]
    return [kind(**options) for kind, options in found]


@pytest.fixture
def define(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a definition file."""

    def write(text: str, name: str = "definition.py") -> Path:
        path = tmp_path / name
        path.write_text(
            f"from haconiwa_core import Container\nfrom haconiwa_supervision import Ready, Supervision\n{text}"
        )
        return path

    return write


@pytest.fixture
def python() -> Callable[[str], Sequence[str]]:
    """Return what makes the command of a small program."""
    return lambda source: (sys.executable, "-I", "-S", "-c", source)


_REPORTER = """
import os, signal, sys, time
def got(number, frame):
    os.write(1, b"got %d\\n" % number)
    if number == signal.SIGTERM:
        sys.exit(7)
signal.signal(signal.SIGUSR1, got)
signal.signal(signal.SIGTERM, got)
os.write(1, b"here\\n")
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def reporter(python: Callable[[str], Sequence[str]]) -> Sequence[str]:
    """Return the command of a program that tells which signals it gets, and ends with status 7 at SIGTERM."""
    return python(_REPORTER)


_TELLING = """
import json, os, signal, time
from haconiwa_core import Container
from haconiwa_supervision import Ready, Supervision

def say(c, what="", **more):
    told = {{"what": what or c.event.get("event", c.event["kind"]), "name": c.name, "pid": c.pid, "state": c.state,
             "ready": c.ready, "exit_status": c.exit_status, "reason": c.reason, "at": time.monotonic(), **more}}
    with open({said!r}, "a") as file:
        file.write(json.dumps(told) + "\\n")
"""


class Story:
    """A definition whose hooks can say what they see: with `say(c, ...)`, by default the name of the event."""

    def __init__(self, folder: Path) -> None:
        self._said = folder / "said"
        self.file = folder / "story.py"

    def tell(self, text: str) -> Path:
        """Write the definition; return its path."""
        self.file.write_text(_TELLING.format(said=str(self._said)) + text)
        return self.file

    def told(self, *what: str) -> list[dict[str, Any]]:
        """Return what was said, or what was said of that."""
        lines = self._said.read_text().splitlines() if self._said.exists() else []
        told = [json.loads(line) for line in lines]
        return [each for each in told if not what or each["what"] in what]

    def order(self, *what: str) -> list[str]:
        """Return of what it was said, in order."""
        return [each["what"] for each in self.told(*what)]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Return a definition of which nothing is written yet."""
    return Story(tmp_path)
