"""Containers end when the library says so, under a supervisor of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import haconiwa_lifetime
import pytest

from haconiwa_core import Container
from haconiwa_core.testing import needs_root

PATIENCE = 60.0

BEGINNING = """
import haconiwa_lifetime
from haconiwa_core import Container
from haconiwa_supervision import Supervision
"""

# Ends by itself a second after USR1, and by TERM at once.
WORKER = """
worker = Container(
    "worker",
    command=[
        *("sh", "-c"),
        "trap 'sleep 1; echo finished; exit 0' USR1; trap 'exit 9' TERM; while :; do sleep 0.05; done",
    ],
    features=[Supervision({options})],
)
"""


class Place:
    """A definition, and a state directory with a supervisor of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "definition.py"
        self.state = folder / "state"

    def define(self, text: str, options: str = "") -> None:
        self.file.write_text(BEGINNING + WORKER.format(options=options) + text)

    def run(self) -> subprocess.CompletedProcess[str]:
        return self.haconiwa("run", "--rm", str(self.file))

    def haconiwa(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HACONIWA_STATE": str(self.state)}
        command = [sys.executable, "-m", "haconiwa_core", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.state / ".supervisor" / "events.jsonl").read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def lived(self) -> float:
        """Return how long it was from its start until it was asked to end."""
        return self.events("stopping")[0]["time"] - self.events("started")[0]["time"]

    def failed_hooks(self) -> list[dict[str, Any]]:
        return [event for event in self.events("hook") if event["outcome"] != "returned"]

    def end(self) -> None:
        """See to it that no process is left: the supervisor ends when it is idle, the keeper of logs later."""
        deadline = time.monotonic() + PATIENCE
        while left := self._processes():
            assert time.monotonic() < deadline, f"these are left: {left}"
            if all("keeper.py" in command for command in left.values()):
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)

    def _processes(self) -> dict[int, str]:
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                command = (process / "cmdline").read_bytes().decode(errors="replace")
                if str(self.state) in command:
                    found[int(process.name)] = command
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.end()


@needs_root
def test_it_ends_after_its_time_whatever_its_restart_policy_is(place: Place) -> None:
    place.define("haconiwa_lifetime.attach(worker, seconds=0.5)", 'restart="always"')
    done = place.run()
    assert (done.returncode, done.stdout) == (9, "")
    assert place.lived() >= 0.5
    assert place.events("stopping")[0]["reason"] == "the hook lifetime has asked for it"
    assert place.events("restarting") == []


@needs_root
def test_jitter_comes_on_top(place: Place) -> None:
    place.define("haconiwa_lifetime.attach(worker, seconds=0.1, jitter=1)")
    lives = []
    for count in range(1, 5):
        place.run()
        lives.append(place.events("stopping")[-1]["time"] - place.events("started")[-1]["time"])
        assert len(lives) == count
    assert all(life >= 0.1 for life in lives)
    # Each has drawn its own: five alike to a tenth of a second would be one chance in thousands.
    assert max(lives) - min(lives) > 0.1


@needs_root
def test_it_may_finish_by_a_signal(place: Place) -> None:
    place.define('haconiwa_lifetime.attach(worker, seconds=0.2, drain=30.0, signal="USR1")')
    done = place.run()
    assert (done.returncode, done.stdout) == (0, "finished\n")
    assert place.failed_hooks() == []


@needs_root
def test_it_may_finish_by_a_command(place: Place) -> None:
    file = place.file.with_name("drained")
    command = ["sh", "-c", f"sleep 0.5; echo drained >{file}"]
    place.define(f"haconiwa_lifetime.attach(worker, seconds=0.2, drain=30.0, command={command!r})")
    assert place.run().returncode == 9
    assert file.read_text() == "drained\n"
    assert place.failed_hooks() == []


@needs_root
@pytest.mark.parametrize(
    "how", ['signal="WINCH"', 'command=["sleep", "600"]', 'command=["false"]'], ids=["signal", "command", "failure"]
)
def test_what_does_not_finish_is_ended(place: Place, how: str) -> None:
    place.define(f"haconiwa_lifetime.attach(worker, seconds=0.2, drain=0.5, {how})")
    assert place.run().returncode == 9
    assert [event["hook"] for event in place.failed_hooks()] == (["drain"] if "command" in how else [])


@needs_root
def test_it_may_finish_before_any_stop(place: Place) -> None:
    place.define('haconiwa_lifetime.attach(worker, seconds=600, drain=30.0, signal="USR1")')
    assert place.haconiwa("run", "-d", "--name", "worker", str(place.file)).returncode == 0
    assert place.haconiwa("stop", "worker").returncode == 0
    assert place.haconiwa("wait", "worker").stdout == "0\n"
    assert place.haconiwa("logs", "worker").stdout == "finished\n"
    place.haconiwa("rm", "worker")


@needs_root
@pytest.mark.parametrize("busy", [False, True])
def test_idle_containers_end(place: Place, busy: bool) -> None:
    work = "while :; do :; done" if busy else "sleep 600"
    text = f"""
from haconiwa_cgroup import Cgroup
from haconiwa_ns_pid import PidNamespace
other = Container("other", ["sh", "-c", "trap 'exit 9' TERM; {work} & wait"], [PidNamespace(), Cgroup(cpu=1)])
haconiwa_lifetime.attach_idle(other, seconds=0.5, busy=0.05)
# It is not kept for ever.
haconiwa_lifetime.attach(other, seconds=3)
containers = [other]
"""
    pytest.importorskip("haconiwa_cgroup")
    pytest.importorskip("haconiwa_ns_pid")
    place.define(text)
    place.run()
    hook = "lifetime" if busy else "idle"
    assert place.events("stopping")[0]["reason"] == f"the hook {hook} has asked for it"
    assert place.failed_hooks() == []


@pytest.mark.parametrize(
    "arguments",
    [{"drain": 1}, {"signal": "USR1"}, {"command": ["true"]}, {"drain": 1, "signal": "USR1", "command": "x"}],
)
def test_a_drain_is_said_whole(arguments: dict[str, Any]) -> None:
    container = Container("web", ["true"])
    with pytest.raises(ValueError, match="either a signal or a command"):
        haconiwa_lifetime.attach(container, 60, **arguments)
    assert container.hooks == []


def test_importing_it_imports_nothing_else_of_haconiwa() -> None:
    code = "import sys, haconiwa_lifetime; print(*(name for name in sys.modules if name.startswith('haconiwa_')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["haconiwa_lifetime"]
