import pytest
from haconiwa_ns_time import TimeNamespace

from haconiwa_core.testing import FakeKernel, plan_of, problems_of, run_program

OFFSETS = "/proc/self/timens_offsets"


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({}, None),
        ({"boottime": 5}, "boottime 5 0\n"),
        ({"monotonic": -5}, "monotonic -5 0\n"),
        ({"boottime": 1, "monotonic": 2}, "boottime 1 0\nmonotonic 2 0\n"),
    ],
)
def test_only_offsets_that_shift_are_written(options: dict[str, int], written: str | None) -> None:
    kernel = FakeKernel()
    run_program(plan_of(TimeNamespace(**options)), kernel)
    assert kernel.written.get(OFFSETS) == written


def test_offsets_are_written_before_the_container_exists() -> None:
    plan = plan_of(TimeNamespace(boottime=1))
    assert len(plan.program.processes) == 2


@pytest.mark.parametrize("key", ["boottime", "monotonic"])
def test_a_joined_one_is_not_shifted(key: str) -> None:
    (problem,) = problems_of(TimeNamespace(join=1, **{key: 1}))
    assert (problem.key, problem.text) == (key, "cannot be set in a namespace that is joined")


@pytest.mark.parametrize("key", ["boottime", "monotonic"])
@pytest.mark.parametrize("value", ["1", 1.5, None, True, 2**63])
def test_wrong_offsets(key: str, value: object) -> None:
    (problem,) = problems_of(TimeNamespace(**{key: value}))
    assert problem.key == key
    assert problem.text.startswith("must be")
