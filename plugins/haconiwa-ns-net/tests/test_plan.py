import pytest
from haconiwa_ns_net import NetNamespace

from haconiwa_core.testing import FakeKernel, plan_of, problems_of, run_program


@pytest.mark.parametrize(
    ("feature", "links"),
    [
        (NetNamespace(), {"lo"}),
        (NetNamespace(loopback=False), set()),
        (NetNamespace(join=1), set()),
    ],
)
def test_lo_of_a_new_namespace_only(feature: NetNamespace, links: set[str]) -> None:
    kernel = FakeKernel()
    run_program(plan_of(feature), kernel)
    assert kernel.links_up == links


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_wrong_loopback(value: object) -> None:
    (problem,) = problems_of(NetNamespace(loopback=value))
    assert (problem.key, problem.text) == ("loopback", f"must be true or false, not {value!r}")
