import pytest
from haconiwa_init import Init
from hypothesis import given, settings, strategies as st

from haconiwa_core.facts import IdMap, IdRange, Namespace
from haconiwa_core.linux.constants import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
)
from haconiwa_core.stages import Stage
from haconiwa_core.testing import (
    Executed,
    FakeKernel,
    functions,
    host,
    host_files_with,
    plan_of,
    planned_steps,
    problems_of,
    run_program,
)

ALICE = host(uid=1000, gid=1000, capabilities=0)
PID, MOUNTS = Namespace("pid", CLONE_NEWPID), Namespace("mnt", CLONE_NEWNS)
USER = (Namespace("user", CLONE_NEWUSER), IdMap((IdRange(0, 1000),), (IdRange(0, 1000),)))


def last(*features: Init, **fields: object) -> tuple[object, ...]:
    return planned_steps(plan_of(*features, **fields))[-1].step.arguments


def test_the_command_follows_the_programs_options() -> None:
    arguments = last(Init(program="/x/dumb", arguments=["-a", "b"]), command=["-c", "--", "d"])
    assert arguments[1] == ("dumb", "-a", "b", "--", "-c", "--", "d")


def test_the_environment_is_the_commands() -> None:
    assert last(Init(), env={"A": "b"})[2] == last(env={"A": "b"})[2]


def test_the_program_is_executed_from_its_descriptor(tmp_path) -> None:
    (tmp_path / "init").touch()
    kernel = FakeKernel(host_files_with(tmp_path))
    outcome = run_program(plan_of(Init(program="init"), folder=str(tmp_path), command=["sh"]), kernel)
    assert isinstance(outcome, Executed)
    assert outcome.path == "(unreachable)/init"
    assert outcome.arguments == ("init", "--", "sh")
    assert kernel.adopts_orphans
    assert sorted(kernel.descriptors) == [0, 1, 2]


def test_its_mount_is_read_only(tmp_path) -> None:
    (tmp_path / "init").touch()
    kernel = FakeKernel(host_files_with(tmp_path))
    opened = []

    def gate() -> bool:
        opened.extend(each for each in kernel.descriptors.values() if each.kind == "tree")
        return True

    kernel.gate = gate
    run_program(plan_of(Init(program="init"), folder=str(tmp_path)), kernel)
    (tree,) = opened
    assert tree.place.mount.attributes == MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
    assert not tree.place.mount.attached


@pytest.mark.parametrize(
    ("facts", "adopts"),
    [((), True), ((PID,), False), ((PID._replace(joined=True),), True), ((MOUNTS,), True)],
)
def test_orphans_are_adopted_where_no_namespace_does_it(facts: tuple[Namespace, ...], adopts: bool) -> None:
    assert ("adopt_orphans" in functions(plan_of(Init(), facts=facts), "init")) is adopts


@pytest.mark.parametrize("facts", [(), (PID,), (PID, MOUNTS)])
def test_what_is_attached_is_not_wrapped(facts: tuple[Namespace, ...]) -> None:
    plan = plan_of(Init(), facts=facts, entry="attach", command=["sh"])
    assert planned_steps(plan, "init") == []
    assert planned_steps(plan)[-1].step.function.__name__ == "execute"
    assert planned_steps(plan)[-1].step.arguments[1] == ("sh",)
    assert functions(plan_of(Init(), facts=facts))[-1] == "execute_open_file"


@pytest.mark.parametrize(
    ("facts", "stage"),
    [((*USER, MOUNTS), Stage.MOUNTS), (USER, None), ((*USER, MOUNTS._replace(joined=True)), None)],
)
def test_an_ordinary_user(facts: tuple[Namespace, ...], stage: Stage | None) -> None:
    problems = problems_of(Init(), host=ALICE, facts=facts)
    if stage is None:
        (problem,) = problems
        assert problem.text.startswith("needs a new mount namespace")
        assert problem.hint == "add ns-mount"
        return
    assert problems == ()
    (opened, _) = planned_steps(plan_of(Init(), host=ALICE, facts=facts), "init")
    assert (opened.step.stage, opened.step.function.__name__) == (stage, "open_program")


@pytest.mark.parametrize(
    "options",
    [
        {"program": ""},
        {"program": None},
        {"program": 1},
        {"program": ["tini"]},
        {"program": "/usr/bin/tini\0"},
        {"arguments": "-g"},
        {"arguments": [1]},
        {"arguments": [None]},
        {"arguments": ["a\0b"]},
        {"arguments": None},
        {"arguments": {"-g": True}},
    ],
)
def test_wrong_values(options: dict[str, object]) -> None:
    (problem,) = problems_of(Init(**options))
    assert problem.section == "init"
    assert problem.key.split("[")[0] in options
    assert "must be" in problem.text


ANYTHING = st.one_of(st.none(), st.text(), st.integers(), st.lists(st.one_of(st.text(), st.integers())))


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional={"program": ANYTHING, "arguments": ANYTHING}))
def test_planning_raises_nothing_but_definition_errors(options: dict[str, object]) -> None:
    assert {problem.key.split("[")[0] for problem in problems_of(Init(**options))} <= {*options}
