"""Why a container has ended, and how sure that is: real kills, each with what looks like it and is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_init import Init
from haconiwa_ns_pid import PidNamespace
from haconiwa_runtime import recorded
from haconiwa_seccomp import Rule, Seccomp
from runtime.support import shell
from system.world import time_limit

from haconiwa_core import Container
from haconiwa_core.host import gather
from haconiwa_core.testing import forked, haconiwa_command, needs_root

pytestmark = [
    needs_root,
    pytest.mark.skipif(
        {"memory", "pids"} - {name for tree in gather().cgroups for name in tree.controllers} != set(),
        reason="this host has no controllers of memory and pids",
    ),
]

HOG = f"{sys.executable} -I -S -c 'b\"x\" * (200 << 20)'"
MEMORY = Cgroup(memory="40M")
FORKS = "for i in 1 2 3 4 5 6; do sleep 0.1 & done; wait"
PIDS = Cgroup(pids=4)
KILL = Seccomp(profile="none", default="allow", rules=[Rule(["sethostname"], "kill_process")])
DENY = Seccomp(profile="none", default="allow", rules=[Rule(["sethostname"], "errno")])
CALL = f"{sys.executable} -I -S -c 'import socket; socket.sethostname(\"x\")'"


def hog(*features) -> Container:
    return Container("test", ["sh", "-c", f"exec {HOG}"], features)


ENDS = {
    "it ends": (shell("exit 0"), 0, "exited", "fact"),
    "it fails": (shell("exit 7"), 7, "exited", "fact"),
    "it is killed by itself": (shell("kill -9 $$", MEMORY), 137, "signaled", "fact"),
    "memory": (hog(MEMORY), 137, "oom", "fact"),
    "memory of the first process of a pid namespace": (hog(MEMORY, PidNamespace()), 137, "oom", "fact"),
    "memory that is enough": (hog(Cgroup(memory="600M")), 0, "exited", "fact"),
    "memory of a child, and its parent fails": (shell(f"{HOG}; exit 3", MEMORY), 3, "oom", "likely"),
    "memory of a child, whose status a shell passes on": (shell(f"{HOG}; exit $?", MEMORY), 137, "oom", "likely"),
    "memory of a child of an init": (hog(MEMORY, Init()), 137, "oom", "likely"),
    "memory of a child, and its parent goes on": (shell(f"{HOG}; exit 0", MEMORY), 0, "exited", "fact"),
    "processes, and it fails": (shell(FORKS, PIDS), 2, "pids", "likely"),
    "processes that are enough": (shell(f"{FORKS}; exit 2", Cgroup(pids=40)), 2, "exited", "fact"),
    "processes, and it goes on": (shell(f"({FORKS}) || exit 0", PIDS), 0, "exited", "fact"),
    "a filter": (shell(f"exec {CALL}", KILL), 159, "seccomp", "likely"),
    "a filter, whose end a shell passes on": (shell(f"{CALL}; exit $?", KILL), 159, "seccomp", "likely"),
    "a filter that denies": (shell(f"exec {CALL}", DENY), 1, "exited", "fact"),
    "a filter that only logs": (shell("kill -SYS $$", Seccomp(log=True)), 159, "signaled", "fact"),
    "the filter's signal without one": (shell("kill -SYS $$"), 159, "signaled", "fact"),
}


@pytest.mark.parametrize("case", ENDS)
def test_why_it_has_ended(runtime, case) -> None:
    container, *expected = ENDS[case]
    result = runtime.run(container, timeout=60)
    assert [result.exit_status, result.reason, result.certainty] == expected, result


def test_who_has_ended_it_is_sure(runtime) -> None:
    slow = runtime.run(shell(f"{HOG}; sleep 600", MEMORY), timeout=3)
    assert (slow.exit_status, slow.reason, slow.certainty) == (137, "timeout", "fact")
    noisy = runtime.run(shell(f"{HOG}; yes", MEMORY), max_output=10)
    assert (noisy.reason, noisy.certainty) == ("output-limit", "fact")


@pytest.mark.parametrize("how", ["stop", "kill", "a signal", "a signal by another process", "kill by another process"])
def test_who_was_asked_to_end_has_not_run_out_of_memory(runtime, store, how) -> None:
    """A child was killed for its memory long before."""
    waits = runtime.start(shell(f"{HOG}; echo killed; while :; do sleep 0.1; done", MEMORY), name="box")
    _until_printed(waits)
    ask = {
        "stop": waits.stop,
        "kill": waits.kill,
        "a signal": lambda: waits.kill(signal.SIGTERM),
        "a signal by another process": lambda: _in_another(store, signal.SIGTERM),
        "kill by another process": lambda: _in_another(store, signal.SIGKILL),
    }
    ask[how]()
    assert waits.wait() in (137, 143)
    assert _told(store) == ("signaled", "fact")


def test_who_was_asked_by_nobody_may_have(runtime, store) -> None:
    waits = runtime.start(shell(f"{HOG}; echo killed; while :; do sleep 0.1; done", MEMORY), name="box")
    _until_printed(waits)
    os.kill(waits.pid, signal.SIGTERM)
    assert waits.wait() == 143
    assert _told(store) == ("oom", "likely")


def test_who_was_asked_and_goes_on_can_run_out_of_memory(runtime, store) -> None:
    script = f"eat() {{ exec {HOG}; }}; trap eat TERM; echo killed; while :; do sleep 0.1; done"
    waits = runtime.start(shell(script, MEMORY), name="box")
    _until_printed(waits)
    waits.kill(signal.SIGTERM)
    assert waits.wait(60) == 137
    assert _told(store) == ("oom", "fact")


def test_a_signal_that_ends_nothing_is_no_asking(runtime, store) -> None:
    waits = runtime.start(
        shell(f"trap 'exit 4' USR1; {HOG}; echo killed; while :; do sleep 0.1; done", MEMORY), name="box"
    )
    _until_printed(waits)
    waits.kill(signal.SIGUSR1)
    assert waits.wait() == 4
    assert _told(store) == ("oom", "likely")


@pytest.mark.parametrize(
    ("options", "script", "status", "told"),
    [
        (["--set", "cgroup.memory=40M"], f"exec {HOG}", 137, "box has ended with status 137: oom"),
        (["--set", "cgroup.memory=40M"], f"{HOG}; exit 3", 3, "box has ended with status 3: likely oom"),
        (["--set", "cgroup.memory=40M"], "kill -9 $$", 137, ""),
        ([], "exit 3", 3, ""),
    ],
)
def test_who_runs_it_in_the_foreground_is_told(store, options, script, status, told) -> None:
    command = [*haconiwa_command(), "run", "--rm", "--name", "box", *options, "--", "sh", "-c", script]
    environment = {**os.environ, "HACONIWA_STATE": str(store.directory)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    warnings = [line for line in done.stderr.splitlines() if line.startswith("haconiwa: ")]
    assert warnings == ([f"haconiwa: warning: {told}"] if told else [])


def test_a_record_of_an_older_version_is_read(runtime, store) -> None:
    runtime.start(shell("exit 7"), name="box").wait()
    file = store.directory / "box" / "record.json"
    data = json.loads(file.read_text())
    for key in ("certainty", "signals"):
        del data[key]
    file.write_text(json.dumps(data))
    found = store.read("box")
    assert (found.reason, found.certainty, found.signals) == ("exited", "", ())
    assert (found.end.exit_status, found.end.certainty) == (7, "fact")


def _until_printed(container) -> None:
    with time_limit(60):
        while b"killed\n" not in container.logs():
            pass


def _in_another(store, number) -> None:
    assert forked(lambda: recorded.send_signal(store, "box", number)) == 0


def _told(store) -> tuple[str, str]:
    record = store.read("box")
    return record.reason, record.certainty
