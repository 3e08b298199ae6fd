from dataclasses import fields

import pytest
from haconiwa_scheduling import Scheduling
from hypothesis import given, settings, strategies as st

from haconiwa_core.facts import IdMap, IdRange, Namespace, Wrapper
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CAP_SYS_NICE, CLONE_NEWUSER
from haconiwa_core.operation import Slot
from haconiwa_core.testing import Failed, FakeKernel, functions, host, plan_of, planned_steps, problems_of, run_program

ALICE = host(uid=1000, gid=1001, capabilities=0)
MAPPED = (Namespace("user", CLONE_NEWUSER), IdMap((IdRange(0, 100000, 10),), (IdRange(0, 100000, 10),)))
DEADLINE = {"policy": "deadline", "runtime": 1_000_000, "deadline": 10_000_000}


def kernel_after(feature: Scheduling, **fields: object) -> FakeKernel:
    kernel = FakeKernel()
    outcome = run_program(plan_of(feature, **fields), kernel)
    assert not isinstance(outcome, Failed), outcome
    return kernel


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, []),
        ({"nice": 0}, ["set_nice"]),
        ({"policy": "other", "nice": 3}, ["set_policy"]),
        ({"policy": "rr", "priority": 5}, ["set_policy"]),
        (DEADLINE, ["set_deadline"]),
        ({"ioprio": "idle"}, ["set_io_priority"]),
        ({"oom_score_adj": 0}, ["set_oom_score_adj"]),
        (
            {"oom_score_adj": 1, "affinity": "0", "nice": 1, "ioprio": "best-effort"},
            ["set_oom_score_adj", "set_affinity", "set_nice", "set_io_priority"],
        ),
    ],
)
def test_what_is_given_is_a_step(options: dict[str, object], names: list[str]) -> None:
    assert functions(plan_of(Scheduling(**options)), "scheduling") == names


@pytest.mark.parametrize("entry", ["start", "attach"])
def test_the_score_replaces_the_cores(entry: str) -> None:
    for feature, plugin in ((Scheduling(oom_score_adj=7), "scheduling"), (Scheduling(nice=1), "core")):
        steps = planned_steps(plan_of(feature, entry=entry))
        scores = [planned for planned in steps if planned.step.function.__name__ == "set_oom_score_adj"]
        assert [planned.plugin for planned in scores] == [plugin]


@pytest.mark.parametrize(
    ("affinity", "cpus"),
    [
        ([1], (1,)),
        ([3, 0, 3], (0, 3)),
        ("0", (0,)),
        ("0-3", (0, 1, 2, 3)),
        ("0-1,3,2-3", (0, 1, 2, 3)),
        ("8191", (8191,)),
        ("007-08", (7, 8)),
    ],
)
def test_cpus(affinity: object, cpus: tuple[int, ...]) -> None:
    (planned,) = planned_steps(plan_of(Scheduling(affinity=affinity)), "scheduling")
    assert planned.step.arguments == (cpus,)


def test_a_process_of_time_sharing_gets_its_nice_value_with_the_policy() -> None:
    kernel = kernel_after(Scheduling(policy="batch", nice=7))
    assert (kernel.policy, kernel.nice) == (3, 7)


def test_the_period_is_the_deadline() -> None:
    assert kernel_after(Scheduling(**DEADLINE)).times == (1_000_000, 10_000_000, 10_000_000)
    assert kernel_after(Scheduling(**DEADLINE, period=20_000_000)).times == (1_000_000, 10_000_000, 20_000_000)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"ioprio": "realtime"}, 1 << 13 | 4),
        ({"ioprio": "best-effort", "ioprio_level": 0}, 2 << 13),
        ({"ioprio": "idle"}, 3 << 13),
    ],
)
def test_disks(options: dict[str, object], value: int) -> None:
    assert kernel_after(Scheduling(**options)).io_priority == value


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({"priority": 5}, [("priority", "means something with the policy fifo or rr only")]),
        ({"policy": "batch", "priority": 5}, [("priority", "means something with the policy fifo or rr only")]),
        ({"policy": "fifo"}, [("priority", "is missing: the policy fifo needs it")]),
        (
            {"policy": "rr", "nice": 1},
            [
                ("nice", "means something with the policy other or batch only"),
                ("priority", "is missing: the policy rr needs it"),
            ],
        ),
        ({"policy": "idle", "nice": 1}, [("nice", "means something with the policy other or batch only")]),
        ({"runtime": 5000}, [("runtime", "means something with the policy deadline only")]),
        (
            {"policy": "deadline"},
            [
                ("runtime", "is missing: the policy deadline needs it"),
                ("deadline", "is missing: the policy deadline needs it"),
            ],
        ),
        ({**DEADLINE, "runtime": 1023}, [("runtime", "must be at least 1024, not 1023")]),
        ({**DEADLINE, "runtime": 20_000_000}, [("runtime", "must not be above the deadline, 10000000")]),
        ({**DEADLINE, "period": 5_000_000}, [("deadline", "must not be above the period, 5000000")]),
        ({**DEADLINE, "affinity": "0"}, [("affinity", "a process of the policy deadline runs on all CPUs")]),
        ({"affinity": []}, [("affinity", "names no CPU")]),
        ({"affinity": "3-1"}, [("affinity", "the range 3-1 is backwards")]),
        ({"affinity": "8192"}, [("affinity", "the highest CPU is 8191, not 8192")]),
        ({"affinity": "0-9999"}, [("affinity", "the highest CPU is 8191, not 9999")]),
        (
            {"ioprio_level": 1},
            [("ioprio_level", "means something with the ioprio realtime or best-effort only")],
        ),
        (
            {"ioprio": "idle", "ioprio_level": 1, "affinity": "1-0", "runtime": 1},
            [
                ("runtime", "means something with the policy deadline only"),
                ("affinity", "the range 1-0 is backwards"),
                ("ioprio_level", "means something with the ioprio realtime or best-effort only"),
            ],
        ),
    ],
)
def test_contradictions(options: dict[str, object], problems: list[tuple[str, str]]) -> None:
    assert [(problem.key, problem.text) for problem in problems_of(Scheduling(**options))] == problems


NO_CAPABILITY = "needs CAP_SYS_NICE, which the caller does not have"
NOT_MAPPED = "needs CAP_SYS_NICE on the host, which no process of a user namespace has"


@pytest.mark.parametrize(
    ("options", "fields", "expected"),
    [
        ({**DEADLINE, "ioprio": "realtime"}, {}, []),
        ({**DEADLINE, "ioprio": "realtime"}, {"host": ALICE}, [("policy", NO_CAPABILITY), ("ioprio", NO_CAPABILITY)]),
        ({**DEADLINE, "ioprio": "realtime"}, {"facts": MAPPED}, [("policy", NOT_MAPPED), ("ioprio", NOT_MAPPED)]),
        (DEADLINE, {"host": host(capabilities=1 << CAP_SYS_NICE)}, []),
        ({"ioprio": "realtime"}, {"host": host(capabilities=1 << CAP_SYS_ADMIN)}, []),
        (DEADLINE, {"host": host(capabilities=1 << CAP_SYS_ADMIN)}, [("policy", NO_CAPABILITY)]),
        # Limits of the caller's may allow these.
        ({"nice": -20}, {"host": ALICE}, []),
        ({"policy": "fifo", "priority": 1}, {"host": ALICE}, []),
        ({"nice": -20}, {"facts": MAPPED}, []),
    ],
)
def test_what_needs_privilege_always(
    options: dict[str, object], fields: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    assert [(problem.key, problem.text) for problem in problems_of(Scheduling(**options), **fields)] == expected


@pytest.mark.parametrize("options", [{"nice": -1}, {"policy": "fifo", "priority": 1}])
def test_raising_in_a_user_namespace_fails(options: dict[str, object]) -> None:
    assert isinstance(run_program(plan_of(Scheduling(**options), facts=MAPPED), FakeKernel()), Failed)


def test_a_process_that_makes_no_others_starts_no_command() -> None:
    facts = (Wrapper(Slot("program"), ("init",)),)
    (problem,) = problems_of(Scheduling(**DEADLINE), facts=facts)
    text = "published starts the command, but a process of the policy deadline makes no others"
    assert (problem.key, problem.text) == ("policy", text)
    assert problems_of(Scheduling(**DEADLINE), facts=facts, entry="attach") == ()


@pytest.mark.parametrize(
    "options",
    [
        {"nice": -21},
        {"nice": 20},
        {"nice": "5"},
        {"nice": True},
        {"nice": 1.5},
        {"policy": "normal"},
        {"policy": 1},
        {"policy": "FIFO"},
        {"policy": ["fifo"]},
        {"priority": 0},
        {"priority": 100},
        {"priority": "high"},
        {"runtime": 0},
        {"runtime": 2**63},
        {"deadline": -1},
        {"deadline": "10ms"},
        {"period": 0.5},
        {"affinity": ""},
        {"affinity": "a"},
        {"affinity": "0-"},
        {"affinity": "-1"},
        {"affinity": "0 1"},
        {"affinity": "0,1\n"},
        {"affinity": "0-1-2"},
        {"affinity": "٣"},
        {"affinity": [-1]},
        {"affinity": [8192]},
        {"affinity": ["0"]},
        {"affinity": 0},
        {"affinity": {"cpus": 0}},
        {"ioprio": "none"},
        {"ioprio": 1},
        {"ioprio_level": -1},
        {"ioprio_level": 8},
        {"oom_score_adj": -1001},
        {"oom_score_adj": 1001},
        {"oom_score_adj": "0"},
        {"oom_score_adj": []},
    ],
)
def test_wrong_values(options: dict[str, object]) -> None:
    (problem,) = problems_of(Scheduling(**options))
    assert problem.section == "scheduling"
    assert problem.key.split("[")[0] in options
    assert "must be" in problem.text


def test_a_policy_has_a_suggestion() -> None:
    (problem,) = problems_of(Scheduling(policy="deadlin"))
    assert problem.hint == 'did you mean "deadline"?'


OPTIONS = [item.name for item in fields(Scheduling)]
WORDS = st.sampled_from(["other", "batch", "idle", "fifo", "rr", "deadline", "realtime", "best-effort"])
ANYTHING = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-25, 5000),
    st.integers(),
    st.text(),
    st.floats(),
    st.lists(st.integers()),
    st.text("0123456789-,"),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(OPTIONS), ANYTHING))
def test_planning_raises_nothing_but_definition_errors(options: dict[str, object]) -> None:
    keys = {problem.key.split("[")[0] for problem in problems_of(Scheduling(**options))}
    assert keys <= {*OPTIONS}
