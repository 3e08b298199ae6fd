"""Containers that run, and such as do harm."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_hardened import Hardened
from haconiwa_init import Init
from haconiwa_mount import Mount
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_supervision import Supervision
from haconiwa_verify.asked import Asked
from haconiwa_verify.attempt import tried
from haconiwa_verify.attempts import ATTEMPTS
from haconiwa_verify.containers import asked_of, entered, entering, started as probing, starting
from haconiwa_verify.scene import Scene
from haconiwa_verify.verifying import verified, verify_running, verify_started
from system.world import PLUGINS, haconiwa, started
from verify.reports import report_of, results, states

from haconiwa_core.container import Container
from haconiwa_core.testing import needs_program

EXHAUSTING = {attempt.name for attempt in ATTEMPTS if attempt.exhausting}
WAITING = ["/bin/busybox", "sleep", "600"]


@pytest.fixture
def running():
    """Start containers, and end them."""
    there = []

    def run(features, command=WAITING):
        container = Container("entered", command, features, stdin="null", stdout="null", stderr="null")
        there.append(started(container, name="verify-entered"))
        return container, there[-1]

    yield run
    for each in there:
        each.kill()
        each.finish(remove=True)


def test_a_running_container_is_entered(leaves_nothing, root, running):
    container, _ = running([Hardened(root=str(root), memory=64 << 20, pids=32)])
    report = verify_running("verify-entered", asked_of(container, PLUGINS), PLUGINS)
    assert report.container == "verify-entered"
    assert states(report, "fails", "unknown") == set()
    assert results(report, "succeeded", "unanswered") == set()
    assert not results(report, *("denied", "untold")) & EXHAUSTING
    report = verify_running("verify-entered", asked_of(container, PLUGINS), PLUGINS, exhaust=True)
    assert results(report, "denied") >= EXHAUSTING
    assert report.holds


def test_what_is_weak_in_it_is_found(running):
    container, _ = running([PidNamespace()])
    report = verify_running("verify-entered", asked_of(container, PLUGINS), PLUGINS)
    assert results(report, "succeeded") >= {"loopback", "shared-memory", "read-path"}
    assert report.holds
    # What was asked for is something else.
    asked = asked_of(container + IpcNamespace(), PLUGINS)
    made = entering(asked_of(container, PLUGINS), PLUGINS)
    with Scene(Asked(asked)) as scene, entered("verify-entered", made, scene) as inside:
        report = verified(scene, inside, PLUGINS)
    assert states(report, "fails") == {"ipc namespace"}


def test_its_own_work_goes_on(running):
    container, it = running([PidNamespace(), Cgroup(memory=64 << 20, pids=16)])
    verify_running("verify-entered", asked_of(container, PLUGINS), PLUGINS)
    assert Path(f"/proc/{it.pid}/cmdline").read_bytes().split(b"\0")[:-1] == [word.encode() for word in WAITING]


@needs_program("/usr/bin/tini-static")
def test_a_program_that_starts_the_command_is_left_out(root):
    report = report_of([PidNamespace(), Init()])
    assert states(report, "fails", "unknown") == set()


def test_by_name(tmp_path):
    state = {"env": {**os.environ, "HACONIWA_STATE": str(tmp_path / "state")}}
    begun = haconiwa(
        "run",
        "-d",
        "--name",
        "verify-named",
        "--set",
        "cgroup.pids=16",
        "--with",
        "ns-pid",
        "--",
        "sleep",
        "600",
        **state,
    )
    assert begun.returncode == 0, begun.stderr
    try:
        done = haconiwa("verify", "verify-named", "--format", "json", **state)
        assert (done.returncode, done.stderr) == (0, "")
        (report,) = json.loads(done.stdout)
        assert report["container"] == "verify-named"
        states = {row["what"]: row["state"] for row in report["rows"]}
        assert states["pid namespace"] == "holds"
        assert haconiwa("pause", "verify-named", **state).returncode == 0
        refused = haconiwa("verify", "verify-named", **state)
        assert (refused.returncode, "is paused" in refused.stderr) == (125, True)
    finally:
        haconiwa("rm", "--force", "verify-named", **state)
    assert haconiwa("verify", "verify-named", **state).returncode == 125


def test_hooks_and_supervision_are_for_who_really_runs_it(tmp_path):
    container = Container("hooked", ["x"], [PidNamespace(), Supervision()])

    @container.on("after_start")
    def touch(_c):
        (tmp_path / "ran").touch()

    assert container.needs_supervisor
    report = verify_started(asked_of(container, PLUGINS), PLUGINS)
    assert report.rows.holds("pid namespace")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "options",
    [{"terminal": True}, {"stdin": "null"}, {"stdout": "log"}, {"stderr": "file:/no/such"}, {"stdin": "host:/no/such"}],
    ids=str,
)
def test_streams_are_the_probes(options):
    container = Container("streaming", ["x"], [PidNamespace()], **options)
    assert verify_started(asked_of(container, PLUGINS), PLUGINS).holds


def test_a_probe_that_is_killed(leaves_nothing):
    asked = asked_of(Container("probed", ["x"], [PidNamespace()]), PLUGINS)
    with Scene(Asked(asked)) as scene, probing(starting(asked, PLUGINS), scene) as inside:
        first, *_ = ATTEMPTS
        assert tried(first, inside.prober, scene).result != "unanswered"
        os.kill(inside.process.pid, signal.SIGKILL)
        outcomes = [tried(attempt, inside.prober, scene) for attempt in ATTEMPTS]
    assert {outcome.result for outcome in outcomes if outcome.name == "loopback"} == {"unanswered"}
    assert {outcome.result for outcome in outcomes} <= {"unanswered", "untold"}


HOSTILE = """
import ctypes, os
call = ctypes.CDLL(None).syscall
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if not open(f"/proc/{pid}/cmdline").read().startswith("haconiwa-verify"):
                continue
        except OSError:
            continue
        taken = call(438, os.pidfd_open(int(pid)), 0, 0)
        while taken >= 0:
            try:
                os.write(taken, MESSAGE)
            except OSError:
                break
"""
"""Takes a probe's socket, and answers in its place (pidfd_getfd(2))."""


@pytest.mark.parametrize("message", [b"", b"x" * 3, b"x" * 16, b"x" * 2000, bytes(16)], ids=len)
def test_a_container_that_answers_itself(running, message):
    own = [MountNamespace(), PidNamespace(), Mount(proc=True)]
    script = HOSTILE.replace("MESSAGE", repr(message))
    container, _ = running(own, [sys.executable, "-I", "-c", script])
    report = verify_running("verify-entered", asked_of(container, PLUGINS), PLUGINS)
    assert not report.holds
    assert results(report, "unanswered")
    # What is read back it cannot change.
    assert {"pid namespace", "mount namespace"} <= {row.what for row in report.rows if row.in_force == "own"}
