"""Fronts that a benchmark runs on a state directory of its own, and requests to them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HTTP = 8070
_PARTS = {"supervise": "supervisor", "hooks.worker": "hooks", "logs/keeper.py": "logs", "sys.exit": "front"}
"""What the first of these is that a command line has; the keeper's has none of them."""

Events = Callable[[], list[Mapping[str, Any]]]


@contextmanager
def front(folder: Path, *words: str) -> Iterator[Events]:
    """Give a function that returns what a front has told; it is ended with its containers."""
    told = folder / "events"
    command = ["haconiwa", "fastcontainer", "serve", *words, "--http", f"127.0.0.1:{HTTP}"]
    with told.open("wb") as out:
        process = subprocess.Popen(command, env=_environment(folder), stdout=out)

    def events() -> list[Mapping[str, Any]]:
        return [json.loads(line) for line in told.read_text().splitlines()]

    try:
        while not any(event["event"] == "serving" for event in events()):
            if process.poll() is not None:
                raise ChildProcessError(f"the front has ended with {process.returncode}")
            time.sleep(0.01)
        yield events
    finally:
        process.terminate()
        process.wait()
        names = [each["name"] for each in json.loads(haconiwa(folder, "ps", "--all", "--format", "json"))]
        if names:
            haconiwa(folder, "rm", "--force", *names)
        shutil.rmtree(folder / "state" / ".fastcontainer")


def ask(host: str, port: int = HTTP) -> tuple[float, bool]:
    """Return for how long one request waited for its answer, and whether for a start.

    Raises:
        OSError: there was no answer.
        ValueError: it was another one than 200.
    """
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/", headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"{host} has answered {answer.status}")
    return time.perf_counter() - began, answer.headers["X-Haconiwa-Cold-Start"] == "1"


def haconiwa(folder: Path, *words: str) -> str:
    """Return what a command prints that has the front's state directory."""
    done = subprocess.run(["haconiwa", *words], env=_environment(folder), check=True, capture_output=True, text=True)
    return done.stdout


def memory(folder: Path) -> dict[str, int]:
    """Return KiB (PSS, proc_pid_smaps(5)) of the Python processes of a front and its supervisor, by what they are."""
    state, found = os.fsencode(folder / "state"), dict.fromkeys(["keeper", *_PARTS.values()], 0)
    pythons = {pid: process for pid in os.listdir("/proc") if pid.isdigit() and (process := _python(pid))}
    for process in pythons.values():
        # The worker of the hooks has neither.
        parent = pythons.get(process.parent)
        if state in process.told or (parent and state in parent.told):
            found[_part(os.fsdecode(process.told))] += process.size
    return found


class _Process(NamedTuple):
    told: bytes
    """The command line, and then the environment."""
    parent: str
    size: int


def _python(pid: str) -> _Process | None:
    """Return a process if it is one of this program's interpreter."""
    folder = Path("/proc", pid)
    try:
        if not os.path.samefile(folder / "exe", "/proc/self/exe"):
            return None
        told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        lines = ((folder / "status").read_text() + (folder / "smaps_rollup").read_text()).splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    values = {words[0]: words[1] for line in lines if len(words := line.split()) > 1}
    return _Process(told, values["PPid:"], int(values["Pss:"]))


def _part(command: str) -> str:
    # The worker and the supervisor are begun in the same words as the front.
    words = command.split("\0")
    for sign, part in _PARTS.items():
        if sign in words if sign == "supervise" else sign in command:
            return part
    return "keeper"


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HACONIWA_STATE": str(folder / "state")}
