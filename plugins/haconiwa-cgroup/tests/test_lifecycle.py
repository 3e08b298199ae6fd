"""Groups come and go with their container, whatever happens; all of it is killed and frozen at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup, Limits
from haconiwa_cgroup.usage import usage_of

import haconiwa_core.runtime.launching
from haconiwa_core.cli.main import main
from haconiwa_core.errors import SetupError
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.launch import direct
from haconiwa_core.linux import kill_cgroup, remove_cgroup
from haconiwa_core.linux.constants import WALL
from haconiwa_core.linux.host import adopt_orphans
from haconiwa_core.runtime.cleanup import collect
from haconiwa_core.runtime.launching import Launching
from haconiwa_core.runtime.processes import is_readable
from haconiwa_core.runtime.start import start
from haconiwa_core.runtime.store import Claim, Store
from haconiwa_core.testing import forked, needs_root, plan_of, run, started
from haconiwa_core.testing.running import INSTANCE, run_attached

pytestmark = needs_root

PATIENCE = 20

# Each process leads a session of its own, and its parent has gone.
BOMB = """
import os
while True:
    try:
        if os.fork() == 0:
            os.setsid()
        else:
            os._exit(0) if os.getpid() % 2 else None
    except OSError:
        pass
"""


def everything(place) -> Cgroup:
    """Return a feature with a group in nearly every hierarchy."""
    return Cgroup(
        parent=place.parent, memory="64M", cpu=1.0, cpuset="0", pids=100, devices=["default"], exec=Limits(pids=10)
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_left_of_one_that_has_ended(place, host: HostFacts) -> None:
    assert run(everything(place), command=["sh", "-c", "sleep 600 & exit 3"], host=host).exit_status == 3
    assert place.left() == []


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd"])
def test_nothing_is_left_of_a_start_that_failed(place, host: HostFacts, command: str) -> None:
    with pytest.raises(SetupError) as caught:
        run(everything(place), command=[command], host=host)
    assert caught.value.cleanup == ()
    assert place.left() == []


def test_nothing_is_left_of_a_start_that_failed_on_the_way(place) -> None:
    with pytest.raises(SetupError, match=r"there is no memory\.none"):
        run(Cgroup(parent=place.parent, pids=10, raw={"memory.none": "1"}), command=["true"])
    assert place.left() == []


def test_groups_that_the_container_has_made_go_too(place) -> None:
    folder = place.folder("pids", INSTANCE, "first", "own")
    feature = Cgroup(parent=place.parent, pids=10)
    script = f"mkdir -p {folder}/deeper && echo $$ > {folder}/deeper/cgroup.procs && setsid sleep 600 & wait"
    with started(feature, command=["sh", "-c", script]):
        until(lambda: (folder / "deeper").exists() and (folder / "deeper" / "cgroup.procs").read_text() != "")
    assert place.left() == []


def test_a_fork_bomb_is_killed_in_one_go(place, host: HostFacts) -> None:
    """With neither pid namespace nor a common session."""
    feature = Cgroup(parent=place.parent, pids=100)
    processes = place.folder("pids", INSTANCE, "first", "cgroup.procs")
    with started(feature, command=[sys.executable, "-I", "-c", BOMB], host=host) as running:
        until(lambda: len(processes.read_text().split()) > 50)
        sessions = {os.getsid(int(pid)) for pid in processes.read_text().split()[:5] if os.path.exists(f"/proc/{pid}")}
        assert len(sessions) > 1 or sessions != {running.pid}
        main = host.cgroups[0] if host.cgroups[0].version == 2 else place.tree("freezer")
        kill_cgroup(main.mount + place.parent, INSTANCE)
        until(lambda: processes.read_text() == "")


@pytest.mark.parametrize("hierarchy", ["pids", "unified"])
def test_removing_waits_for_whom_it_kills(place, hierarchy: str) -> None:
    """Of any hierarchy, with the freezer or without."""
    folder = place.folder(hierarchy, "alone")
    folder.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        (folder / "cgroup.procs").write_text("0")
        os.execvp(sys.executable, [sys.executable, "-I", "-c", BOMB.replace("while True", "for _ in range(30)")])
    until(lambda: (folder / "cgroup.procs").read_text() != "")
    adopt_orphans(True)
    try:
        remove_cgroup(str(folder.parent), "alone")
    finally:
        adopt_orphans(False)
    assert not folder.exists()
    os.waitpid(pid, 0)
    remove_cgroup(str(folder.parent), "alone")


HOST_POINTS = [
    (haconiwa_core.runtime.launching, "run_host_step"),
    (Launching, "_receive"),
    (direct, "launch"),
    (Claim, "write"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "name"), HOST_POINTS, ids=[name for _, name in HOST_POINTS])
def test_a_killed_starter_is_cleaned_up_after(
    place, tmp_path: Path, owner: object, name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "state")
    plan = plan_of(everything(place), command=["sleep", "600"], host=gather())
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), 0)
    original = getattr(owner, name)
    ended, number = False, 0
    adopt_orphans(True)
    try:
        while not ended:
            number += 1
            acts = count(1)

            def killing(*arguments: object, number: int = number, acts: count[int] = acts) -> object:
                act = next(acts)
                if act == number and when == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                result = original(*arguments)
                if act == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            monkeypatch.setattr(owner, name, killing)
            status = forked(lambda: start(plan, store.claim("killed"), streams))
            monkeypatch.undo()
            ended = status == 0
            assert ended or status == -signal.SIGKILL
            # A process of the start that is about to end may hold the lock for a moment.
            until(lambda: not any(found.problem for found in collect(store)) and store.names() == [])
            assert place.left() == [], number
            with suppress(ChildProcessError):
                while True:
                    os.waitpid(-1, WALL)
    finally:
        adopt_orphans(False)
    assert number > 1


def test_many_start_at_once(place, tmp_path: Path) -> None:
    """The directory that holds all groups is made by whoever comes first."""
    store = Store(tmp_path)
    feature = everything(place)
    pids = []
    for number in range(20):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = run(feature, command=["true"], store=store, instance=f"many-{number}").exit_status
            finally:
                os._exit(status)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 20
    assert store.names() == []


def test_refused_processes_are_counted(place) -> None:
    feature = Cgroup(parent=place.parent, pids=3)
    name = f"refused-{os.getpid()}"
    for script, are_refused in (("sleep 600 &", False), ("(sleep 600 & sleep 600 & sleep 600 & sleep 600 &);", True)):
        command = ["sh", "-c", f"{script} exec sleep 600"]
        with started(feature, command=command, store=Store(), instance=name) as running:
            until(lambda pid=running.pid: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
            refused = (usage_of(feature, name) or {})["pids"]["refused"]
            assert (refused > 0) is are_refused


COUNTER = "i=0; while true; do i=$((i+1)); echo $i; done > {}"


def test_pause_and_unpause(place, host: HostFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("haconiwa_cgroup.usage.gather", lambda: host)
    name = f"paused-{os.getpid()}"
    feature = Cgroup(parent=place.parent)
    output = tmp_path / "output"
    command = ["sh", "-c", COUNTER.format(output)]
    with started(feature, command=command, host=host, store=Store(), instance=name) as running:
        until(lambda: output.exists() and output.stat().st_size > 0)
        assert main(["pause", name]) == 0
        assert (usage_of(feature, name) or {})["frozen"] is True
        ticks = cpu_ticks(running.pid)
        written = output.stat().st_size
        for _ in range(20):
            os.sched_yield()
            time.sleep(0.01)
        assert (cpu_ticks(running.pid), output.stat().st_size) == (ticks, written)
        assert main(["pause", name]) == 0
        assert main(["unpause", name]) == 0
        assert (usage_of(feature, name) or {})["frozen"] is False
        until(lambda: output.stat().st_size > written)
    assert main(["pause", name]) != 0
    assert f"there is no container named {name}" in capsys.readouterr().err


def cpu_ticks(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]


def test_a_paused_container_can_be_killed(place, host: HostFacts) -> None:
    name = f"paused-{os.getpid()}"
    with started(Cgroup(parent=place.parent), host=host, store=Store(), instance=name) as running:
        assert main(["pause", name]) == 0
        running.kill()
        assert is_readable(running.pidfd, PATIENCE)
    assert place.left() == []


def test_what_cannot_be_paused(place, capsys) -> None:
    assert main(["pause", "none-of-that-name"]) != 0
    assert "there is no container named none-of-that-name" in capsys.readouterr().err
    name = f"paused-{os.getpid()}"
    with started(store=Store(), instance=name):
        assert main(["pause", name]) != 0
    assert "has no control group of its own" in capsys.readouterr().err


def test_what_is_attached_ends_with_its_container(place) -> None:
    feature = Cgroup(parent=place.parent, pids=20)
    with started(feature) as running:
        script = "(setsid sleep 600 </dev/null >/dev/null 2>&1 &) ; sleep 0.1; cat /proc/self/cgroup"
        assert "/attached" in run_attached(running, feature, command=["sh", "-c", script]).stdout
        processes = place.folder("pids", INSTANCE, "attached", "cgroup.procs")
        assert len(processes.read_text().split()) == 1
    assert place.left() == []
