"""A person at a terminal: a command of ours on a pseudoterminal, what is typed there, and what is shown."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from system.test_ordinary_user import PATHS, PYTHON as ORDINARY_PYTHON

LIMIT = 30.0
"""Seconds after which what is waited for counts as lost."""

HACONIWA = [sys.executable, "-m", "haconiwa_core"]
ROWS, COLUMNS = 41, 97


class Person:
    """Runs a command at a terminal of its own, which is its controlling terminal.

    Args:
        command: the program and its arguments.
        environment: of the command.
        size: rows and columns.
        user: as whom it runs; the caller by default.
    """

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = (ROWS, COLUMNS),
        user: int | None = None,
    ) -> None:
        self.master, slave = os.openpty()
        self.name = os.ttyname(slave)
        termios.tcsetwinsize(self.master, size)
        if user is not None:
            os.fchown(slave, user, -1)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            # It makes its input the controlling terminal of a new session.
            ["setsid", "--ctty", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd="/",
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
        )
        # The slave stays open, so that nothing that is shown is lost when the command ends.
        self.slave = slave
        os.set_blocking(self.master, False)
        self.shown = b""

    def type(self, text: str | bytes) -> None:
        """Type, as fast as the terminal takes it."""
        data = text.encode() if isinstance(text, str) else text
        while data:
            select.select([], [self.master], [], LIMIT)
            data = data[os.write(self.master, data) :]

    def see(self, text: str | bytes, limit: float = LIMIT) -> bytes:
        """Wait until something is shown that matches; return all that was shown up to its end, which is forgotten."""
        pattern = re.compile(text.encode() if isinstance(text, str) else text, re.DOTALL)
        deadline = time.monotonic() + limit
        while not (found := pattern.search(self.shown)):
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} is not shown, but {self.shown[-2000:]!r}"
            if select.select([self.master], [], [], left)[0]:
                self.look()
        seen, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return seen

    def look(self) -> bytes:
        """Take what is shown now; return all that was not seen before."""
        with suppress(OSError):
            while chunk := os.read(self.master, 1 << 16):
                self.shown += chunk
        return self.shown

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the terminal."""
        termios.tcsetwinsize(self.master, (rows, columns))

    def wait(self) -> int:
        """Look until the command has ended; return its exit status."""
        deadline = time.monotonic() + LIMIT
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.shown[-2000:]!r}"
            select.select([self.master], [], [], 0.01)
            self.look()
        self.look()
        return self.process.returncode

    def is_as_before(self) -> bool:
        """Return whether the terminal is as it was before the command."""
        return termios.tcgetattr(self.slave) == self.before

    def is_raw(self) -> bool:
        """Return whether signals are typed instead of sent."""
        return not termios.tcgetattr(self.slave)[3] & (termios.ISIG | termios.ICANON | termios.ECHO)

    def hang_up(self) -> None:
        """Take the terminal away, as a lost connection does."""
        for end in (self.slave, self.master):
            if end >= 0:
                os.close(end)
        self.slave = self.master = -1

    def leave(self) -> None:
        """End the command, however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()


class World:
    """A state directory of a test, people at terminals in it, and nothing that is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.environment = {**os.environ, "HACONIWA_STATE": str(self.state), "TERM": "dumb"}
        self.people: list[Person] = []

    def person(self, *arguments: str | Path, **how: Any) -> Person:
        """Let somebody run `haconiwa` with these arguments."""
        haconiwa, environment = HACONIWA, self.environment
        if "user" in how:
            # The interpreter of the tests may be out of reach.
            haconiwa = [ORDINARY_PYTHON, *HACONIWA[1:]]
            environment = {**environment, "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
        someone = Person([*haconiwa, *map(str, arguments)], environment, **how)
        self.people.append(someone)
        return someone

    def run(self, *arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run `haconiwa` without a terminal."""
        defaults: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL}
        command = [*HACONIWA, *map(str, arguments)]
        return subprocess.run(command, check=False, env=self.environment, **{**defaults, **how})

    def output(self, *arguments: str | Path) -> str:
        """Return what `haconiwa` prints, which must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, f"in vain: {what}"
            time.sleep(0.02)

    def brokers(self) -> list[int]:
        """Return the brokers that serve containers of this state directory."""
        return [pid for pid in _processes() if "terminal/broker.py" in _command(pid) and self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        with suppress(OSError):
            names = (os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd"))
            return any(name.startswith(f"{self.state}/") for name in names)
        return False

    def end(self) -> None:
        """End what is left."""
        for someone in self.people:
            someone.leave()
        names = (
            [each.name for each in self.state.iterdir() if not each.name.startswith(".")] if self.state.exists() else []
        )
        if names:
            self.run("rm", "-f", *names)
        for pid in _processes():
            if str(self.state) in _environment(pid) and pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        self.until(lambda: not self.brokers(), "a broker is left")


def root_of(box: list[str]) -> Path:
    """Return the root directory of a container with these options."""
    return Path(next(option.partition("root=")[2] for option in box if "chroot.root" in option))


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    """Give a world that is ended afterwards."""
    world = World(folder)
    try:
        yield world
    finally:
        world.end()


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _environment(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n").decode(errors="replace")
    return ""
