"""Whole programs on the fake kernel."""

import errno
import os
import re

import pytest

from haconiwa_core import linux
from haconiwa_core.container import DEFAULT_PATH
from haconiwa_core.launch.interpreter import RESULT_DIFFERS
from haconiwa_core.linux.calls import Call
from haconiwa_core.stages import Stage
from haconiwa_core.testing import Executed, Failed, FakeKernel, plan_of, run_program
from haconiwa_core.testing.interference import owners_of_calls


def test_a_call_that_is_not_modelled_is_unknown() -> None:
    assert FakeKernel()(Call.inotify_init1) == -errno.ENOSYS


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


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOMEM])
def test_any_call_can_be_made_to_fail(code: int) -> None:
    plan = plan_of()
    whole = FakeKernel()
    assert isinstance(run_program(plan, whole), Executed)
    owners = owners_of_calls(plan, whole.results)
    assert len(owners) == len(whole.results) > 10
    for number, owner in enumerate(owners, start=1):
        kernel = FakeKernel()
        kernel.fail(number, code)
        if owner.step.stage is Stage.PREPARE:
            with pytest.raises(OSError, match=re.escape(os.strerror(code))):
                run_program(plan, kernel)
        else:
            assert run_program(plan, kernel) == Failed(owner, code)
        assert len(kernel.results) == number


def test_a_call_that_fails_is_not_made() -> None:
    kernel = FakeKernel()
    kernel.fail(2)
    assert [kernel(Call.umask, mask) for mask in (0o7, 0o77, 0o22)] == [0o22, -errno.EIO, 0o7]
