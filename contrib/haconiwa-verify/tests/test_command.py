"""The verb, as it is called, with nothing else installed: a container without any feature is the host."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from haconiwa_verify.attempts import ATTEMPTS

from haconiwa_core.testing import needs_root

COMMAND = [sys.executable, "-I", "-m", "haconiwa_core", "verify"]
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
EXHAUSTING = {attempt.name for attempt in ATTEMPTS if attempt.exhausting} | {"open-files"}


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, "HACONIWA_STATE": str(tmp_path / "state")}


@pytest.fixture
def verify(environment):
    def run(*arguments, status=0):
        command = [*COMMAND, *map(str, arguments)]
        done = subprocess.run(command, check=False, **PIPES, text=True, env=environment, cwd="/", timeout=120)
        assert done.returncode == status, done.stderr
        return done

    return run


def folders():
    return sorted(path.name for path in Path("/run").glob("haconiwa-verify-*"))


def left():
    """Return what verify could leave: files, and what the kernel keeps, which is in no haste to forget a key."""
    for _ in range(1000):
        keys = Path("/proc/keys").read_text().count("haconiwa-verify-")
        if not keys:
            break
        time.sleep(0.01)
    segments = [line.split()[:4] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    return folders(), keys, segments


@needs_root
def test_no_feature_at_all(verify, tmp_path):
    before = left()
    (report,) = json.loads(verify("--format", "json", "--", "/no/such/program").stdout)
    assert (report["container"], report["holds"]) == ("program", True)
    results = {item["name"]: item["result"] for item in report["attempts"]}
    assert [*results] == [attempt.name for attempt in ATTEMPTS]
    # The core keeps keyring and terminal apart; what cannot be done on the host says so.
    denied = {name for name, result in results.items() if result == "denied"}
    assert denied <= {"session-key", "type-ahead"}
    untold = {item["name"]: item["how"] for item in report["attempts"] if item["result"] == "untold"}
    assert {untold.pop(name) for name in EXHAUSTING} == {"it is not limited"}
    assert all(how.startswith(("cannot fail here: on the host it is ", "the host has ")) for how in untold.values())
    assert {"loopback", "read-path", "write-path", "signal-process", "trace-process", "shared-memory"} <= {
        name for name, result in results.items() if result == "succeeded"
    }
    states = {row["what"]: row["state"] for row in report["rows"]}
    assert states["pid namespace"] == "unasked"
    assert states["session keyring"] == "holds"
    assert left() == before
    assert [*(tmp_path / "state").iterdir()] == []


@needs_root
def test_for_people(verify):
    lines = verify("--", "true").stdout.splitlines()
    assert re.fullmatch(r"true: \d+ hold, 0 fail", lines[0])
    assert lines[1].split() == ["SECTION", "WHAT", "STATE", "ASKED", "IN", "FORCE", "HOST", "VERIFIED", "BY"]
    assert any(line.split()[:2] == ["loopback", "succeeded"] for line in lines)
    assert lines[-1].startswith("permitted, and nothing asks that it is denied: ")


@needs_root
def test_several_containers_of_a_file(verify, tmp_path):
    file = tmp_path / "two.py"
    file.write_text("from haconiwa_core import Container\na = Container('a', ['x'])\nb = Container('b', ['x'])\n")
    both = json.loads(verify(file, "--format", "json").stdout)
    assert [report["container"] for report in both] == ["a", "b"]
    (one,) = json.loads(verify(file, "b", "--format", "json").stdout)
    assert one["container"] == "b"


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("nobody",), 125, "there is no container named nobody"),
        (("nobody", "--with", "ns-pid"), 2, "not a running container"),
        (("nobody", "--", "true"), 2, "not a running container"),
        (("/no/such.toml",), 2, "No such file"),
        ((), 2, "nothing to run"),
        (("--with", "no-such", "--", "true"), 2, "no such feature"),
    ],
)
def test_wrong_calls(verify, arguments, status, told):
    done = verify(*arguments, status=status)
    assert told in done.stderr
    assert done.stdout == ""


@needs_root
def test_a_pipe_that_nobody_reads(environment):
    before = left()
    with subprocess.Popen([*COMMAND, "--", "true"], **PIPES, env=environment) as it:
        it.stdout.close()
        errors = it.stderr.read()
        assert (it.wait(60), errors) == (125, b"")
    assert left() == before


@needs_root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_when_it_is_ended(environment, tmp_path, number):
    before = left()
    with subprocess.Popen([*COMMAND, "--", "true"], **PIPES, env=environment) as it:
        deadline = time.monotonic() + 60
        while not folders() and it.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        it.send_signal(number)
        it.communicate(timeout=60)
        assert it.returncode in (0, 130)
    assert left() == before
    assert [*(tmp_path / "state").glob("[!.]*")] == []
