import pytest
from haconiwa_no_new_privs import NoNewPrivs

from haconiwa_core.facts import NoNewPrivileges
from haconiwa_core.host import HostFacts
from haconiwa_core.stages import Stage
from haconiwa_core.testing import Executed, Failed, FakeKernel, host, plan_of, planned_steps, problems_of, run_program

ALICE = host(uid=1000, gid=1000, capabilities=0)


class Forgetful(FakeKernel):
    """A kernel that takes the bit and does not keep it."""

    def _prctl(self, option: int, first: int, second: int) -> int:
        result = super()._prctl(option, first, second)
        self.no_new_privileges = False
        return result


@pytest.mark.parametrize("entry", ["start", "attach"])
@pytest.mark.parametrize("whose", [host(), ALICE], ids=["root", "user"])
def test_one_step_for_everybody(entry: str, whose: HostFacts) -> None:
    (planned,) = planned_steps(plan_of(NoNewPrivs(), entry=entry, host=whose), "no-new-privs")
    assert planned.step.stage is Stage.CONFINE


def test_the_bit_is_set_when_the_command_starts() -> None:
    for features, bit in (((), False), ((NoNewPrivs(),), True)):
        kernel = FakeKernel()
        assert isinstance(run_program(plan_of(*features), kernel), Executed)
        assert kernel.no_new_privileges is bit


def test_a_bit_that_is_not_kept_ends_the_start() -> None:
    outcome = run_program(plan_of(NoNewPrivs()), Forgetful())
    assert isinstance(outcome, Failed)
    assert outcome.planned.plugin == "no-new-privs"


def test_two_that_set_it_are_refused() -> None:
    (problem,) = problems_of(NoNewPrivs(), facts=[NoNewPrivileges("another")])
    assert "both provide NoNewPrivileges" in problem.text
