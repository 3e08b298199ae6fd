"""The resident supervisor keeps what each start has taken, hooks and restarts included."""

from haconiwa_runtime.timings import read_timings
from haconiwa_supervision import Supervision

from haconiwa_core import Container
from haconiwa_core.runtime.timings import FILE_NAME

SLOW_GATE = """
import time
web = Container("web", ["sleep", "1000"])

@web.on("before_exec")
def gate(c):
    time.sleep(0.2)

@web.on("after_prepare")
def early(c):
    pass
"""


def test_they_are_there_when_the_start_is_told(house):
    house.open()
    (name,) = house.start(Container("web", ["sleep", "1000"]))
    spans = read_timings(house.store, name)
    assert {span.lane for span in spans} == {"host", "child"}
    assert spans[-1].stage == "EXEC"


def test_hooks_of_the_start_are_parts_of_it(house, define):
    house.open()
    assert house.run("run", "-d", "--name", "web", define(SLOW_GATE)).returncode == 0
    spans = read_timings(house.store, "web")
    hooks = {span.what: span for span in spans if span.plugin == "hooks"}
    assert [(span.stage, span.lane) for span in hooks.values()] == [("PREPARE", "host"), ("EXEC", "host")]
    assert list(hooks) == ["after_prepare", "before_exec"]
    gate = hooks["before_exec"]
    assert gate.end - gate.begin > 200_000_000
    # Meanwhile the child waits; it begins with the stage when the hook has run.
    (waits,) = [span for span in spans if span.what == "wait" and span.stage == "EXEC"]
    assert waits.begin <= gate.begin < gate.end <= waits.end
    assert all(
        span.begin >= waits.end or span.end <= waits.begin for span in spans if span.lane == "child" if span != waits
    )


def test_a_restart_has_its_own(house):
    house.open()
    (name,) = house.start(Container("web", ["sleep", "1000"]))
    first = read_timings(house.store, name)
    house.ask("restart", name=name, timeout=0.0)
    second = read_timings(house.store, name)
    assert [(span.stage, span.what) for span in second] == [(span.stage, span.what) for span in first]
    assert second != first


def test_they_stay_when_another_supervisor_has_seen_the_end(house):
    house.open()
    (name,) = house.start(Container("web", ["sleep", "1000"]))
    spans = read_timings(house.store, name)
    house.kill()
    house.open()
    house.ask("stop", name=name, timeout=0.0)
    assert read_timings(house.store, name) == spans


def test_where_they_cannot_be_kept_the_container_runs_and_a_fault_is_told(house):
    house.open()
    again = Supervision(restart="always", restart_delay=0.5)
    (name,) = house.start(Container("web", ["sleep", "0.2"], [again]))
    (house.store.directory / name / f"{FILE_NAME}.new").symlink_to("elsewhere")
    faults = house.until(house.faults)
    assert FILE_NAME in faults[0]
    house.until(lambda: [event["event"] for event in house.events(name)].count("started") == 2)
    house.ask("stop", name=name, timeout=0.0)
