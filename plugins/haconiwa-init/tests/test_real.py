import errno
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from haconiwa_init import Init

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWNS, CLONE_NEWPID, WALL
from haconiwa_core.linux.host import adopt_orphans, children as own_children
from haconiwa_core.runtime.running import Running
from haconiwa_core.testing import needs_namespace, needs_program, needs_root, run, run_attached, started

TINI, CATATONIT = "/usr/bin/tini-static", "/usr/bin/catatonit"
PROGRAMS = [
    pytest.param(path, marks=needs_program(path), id=os.path.basename(path))
    for path in (TINI, "/usr/bin/tini", CATATONIT)
]
PID = (Namespace("pid", CLONE_NEWPID),)
OWN_MOUNTS = (Namespace("mnt", CLONE_NEWNS),)
COUNT = 50

pytestmark = [needs_root, needs_namespace("pid")]


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=[PID, ()], ids=["pid namespace", "no pid namespace"])
def facts(request: pytest.FixtureRequest) -> tuple[Namespace, ...]:
    found: tuple[Namespace, ...] = request.param
    return found


def until(happened: Callable[[], object]) -> None:
    """Wait for something that must come; that it does not within a minute is a failure."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def children(pid: int) -> list[tuple[str, str]]:
    """Return name and state of each child of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            text = (folder / "stat").read_text()
            name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
            if int(rest[1]) == pid:
                found.append((name, rest[0]))
    return found


def status_of(running: Running) -> int:
    """Wait for the end of a container that `started` will reap; return its status, 128 + n for a signal n."""
    end = os.waitid(os.P_PIDFD, running.pidfd, os.WEXITED | os.WNOWAIT | WALL)
    assert end is not None
    return end.si_status if end.si_code == os.CLD_EXITED else 128 + end.si_status


@contextmanager
def whole(*features: Init, **fields: Any) -> Iterator[Running]:
    """Keep a container running, and end all of it: without a pid namespace, who kills the first process does not."""
    before = own_children()
    adopt_orphans(True)
    try:
        with started(*features, **fields) as running:
            yield running
            running.kill()
        for pid in {*own_children()} - {*before}:
            os.waitpid(pid, 0)
    finally:
        adopt_orphans(False)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def orphans(fifo: Path) -> list[str]:
    """Return a command that leaves COUNT orphans, which end when the pipe is written to, and then waits for none."""
    script = f"i=0; while [ $i -lt {COUNT} ]; do (cat {fifo} & ); i=$((i+1)); done; exec sleep 600"
    return ["sh", "-c", script]


def left_of_orphans(running: Running, fifo: Path) -> int:
    """End the orphans once all are children of the first process; return how many are still there, ended."""

    def alive() -> int:
        return sum(name == "cat" and state != "Z" for name, state in children(running.pid))

    def release() -> bool:
        # One that has not come as far as opening the pipe needs another writer.
        with suppress(OSError):
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return alive() == 0

    until(lambda: alive() == COUNT)
    until(release)
    return sum(name == "cat" for name, _ in children(running.pid))


def test_orphans_are_reaped(program: str, facts: tuple[Namespace, ...], fifo: Path) -> None:
    with whole(Init(program=program), facts=facts, command=orphans(fifo)) as running:
        left_of_orphans(running, fifo)
        # Who has ended is reaped at once, but not in the same moment.
        until(lambda: [name for name, _ in children(running.pid)] == ["sleep"])


def test_without_it_they_stay(fifo: Path) -> None:
    with whole(facts=PID, command=orphans(fifo)) as running:
        # Only when it has become the program that waits for nobody.
        until(lambda: Path(f"/proc/{running.pid}/comm").read_text() == "sleep\n")
        assert left_of_orphans(running, fifo) == COUNT


@pytest.mark.parametrize(("script", "status"), [("true", 0), ("exit 42", 42), ("kill -KILL $$", 137)])
def test_it_ends_as_the_command_does(program: str, facts: tuple[Namespace, ...], script: str, status: int) -> None:
    assert run(Init(program=program), facts=facts, command=["sh", "-c", script]).exit_status == status


def test_streams_and_arguments_are_the_commands(program: str) -> None:
    command = ["sh", "-c", 'cat; echo "$0 $*" >&2', "--", "-x", "a b"]
    outcome = run(Init(program=program), facts=PID, command=command, input=b"given")
    assert (outcome.stdout, outcome.stderr) == ("given", "-- -x a b\n")


def test_a_signal_reaches_the_command(program: str, facts: tuple[Namespace, ...], tmp_path: Path) -> None:
    script = f"trap 'exit 9' TERM; touch {tmp_path}/ready; while :; do sleep 0.02; done"
    with whole(Init(program=program), facts=facts, command=["sh", "-c", script]) as running:
        until((tmp_path / "ready").exists)
        running.send_signal(signal.SIGTERM)
        assert status_of(running) == 9


def test_a_command_that_handles_no_signals_ends(program: str) -> None:
    with started(Init(program=program), facts=PID) as running:
        until(lambda: children(running.pid) == [("sleep", "S")])
        running.send_signal(signal.SIGTERM)
        assert status_of(running) == 128 + signal.SIGTERM


def test_without_it_the_first_process_ignores_them(tmp_path: Path) -> None:
    script = f"echo >{tmp_path}/fifo; exec cat {tmp_path}/fifo"
    os.mkfifo(tmp_path / "fifo")
    with started(facts=PID, command=["sh", "-c", script]) as running:
        os.close(os.open(tmp_path / "fifo", os.O_RDONLY))
        running.send_signal(signal.SIGTERM)
        # It lives on until there is something to read.
        (tmp_path / "fifo").write_text("")
        assert status_of(running) == 0


@needs_program(TINI)
def test_nothing_else_is_open() -> None:
    command = [sys.executable, "-I", "-c", "import os; print(os.listdir('/proc/self/fd'))"]
    plain = run(facts=PID, command=command).stdout
    assert run(Init(), facts=PID, command=command).stdout == plain


@needs_program(TINI)
def test_what_is_attached_is_not_wrapped() -> None:
    """A parent outside the pid namespace has the number 0 in it."""
    command = ["sh", "-c", "echo $PPID"]
    assert run(Init(), facts=PID, command=command).stdout == "1\n"
    assert run(facts=PID, command=command).stdout == "0\n"
    with started(Init(), facts=PID) as running:
        assert run_attached(running, Init(), facts=PID, command=command).stdout == "0\n"
        with pytest.raises(SetupError) as caught:
            run_attached(running, Init(), facts=PID, command=["/no/such"])
    assert (caught.value.exit_status, caught.value.plugin) == (127, "core")


def test_a_command_that_is_not_there_is_the_programs_to_tell(program: str) -> None:
    outcome = run(Init(program=program), facts=PID, command=["/no/such"])
    assert outcome.exit_status == (1 if program == CATATONIT else 127)
    assert "No such file or directory" in outcome.stderr


def test_a_program_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        run(Init(program=str(tmp_path / "absent")), command=["true"])
    assert (caught.value.plugin, caught.value.stage, caught.value.errno) == ("init", "PREPARE", errno.ENOENT)
    assert caught.value.remedy == "install Debian's package tini, or name another program"


@pytest.mark.parametrize(
    ("content", "mode", "number", "advice"),
    [
        (b"", 0o755, errno.ENOEXEC, "no program for this machine"),
        (b"text", 0o755, errno.ENOEXEC, "no program for this machine"),
        (b"#!/bin/sh\n", 0o755, errno.ENOENT, "it is a script"),
        (b"text", 0o644, errno.EACCES, "no executable file"),
        (None, 0o755, errno.EACCES, "no executable file"),
    ],
)
def test_what_is_no_program(tmp_path: Path, content: bytes | None, mode: int, number: int, advice: str) -> None:
    file = tmp_path / "init"
    file.mkdir() if content is None else file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(SetupError) as caught:
        run(Init(program=str(file)), command=["true"])
    assert (caught.value.stage, caught.value.errno) == ("EXEC", number)
    assert advice in caught.value.remedy


ATTACK = """
import ctypes, errno, json, os, signal, struct, sys, time
library = ctypes.CDLL(None, use_errno=True)
def call(function, *arguments):
    return "done" if function(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
def opened(path, flags):
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
result, target, setattr, open_tree = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
first = os.getppid()
exe = f"/proc/{first}/exe"
held = os.open(exe, os.O_PATH)
mapped = next(each for each in sorted(os.listdir(f"/proc/{first}/map_files")))
found = {
    "running": opened(exe, os.O_WRONLY),
    "truncate": opened(exe, os.O_WRONLY | os.O_TRUNC),
    "mapped": opened(f"/proc/{first}/map_files/{mapped}", os.O_WRONLY | os.O_TRUNC),
    "writable": call(library.syscall, setattr, held, b"", 0x1000, struct.pack("QQQQ", 0, 1, 0, 0), 32),
    "clone": call(library.syscall, open_tree, held, b"", 0x1001),
    "bind": call(library.mount, f"/proc/self/fd/{held}".encode(), target.encode(), None, 0x1000, None),
}
os.kill(first, signal.SIGKILL)
while os.getppid() == first:
    time.sleep(0.005)
found["ended"] = opened(f"/proc/self/fd/{held}", os.O_WRONLY)
with open(result + ".new", "w") as file:
    json.dump(found, file)
os.rename(result + ".new", result)
"""
"""What a command with all of root's rights can try with the file of its parent's program."""


@pytest.mark.parametrize("protected", [True, False])
@needs_program(TINI)
def test_the_program_cannot_be_written_to(tmp_path: Path, protected: bool) -> None:
    """Not while it runs, and not when it has ended. Executed by its path it can, which shows that this looks for it."""
    program, result, target = tmp_path / "tini", tmp_path / "result", tmp_path / "target"
    shutil.copy(TINI, program)
    target.touch()
    content = program.read_bytes()
    numbers = (str(int(Call.mount_setattr)), str(int(Call.open_tree)))
    command = [sys.executable, "-I", "-c", ATTACK, str(result), str(target), *numbers]
    features = [Init(program=str(program))] if protected else []
    with whole(*features, facts=OWN_MOUNTS, command=command if protected else [str(program), "-s", "--", *command]):
        until(result.exists)
    found = json.loads(result.read_text())
    if protected:
        unchangeable = dict.fromkeys(("writable", "clone", "bind"), "EINVAL")
        written = {"running": "ETXTBSY", "truncate": "EROFS", "mapped": "EROFS", "ended": "EROFS"}
        assert found == {**written, **unchangeable}
        assert program.read_bytes() == content
    else:
        assert (found["running"], found["ended"]) == ("ETXTBSY", "done")
        assert found["clone"] == "done"
