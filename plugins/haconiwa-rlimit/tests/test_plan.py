from dataclasses import fields

import pytest
from haconiwa_rlimit import Rlimit
from hypothesis import given, settings, strategies as st

from haconiwa_core.linux.constants import RLIM_INFINITY
from haconiwa_core.testing import FakeKernel, plan_of, planned_steps, problems_of, run_program

OPTIONS = [item.name for item in fields(Rlimit) if item.name != "require"]
VALUES = st.one_of(st.integers(0, 2**63 - 1), st.just("unlimited"))
LIMITS = st.one_of(VALUES, st.tuples(VALUES, VALUES))


def number(value: int | str) -> int:
    return RLIM_INFINITY if value == "unlimited" else int(value)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(OPTIONS), LIMITS))
def test_each_limit_is_one_step_or_one_problem(limits) -> None:
    pairs = {name: limit if isinstance(limit, tuple) else (limit, limit) for name, limit in limits.items()}
    expected = {name: (number(soft), number(hard)) for name, (soft, hard) in pairs.items()}
    crossed = {name for name, (soft, hard) in expected.items() if soft > hard}
    problems = problems_of(Rlimit(**limits))
    assert {problem.key for problem in problems} == crossed
    assert all(problem.text == "the soft limit is above the hard limit" for problem in problems)
    if not crossed:
        steps = planned_steps(plan_of(Rlimit(**limits)), "rlimit")
        assert sorted(planned.step.arguments[1:] for planned in steps) == sorted(expected.values())


def test_numbers_are_the_kernels() -> None:
    kernel = FakeKernel()
    run_program(plan_of(Rlimit(**{name: value for value, name in enumerate(OPTIONS)})), kernel)
    # The options stand in the order of <asm-generic/resource.h>.
    assert kernel.limits == {value: (value, value) for value in range(len(OPTIONS))}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", [-1, 2**63, "64", "infinite", 1.5, True, (1,), (1, 2, 3), (1, "x"), [], {"soft": 1}])
def test_wrong_values(name: str, value: object) -> None:
    (problem,) = problems_of(Rlimit(**{name: value}))
    assert problem.section == "rlimit"
    assert problem.key.split("[")[0] == name
    assert "must be" in problem.text or "must have" in problem.text
