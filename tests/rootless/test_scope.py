"""`haconiwa scope`, by a real service manager of an ordinary user's: a group of his own without anybody's help."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rootless.conftest import PYTHON, RUNTIME, SETPRIV, UID, VARIABLES, Run, as_user, output
from system.world import libc

SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")
BUS = """
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
_SECONDS = 30


@pytest.fixture(scope="module")
def groups(machine: Path) -> None:
    """Control groups as a host has them that has nothing but version 2."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed([path for path in mounted if Path(path).is_relative_to(CGROUPS)]):
        libc("umount2", target.encode(), 0)
    libc("mount", b"cgroup2", bytes(CGROUPS), b"cgroup2", 0, None)


@pytest.fixture
def manager(groups: None, subtree: Path) -> Iterator[Path]:
    """A service manager of the user's, in a group that he was given; yield that."""
    for program in (SYSTEMD, "dbus-daemon"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: systemd, dbus-daemon)")
    # Without it systemd takes the host for one that another init has started.
    Path("/run/systemd/system").mkdir(parents=True, exist_ok=True)
    session = subtree / "session"
    session.mkdir()
    for file in (session, session / "cgroup.procs"):
        os.chown(file, UID, UID)
    configuration = RUNTIME.parent / "bus.conf"
    configuration.write_text(BUS.format(folder=RUNTIME))
    drop = [SETPRIV, f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    enter = ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(subtree)]
    variables = {**VARIABLES, "SYSTEMD_LOG_TARGET": "console"}
    lines = [[*drop, "dbus-daemon", f"--config-file={configuration}", "--nofork"], [*enter, *drop, SYSTEMD, "--user"]]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for line, ready in zip(lines, (RUNTIME / "bus", RUNTIME / "systemd/private"), strict=True):
            log = (RUNTIME.parent / f"{ready.name}.log").open("wb")
            with log:
                started.append(subprocess.Popen(line, env=variables, stdout=log, stderr=log))
            deadline = time.monotonic() + _SECONDS
            while not ready.exists() and time.monotonic() < deadline:
                assert started[-1].poll() is None, Path(log.name).read_text()
                time.sleep(0.01)
            assert ready.exists(), Path(log.name).read_text()
        yield subtree
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        shutil.rmtree(RUNTIME / "systemd", ignore_errors=True)
        (RUNTIME / "bus").unlink(missing_ok=True)


def test_a_container_in_a_scope_of_its_own(user: Run, manager: Path) -> None:
    line = (
        "run",
        "--rm",
        "--name",
        "scoped",
        "--with",
        "ns-user",
        "--with",
        "cgroup",
        "--",
        "cat",
        "/proc/self/cgroup",
    )
    outside = user(*line)
    assert outside.returncode == 125
    assert "haconiwa scope" in outside.stderr, outside.stderr
    place = output(user("scope", "--unit", "mine", *line, group=manager / "session"))
    # Version 1, where it is mounted too, stands before it.
    assert place.splitlines()[-1] == f"0::/{manager.name}/app.slice/mine.scope/haconiwa/scoped/first"
    # The manager is told that nobody is left.
    deadline = time.monotonic() + _SECONDS
    while (manager / "app.slice/mine.scope").exists():
        assert time.monotonic() < deadline, "the scope is still there"
        time.sleep(0.01)


def test_a_status_and_what_stands_after_two_dashes_are_handed_on(user: Run, manager: Path) -> None:
    done = user(
        "scope",
        "run",
        "--rm",
        "--with",
        "ns-user",
        "--",
        "sh",
        "-c",
        "exit 7",
        "--",
        "--with",
        group=manager / "session",
    )
    assert (done.returncode, done.stderr) == (7, "")
    missing = user("scope", "run", "/absent.toml", group=manager / "session")
    assert missing.returncode == 2
    assert "/absent.toml" in missing.stderr


def test_a_program_enters_one(manager: Path) -> None:
    program = "import haconiwa_scope; print(haconiwa_scope.enter('first')); print(open('/proc/self/cgroup').read())"
    unit, *place = output(as_user(PYTHON, "-c", program, group=manager / "session")).split()
    assert unit == "first.scope"
    assert place[-1].endswith("/first.scope")


def test_one_name_is_one_scope(manager: Path) -> None:
    held = "import haconiwa_scope, time; print(haconiwa_scope.enter('one'), flush=True); time.sleep(60)"
    enter = ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(manager / "session")]
    line = [*enter, SETPRIV, f"--reuid={UID}", f"--regid={UID}", "--clear-groups", PYTHON, "-c", held]
    with subprocess.Popen(line, env=VARIABLES, cwd=RUNTIME, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "one.scope\n"
        second = as_user(PYTHON, "-m", "haconiwa_core", "scope", "--unit", "one", "version", group=manager / "session")
        first.kill()
    assert second.returncode == 125
    assert "the service manager refuses StartTransientUnit" in second.stderr


def test_limits_are_in_force_there(user: Run, manager: Path) -> None:
    with suppress(OSError):
        (CGROUPS / "cgroup.subtree_control").write_text("+pids")
    if "pids" not in (manager / "cgroup.controllers").read_text().split():
        pytest.skip("the controller pids is in version 1, which is never delegated; the virtual machine has it in 2")
    program = "cat /sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/../pids.max"
    line = ("run", "--rm", "--with", "ns-user", "--with", "cgroup", "--set", "cgroup.pids=7", "--", "sh", "-c", program)
    assert output(user("scope", *line, group=manager / "session")) == "7\n"
