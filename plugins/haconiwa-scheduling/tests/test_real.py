import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from haconiwa_scheduling import LAST_CPU, Scheduling

from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.testing import Outcome, needs_capability, needs_program, needs_root, run, run_attached, started

PROBE = """
import json, os, subprocess
print(json.dumps({
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "policy": os.sched_getscheduler(0),
    "priority": os.sched_getparam(0).sched_priority,
    "cpus": sorted(os.sched_getaffinity(0)),
    "ionice": subprocess.run(["ionice", "-p", str(os.getpid())], capture_output=True, text=True).stdout.strip(),
    "score": int(open("/proc/self/oom_score_adj").read()),
}))
"""
COMMAND = [sys.executable, "-I", "-c", PROBE]
CPUS = sorted(os.sched_getaffinity(0))

pytestmark = [needs_root, needs_program("ionice"), needs_capability("CAP_SYS_NICE")]


def shown(outcome: Outcome) -> dict[str, object]:
    assert outcome.exit_status == 0, outcome.stderr
    found: dict[str, object] = json.loads(outcome.stdout)
    return found


BARE = {"score": 0}
"""What a container without the section has, beside what its caller has."""

EXAMPLES = [
    ({}, {}),
    ({"nice": 7}, {"nice": 7}),
    ({"nice": -20}, {"nice": -20}),
    ({"policy": "other"}, {"policy": os.SCHED_OTHER}),
    ({"policy": "batch", "nice": 3}, {"policy": os.SCHED_BATCH, "nice": 3}),
    ({"policy": "idle"}, {"policy": os.SCHED_IDLE}),
    ({"policy": "fifo", "priority": 1}, {"policy": os.SCHED_FIFO, "priority": 1}),
    ({"policy": "rr", "priority": 99}, {"policy": os.SCHED_RR, "priority": 99}),
    ({"affinity": CPUS[:1]}, {"cpus": CPUS[:1]}),
    ({"affinity": str(CPUS[-1])}, {"cpus": CPUS[-1:]}),
    ({"affinity": CPUS}, {"cpus": CPUS}),
    ({"ioprio": "idle"}, {"ionice": "idle"}),
    ({"ioprio": "best-effort", "ioprio_level": 7}, {"ionice": "best-effort: prio 7"}),
    ({"ioprio": "realtime"}, {"ionice": "realtime: prio 4"}),
    ({"oom_score_adj": 777}, {"score": 777}),
    (
        {"policy": "batch", "nice": 5, "affinity": CPUS[:1], "ioprio": "idle", "oom_score_adj": 1000},
        {"policy": os.SCHED_BATCH, "nice": 5, "cpus": CPUS[:1], "ionice": "idle", "score": 1000},
    ),
]


@pytest.mark.parametrize(("options", "expected"), EXAMPLES)
def test_the_command_has_what_is_given_and_so_has_what_is_attached(
    options: dict[str, object], expected: dict[str, object]
) -> None:
    bare = {**shown(run(command=COMMAND)), **BARE}
    feature = Scheduling(**options)
    assert shown(run(feature, command=COMMAND)) == {**bare, **expected}
    with started(feature) as running:
        assert shown(run_attached(running, feature, command=COMMAND)) == {**bare, **expected}


@needs_program("chrt")
def test_a_deadline() -> None:
    # Such a process makes no others: it is looked at from outside.
    feature = Scheduling(policy="deadline", runtime=1_000_000, deadline=10_000_000, period=20_000_000)
    with started(feature) as running:
        text = run(command=["chrt", "-p", str(running.pid)]).stdout
    assert "SCHED_DEADLINE" in text
    assert "1000000/10000000/20000000" in text


def test_a_nice_caller() -> None:
    """A policy of time sharing brings its own nice value; without a policy the caller's stays."""
    former = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, 11)
    try:
        assert shown(run(Scheduling(policy="batch"), command=COMMAND))["nice"] == 0
        assert shown(run(Scheduling(policy="idle"), command=COMMAND))["nice"] == 11
        assert shown(run(Scheduling(ioprio="idle"), command=COMMAND))["nice"] == 11
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, former)


@pytest.mark.parametrize("affinity", [[LAST_CPU], [*CPUS, LAST_CPU], f"0-{LAST_CPU}"])
def test_a_cpu_that_is_not_there(affinity: object) -> None:
    with pytest.raises(SetupError) as caught:
        run(Scheduling(affinity=affinity), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("scheduling", "LIMITS")
    assert "set_affinity" in caught.value.attempted
    assert "of these CPUs" in caught.value.remedy


def test_more_time_than_there_is() -> None:
    if int(Path("/proc/sys/kernel/sched_rt_runtime_us").read_text()) < 0:
        pytest.skip("this kernel promises any time to real-time processes")
    second = 1_000_000_000
    whole_cpu = Scheduling(policy="deadline", runtime=second, deadline=second)
    with ExitStack() as stack, pytest.raises(SetupError) as caught:
        _ = [stack.enter_context(started(whole_cpu)) for _ in range(os.cpu_count() or 1)]
    assert (caught.value.plugin, caught.value.stage) == ("scheduling", "LIMITS")
    assert "ask for less" in caught.value.remedy


def test_a_period_beyond_the_kernels_bound() -> None:
    longest = int(Path("/proc/sys/kernel/sched_deadline_period_max_us").read_text()) * 1000
    feature = Scheduling(policy="deadline", runtime=1_000_000, deadline=longest, period=longest * 2)
    with pytest.raises(SetupError) as caught:
        run(feature, command=["true"])
    assert "sched_deadline_period_min_us" in caught.value.remedy


def test_a_score_that_may_not_be_lowered() -> None:
    if gather().has_capability(CAP_SYS_RESOURCE):
        assert shown(run(Scheduling(oom_score_adj=-5), command=COMMAND))["score"] == -5
        return
    with pytest.raises(SetupError) as caught:
        run(Scheduling(oom_score_adj=-1000), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("scheduling", "ADOPT")
    assert "CAP_SYS_RESOURCE" in caught.value.remedy
