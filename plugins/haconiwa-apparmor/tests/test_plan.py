import pytest
from haconiwa_apparmor import AppArmor
from hypothesis import given, strategies as st

from haconiwa_core.linux.calls import Call
from haconiwa_core.stages import Stage
from haconiwa_core.testing import Executed, Failed, FakeKernel, host, plan_of, planned_steps, problems_of, run_program

EXEC = "/proc/thread-self/attr/apparmor/exec"


@pytest.mark.parametrize("entry", ["start", "attach"])
def test_proc_is_opened_on_the_host_and_written_by_the_child(entry: str) -> None:
    steps = [planned.step for planned in planned_steps(plan_of(AppArmor("web"), entry=entry), "apparmor")]
    assert [step.stage for step in steps] == [Stage.PREPARE, Stage.CONFINE]
    assert steps[0].into in steps[1].arguments


def test_the_profile_is_chosen_for_the_next_program() -> None:
    kernel = FakeKernel()
    assert isinstance(run_program(plan_of(AppArmor("web")), kernel), Executed)
    # The fake kernel shows it as the kernel does.
    assert kernel.written[EXEC] == "web (enforce)"
    assert sorted(kernel.descriptors) == [0, 1, 2]


@pytest.mark.parametrize("mode", ["complain", "kill"])
def test_a_profile_in_another_mode_ends_the_start(mode: str) -> None:
    outcome = run_program(plan_of(AppArmor("web", mode=mode)), FakeKernel())
    assert isinstance(outcome, Failed)
    assert (outcome.planned.plugin, outcome.planned.step.stage) == ("apparmor", Stage.CONFINE)


@given(st.from_regex(r"[!-~]([ -~]{0,60}[!-~])?", fullmatch=True).filter(lambda name: name != "unconfined"))
def test_the_name_is_written_as_it_is(name: str) -> None:
    (_, planned) = planned_steps(plan_of(AppArmor(name)), "apparmor")
    (content,) = [item.arguments[1] for item in planned.operations() if item.call is Call.write]
    assert content == f"exec {name}".encode()


@pytest.mark.parametrize(
    ("lsms", "told"),
    [((), "unknown, for securityfs is not mounted"), (("capability", "selinux"), "capability, selinux")],
)
def test_a_host_without_apparmor(lsms: tuple[str, ...], told: str) -> None:
    (problem,) = problems_of(AppArmor("web"), host=host(lsms=lsms))
    assert problem.text == f"AppArmor is not active on this host, whose security modules are {told}"
    assert "lsm=" in problem.hint


def test_unconfined_is_refused() -> None:
    (problem,) = problems_of(AppArmor("unconfined"))
    assert (problem.section, problem.key) == ("apparmor", "profile")


def test_all_problems_at_once() -> None:
    assert len(problems_of(AppArmor("unconfined"), host=host(lsms=()))) == 2


@pytest.mark.parametrize(
    "profile",
    ["", " ", " web", "web ", "web\n", "a\nb", "a\0b", "a\tb", "w\u00e9b", "x" * 4003, None, 1, True, ["web"], b"web"],
)
def test_wrong_profiles(profile: object) -> None:
    (problem,) = problems_of(AppArmor(profile))
    assert (problem.section, problem.key) == ("apparmor", "profile")
    assert "must be" in problem.text


@pytest.mark.parametrize(("mode", "hint"), [("enforced", "enforce"), ("ENFORCE", ""), ("unconfined", ""), (None, "")])
def test_wrong_modes(mode: object, hint: str) -> None:
    (problem,) = problems_of(AppArmor("web", mode=mode))
    assert (problem.section, problem.key) == ("apparmor", "mode")
    assert hint in problem.hint
