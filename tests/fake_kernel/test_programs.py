"""Whole programs on the fake kernel."""

import errno

import pytest

from haconiwa_core import linux
from haconiwa_core.container import DEFAULT_PATH
from haconiwa_core.launch.interpreter import RESULT_DIFFERS
from haconiwa_core.linux.calls import Call
from haconiwa_core.testing import Executed, Failed, FakeKernel, plan_of, run_program


def test_a_call_that_is_not_modelled_is_unknown() -> None:
    assert FakeKernel()(Call.fchown) == -errno.ENOSYS


@pytest.mark.parametrize("gone", [False, True])
def test_a_program_runs_to_its_command(gone: bool) -> None:
    kernel = FakeKernel(gate=lambda: not gone)
    outcome = run_program(plan_of(command=["true", "x"], env={"A": "b"}, workdir="/tmp"), kernel)
    if gone:
        assert isinstance(outcome, Failed)
        assert (outcome.planned.step.function, outcome.code) == (linux.wait_at_gate, RESULT_DIFFERS)
        return
    assert outcome == Executed("/bin/true", ("true", "x"), (f"PATH={DEFAULT_PATH}", "A=b"))
    assert kernel.path_of(kernel.cwd) == "/tmp"
    assert sorted(kernel.descriptors) == [0, 1, 2]
    assert kernel.leads_session


def test_a_missing_command() -> None:
    outcome = run_program(plan_of(command=["absent"]), FakeKernel())
    assert isinstance(outcome, Failed)
    assert (outcome.planned.step.function, outcome.code) == (linux.execute, errno.ENOENT)
