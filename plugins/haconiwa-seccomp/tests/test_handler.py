"""Calls that a handler answers in place of the kernel."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_seccomp import Arg, Rule, Seccomp
from haconiwa_seccomp.libseccomp import number_of

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import NoNewPrivileges
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.testing import needs_root, run, run_attached, started

pytestmark = needs_root

PYTHON = [sys.executable, "-I", "-S", "-c"]
LAST = (NoNewPrivileges("test"),)
MKDIR = number_of("mkdir")

HANDLERS = f"""
import os, time
from pathlib import Path
from haconiwa_seccomp.notification import CONTINUE

MKDIR = {MKDIR}
told = Path(__file__).with_name("told")

def answer(call):
    with told.open("a") as file:
        file.write(f"{{os.getpid()}} {{call.pid}} {{call.number}} {{call.arguments[1]}}\\n")
    if call.number != MKDIR:
        return CONTINUE
    path = call.memory(call.arguments[0], 4096).partition(b"\\0")[0].decode()
    if path.endswith("continue"):
        return CONTINUE
    if path.endswith("number"):
        return 4242
    if path.endswith("error"):
        raise FileExistsError(17, "there")
    if path.endswith("text"):
        return "a text"
    if path.endswith("end"):
        os._exit(1)
    raise ValueError(path)

def slow(call):
    time.sleep(600)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Write handlers where this process finds its modules."""
    name = f"handlers_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(HANDLERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    # Every handler ends with what it serves.
    until(lambda: not handlers(name))


def until(holds, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def handlers(module: str) -> list[int]:
    """Return the processes that serve handlers of a module."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word.startswith(f"{module}:".encode()) for word in words):
            found.append(int(path.parts[2]))
    return found


def told(folder: Path) -> list[list[int]]:
    """Return what the handler was asked: its pid, who asks, the call, its second argument."""
    return [list(map(int, line.split())) for line in (folder / "told").read_text().splitlines()]


def mkdir(path: str) -> str:
    return f"""
import ctypes, errno
library = ctypes.CDLL(None, use_errno=True)
result = library.syscall({MKDIR}, {path.encode()!r}, 0o700)
print(result if result >= 0 else errno.errorcode[ctypes.get_errno()])
"""


@pytest.mark.parametrize("launcher", ["direct", "zygote", None])
@pytest.mark.parametrize("facts", [(), LAST], ids=["early", "late"])
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("continue", "0"),
        ("number", "4242"),
        ("error", "EEXIST"),
        ("text", "EPERM"),
        ("anything", "EPERM"),
        ("end", "ENOSYS"),
    ],
)
def test_what_it_says_is_what_the_call_gives(
    module: str, tmp_path: Path, name: str, printed: str, facts: tuple, launcher: str | None, capfd
) -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler=f"{module}:answer")
    chosen = choose_launcher(launcher)
    try:
        outcome = run(feature, command=[*PYTHON, mkdir(f"{tmp_path}/{name}")], facts=facts, launcher=chosen)
    finally:
        chosen.close()
    assert (outcome.stdout.strip(), outcome.exit_status) == (printed, 0), outcome.stderr
    assert (tmp_path / name).exists() is (name == "continue")
    ((handler, caller, number, mode),) = told(tmp_path)
    assert (number, mode) == (MKDIR, 0o700)
    assert len({handler, caller, os.getpid()}) == 3
    # What is wrong with a handler is written where its starter's errors go.
    assert ("ValueError" in capfd.readouterr().err) is (name == "anything")


@pytest.mark.parametrize("launcher", ["direct", "zygote", None])
def test_it_serves_before_the_command_is_executed(module: str, tmp_path: Path, launcher: str | None) -> None:
    feature = Seccomp(rules=[Rule(["execve", "setgroups"], "user_notif")], handler=f"{module}:answer")
    chosen = choose_launcher(launcher)
    try:
        outcome = run(feature, command=["/bin/echo", "done"], launcher=chosen)
    finally:
        chosen.close()
    assert outcome.stdout == "done\n"
    assert [number for _, _, number, _ in told(tmp_path)] == [number_of("setgroups"), number_of("execve")]


def test_what_is_attached_has_its_own(module: str, tmp_path: Path) -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler=f"{module}:answer")
    with started(feature) as running:
        before = handlers(module)
        outcome = run_attached(running, feature, command=[*PYTHON, mkdir(f"{tmp_path}/number")])
        assert outcome.stdout == "4242\n"
        ((handler, *_),) = told(tmp_path)
        assert handler not in before
        assert len(before) == 1


def test_it_is_asked_by_children_and_only_about_what_the_rules_say(module: str, tmp_path: Path) -> None:
    rule = Rule(["mkdir"], "user_notif", args=[Arg(1, "==", 0o700)])
    feature = Seccomp(rules=[rule], handler=f"{module}:answer")
    command = [
        "sh",
        "-c",
        f"mkdir {tmp_path}/plain && mkdir -m 700 {tmp_path}/x; mkdir -m 700 {tmp_path}/continue; true",
    ]
    run(feature, command=command)
    assert (tmp_path / "plain").is_dir()
    assert {mode for *_, mode in told(tmp_path)} <= {0o700}


def test_it_is_nobodys_child_and_has_nothing_open_but_the_filter(module: str, tmp_path: Path) -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler=f"{module}:answer")
    before = sorted(os.listdir("/proc/self/fd"))
    with started(feature):
        (handler,) = handlers(module)
        status = Path(f"/proc/{handler}/status").read_text()
        assert f"PPid:\t{os.getpid()}\n" not in status
        assert os.getsid(handler) == handler

        def opened() -> set[str]:
            links = Path(f"/proc/{handler}/fd").iterdir()
            return {os.readlink(link) for link in links if int(link.name) > 2}

        until(lambda: opened() == {"anon_inode:seccomp notify"})
        # Nor has anything that it executes: who answers decides.
        until(lambda: is_closed_on_exec(handler, "anon_inode:seccomp notify"))
    assert sorted(os.listdir("/proc/self/fd")) == before


def is_closed_on_exec(pid: int, link: str) -> bool:
    (found,) = (each for each in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(each) == link)
    info = Path(f"/proc/{pid}/fdinfo/{found.name}").read_text()
    flags = next(int(line.split()[1], 8) for line in info.splitlines() if line.startswith("flags:"))
    return bool(flags & os.O_CLOEXEC)


def test_a_call_that_waits_does_not_keep_anybody_alive(module: str, tmp_path: Path) -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler=f"{module}:slow")
    with started(feature, command=[*PYTHON, mkdir(f"{tmp_path}/x")]) as running:
        until(lambda: Path(f"/proc/{running.pid}/syscall").read_text().split()[0] == str(MKDIR))
        (handler,) = handlers(module)
    # It sleeps on, and has nobody to answer.
    os.kill(handler, signal.SIGKILL)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("no_such_module:answer", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("MODULE:no_such_function", "AttributeError: module 'MODULE' has no attribute 'no_such_function'"),
    ],
)
def test_a_handler_that_is_not_there(module: str, function: str, reason: str) -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler=function.replace("MODULE", module))
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SetupError) as caught:
        run(feature, command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("seccomp", "PREPARE")
    assert caught.value.reason == reason.replace("MODULE", module)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_start_that_fails_leaves_no_handler(module: str) -> None:
    feature = Seccomp(rules=[Rule(["mkdir"], "user_notif")], handler=f"{module}:answer")
    with pytest.raises(SetupError):
        run(feature, command=["/no/such/program"])
    with pytest.raises(SetupError):
        run(feature, command=["true"], workdir="/no/such/folder")
    until(lambda: not handlers(module))
