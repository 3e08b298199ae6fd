from haconiwa_ns_pid import PidNamespace

from haconiwa_core.linux.constants import CLONE_NEWPID
from haconiwa_core.testing import functions, plan_of, planned_steps


def clones(plan) -> list[int]:
    return [planned.step.arguments[0] for planned in planned_steps(plan) if planned.step.function.__name__ == "clone"]


def test_a_new_one_costs_no_step_of_its_own() -> None:
    plan = plan_of(PidNamespace())
    assert functions(plan, "ns-pid") == []
    assert clones(plan) == [CLONE_NEWPID]


def test_a_joined_one_is_entered_by_an_intermediate_process() -> None:
    plan = plan_of(PidNamespace(join=1))
    assert clones(plan) == [0, 0]
    assert len(plan.program.processes) == 2


def test_without_one_the_plan_tells_how_far_ending_reaches() -> None:
    assert any("pid namespace" in note for note in plan_of().notes)
    assert not any("pid namespace" in note for note in plan_of(PidNamespace()).notes)
