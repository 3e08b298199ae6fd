"""The matrix as programs and people ask for it: from `Runtime`, and by `haconiwa inspect --isolation`."""

import asyncio
import json
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup, Limits
from haconiwa_hardened import Hardened
from haconiwa_ns_pid import PidNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_runtime import AsyncRuntime, Runtime
from haconiwa_seccomp import Seccomp
from isolation.looking import by_key, looked_at, planned, states
from system.world import PLUGINS, everything, haconiwa

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError
from haconiwa_core.host import gather
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.linux.host import KERNEL
from haconiwa_core.planning.assembly import assembled
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.record import Process
from haconiwa_core.runtime.store import Store

pytestmark = pytest.mark.usefixtures("leaves_nothing")


@pytest.fixture
def runtime():
    with Runtime() as made:
        yield made


def table(text):
    """Return the states of a printed matrix, by what the rows are about."""
    header, *lines = text.splitlines()
    places = [header.index(name) for name in ("WHAT", "STATE", "ASKED")]
    return {line[places[0] : places[1]].strip(): line[places[1] : places[2]].strip() for line in lines}


def test_it_is_read_before_the_command_is_executed(runtime, root):
    container = Container("web", ["/bin/sh", "-c", "echo ran"], [Hardened(root=str(root))])
    result = runtime.run(container, isolation=True)
    assert (result.exit_status, result.stdout) == (0, b"ran\n")
    assert result.isolation.holds("pid namespace", "network namespace", "effective capabilities", "seccomp mode")
    assert result.isolation.fails == ()
    assert json.loads(json.dumps(result.isolation.to_json()))[0]["section"] == result.isolation[0].section


def test_nothing_is_read_that_nobody_asks_for(runtime):
    assert runtime.run(Container("web", ["true"], [PidNamespace()])).isolation is None
    running = runtime.start(Container("web", ["sleep", "1000"], [PidNamespace()]))
    assert running.isolation is None
    running.remove()


def test_of_a_container_in_the_background(runtime):
    running = runtime.start(Container("web", ["sleep", "1000"], [PidNamespace()]), isolation=True)
    assert running.isolation.holds("pid namespace")
    assert Store().read("web").status == "running"
    running.remove()


def test_a_container_that_is_left_at_a_failed_look_is_gone(runtime, monkeypatch):
    def fails(*_):
        raise ProcessLookupError

    monkeypatch.setattr("haconiwa_core.isolation.matrix.isolation_of", fails)
    with pytest.raises(ProcessLookupError):
        runtime.run(Container("web", ["true"]), isolation=True)
    assert Store().names() == []


def test_one_with_hooks_cannot_be_looked_at_before_its_command(runtime):
    container = Container("web", ["true"])
    container.on("after_start")(print)
    with pytest.raises(DefinitionError, match="cannot be held"):
        runtime.run(container, isolation=True)


def test_from_an_event_loop():
    async def main():
        async with AsyncRuntime() as runtime:
            result = await runtime.run(Container("web", ["true"], [PidNamespace()]), isolation=True)
            running = await runtime.start(Container("web", ["sleep", "1000"], [PidNamespace()]), isolation=True)
            found = running.isolation
            await running.remove()
            return result.isolation, found

    assert all(found.holds("pid namespace") for found in asyncio.run(main()))


def test_an_update_changes_the_row(runtime):
    running = runtime.start(Container("web", ["sleep", "1000"], [Cgroup(pids=30), Rlimit(nofile=64)]), name="web")
    asked = json.loads(haconiwa("inspect", "--isolation", "web", "--format", "json").stdout)
    before = {row["what"]: row for row in asked}
    running.update(cgroup={"pids": 20}, rlimit={"nofile": 32})
    after = {row["what"]: row for row in json.loads(haconiwa("inspect", "--isolation", "web", "--format=json").stdout)}
    assert before["cgroup pids"]["asked"].endswith("=30")
    assert after["cgroup pids"]["asked"].endswith("=20")
    assert (before["rlimit nofile"]["asked"], after["rlimit nofile"]["in_force"]) == ("64", "32")
    assert {after[what]["state"] for what in ("cgroup pids", "rlimit nofile")} == {"holds"}
    # Behind the runtime's back.
    Path(after["cgroup pids"]["verified"], "pids.max").write_text("25")
    assert table(haconiwa("inspect", "--isolation", "web").stdout)["cgroup pids"] == "fails"
    running.remove()


def test_inspect_prints_a_table(runtime, root):
    running = runtime.start(Container("web", ["/bin/sleep", "1000"], everything(root)), name="web")
    shown = haconiwa("inspect", "--isolation", "web")
    assert shown.returncode == 0, shown.stderr
    found = table(shown.stdout)
    assert found["pid namespace"] == found["mount /proc"] == found["cgroup memory"] == "holds"
    assert found["user namespace"] == "unasked"
    assert found["landlock files"] == "unknown"
    running.remove()
    assert "no container" in haconiwa("inspect", "--isolation", "web").stderr


def test_of_a_container_that_has_ended(runtime):
    running = runtime.start(Container("web", ["true"]), name="web")
    running.wait()
    shown = haconiwa("inspect", "--isolation", "web")
    assert shown.returncode != 0
    assert "is not running" in shown.stderr
    running.remove()


@pytest.mark.parametrize("skipped", [None, "load_filter"])
def test_a_process_that_is_attached(root, skipped):
    features = everything(root)
    container = Container("web", ["/bin/sleep", "1000"], features, stdin="null")
    with Runtime() as runtime:
        running = runtime.start(container)
        whole = plan(container, gather(), PLUGINS, "attach", running=container)
        made = whole
        if skipped:
            planning = Planning(container, whole.host, "attach")
            planning.facts = whole.facts
            of_assembly = ("clone", "wait_at_gate", "set_dumpable", "note_time")
            steps = [item for item in whole.steps if item.step.function.__name__ not in (*of_assembly, skipped)]
            made = assembled(planning, tuple(steps))
        child = attach(made, running.name, Process.of(running.pid), {"stdout": 1, "stderr": 2}, DirectLauncher(KERNEL))
        try:
            rows = looked_at(planned(features), child.pid)
        finally:
            child.kill()
            child.reap(with_group=True)
            running.remove()
    red = states(rows, "fails")
    assert red == ({"seccomp mode", "seccomp filters"} if skipped else set())
    assert rows.holds("pid namespace", "root directory", "cgroup pids", "user")


def test_limits_of_their_own_for_what_is_attached():
    features = [Cgroup(pids=64, exec=Limits(pids=9))]
    container = Container("web", ["/bin/sleep", "1000"], features, stdin="null")
    with Runtime() as runtime:
        running = runtime.start(container)
        whole = plan(container, gather(), PLUGINS, "attach", running=container)
        child = attach(whole, running.name, Process.of(running.pid), {"stdout": 1, "stderr": 2}, DirectLauncher(KERNEL))
        try:
            first, other = (by_key(looked_at(planned(features), pid)) for pid in (running.pid, child.pid))
        finally:
            child.kill()
            child.reap(with_group=True)
            running.remove()
    assert first["cgroup pids"].asked == "pids.max=64"
    assert other["cgroup pids"].asked == "pids.max=64; pids.max=9"
    assert (first["cgroup pids"].state, other["cgroup pids"].state) == ("holds", "holds")


def test_a_filter_of_the_programs_own_is_no_failure(runtime, root):
    running = runtime.start(Container("web", ["/bin/sleep", "1000"], [Seccomp()]), isolation=True)
    rows = by_key(running.isolation)
    assert int(rows["seccomp filters"].in_force) == int(rows["seccomp filters"].host) + 1
    assert rows["seccomp filters"].state == "holds"
    running.remove()
