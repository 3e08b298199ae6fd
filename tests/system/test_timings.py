"""What a start notes of itself: its parts in order, whatever launches it, and by whatever clock the child notes its."""

import time
from itertools import pairwise

import pytest
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_seccomp import Rule, Seccomp
from system.world import PLUGINS, everything, planned

from haconiwa_core.container import Container
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.planning.planner import plan
from haconiwa_core.runtime.start import create, start
from haconiwa_core.runtime.store import Store
from haconiwa_core.stages import Stage

pytestmark = pytest.mark.usefixtures("leaves_nothing")

LAUNCHERS = ["direct", "zygote", "helper"]
STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}


def timed(plan, launcher="helper"):
    """Start a container; return what its start has noted, and how long it has taken."""
    used = choose_launcher(launcher)
    began = time.monotonic_ns()
    try:
        running = start(plan, Store().claim("timed"), STREAMS, launcher=used)
    finally:
        used.close()
    took = time.monotonic_ns() - began
    spans = running.timeline.spans()
    running.finish(remove=True)
    return spans, took


def child_of(spans):
    return [span for span in spans if span.lane == "child" and span.what != "wait"]


def assert_in_order(spans, took):
    for lane in ("host", "child"):
        own = [span for span in spans if span.lane == lane]
        assert own
        assert all(0 <= span.begin <= span.end <= took for span in own)
        assert all(former.end <= latter.begin for former, latter in pairwise(own))


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("shifted", [False, True], ids=["root", "shifted"])
def test_every_stage_and_every_step_of_the_host(root, launcher, shifted):
    plan = planned(Container("timed", ["/bin/true"], everything(root, shifted=shifted), stdin="null"))
    spans, took = timed(plan, launcher)
    assert_in_order(spans, took)
    for stage in (Stage.PREPARE, Stage.ADOPT):
        expected = [(item.plugin, item.step.function.__name__) for item in plan.host_steps(stage)]
        own = [(span.plugin, span.what) for span in spans if (span.lane, span.stage) == ("host", stage.name)]
        assert [each for each in own if each[1] != "write_record"] == expected
    used = {item.step.stage for item in plan.steps}
    expected = [stage.name for stage in Stage if stage in used and not stage.on_host]
    assert [span.stage for span in child_of(spans)] == expected
    mounts = next(span for span in child_of(spans) if span.stage == "MOUNTS")
    assert {"mount", "chroot"} <= set(mounts.plugin.split(", "))


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("seconds", [-1, 100_000])
def test_the_clock_of_a_new_time_namespace_is_taken_into_account(root, launcher, seconds):
    features = [TimeNamespace(monotonic=seconds), PidNamespace()]
    spans, took = timed(plan_of(features), launcher)
    assert_in_order(spans, took)
    stages = [span.stage for span in child_of(spans)]
    assert stages[:3] == ["ENTER", "CLONE", "SETTLE"]
    assert stages[-1] == "EXEC"


def test_the_clock_of_a_joined_time_namespace_is_taken_into_account_or_left_alone(root):
    """It is joined before the clone where a user namespace is new, else by the child, whose clock then is another."""
    kept = start(plan_of([TimeNamespace(monotonic=1000)], "sleep", "1000"), Store().claim("kept"), STREAMS)
    try:
        for more, stages in (([], {"SETTLE", "EXEC"}), ([UserNamespace()], {"ENTER", "SETTLE", "SESSION", "EXEC"})):
            spans, took = timed(plan_of([TimeNamespace(join=kept.pid), *more]))
            assert_in_order(spans, took)
            assert stages <= {span.stage for span in child_of(spans)}
            assert ("SESSION" in {span.stage for span in child_of(spans)}) is bool(more)
    finally:
        kept.kill()
        kept.finish(remove=True)


@pytest.mark.parametrize("features", [[], [NoNewPrivs()]], ids=["FILTER", "CONFINE"])
def test_a_filter_that_forbids_to_look_at_the_clock(features):
    """The child looks no more once it is loaded."""
    forbidding = Seccomp(rules=[Rule(["clock_gettime"], "errno")])
    spans, took = timed(plan_of([forbidding, *features]))
    assert_in_order(spans, took)
    assert [span.stage for span in child_of(spans)][-2:] == ["CONFINE" if features else "FILTER", "EXEC"]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_time_for_which_it_is_held_is_left_out(root, launcher):
    container = Container("timed", ["/bin/true"], [MountNamespace(), UtsNamespace(hostname="timed")])
    used = choose_launcher(launcher)
    began = time.monotonic_ns()
    held = create(plan(container, gather(), PLUGINS, hold=True), Store().claim("timed"), STREAMS, launcher=used)
    used.close()
    set_up = time.monotonic_ns()
    time.sleep(0.3)
    resumed = time.monotonic_ns()
    running = held.start()
    took = time.monotonic_ns() - resumed + set_up - began
    spans = running.timeline.spans()
    running.finish(remove=True)
    assert_in_order(spans, took)
    assert took < 300_000_000 or spans[-1].end - spans[0].begin < took


def plan_of(features, *command):
    return planned(Container("timed", command or ["/bin/true"], features))
