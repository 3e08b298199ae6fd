import pytest
from haconiwa_audit import Audit

from haconiwa_core.testing import plan_of, planned_steps, problems_of


@pytest.mark.parametrize(
    "accept",
    [
        "HOST-NETWORK",
        ["host-network"],
        [""],
        ["HOST-"],
        ["-HOST"],
        ["HOST--NETWORK"],
        ["HOST NETWORK"],
        ["HOST-NETWORK\n"],
        ["1-HOST"],
        ["\uff28OST"],
        [1],
        [None],
        None,
        {"HOST-NETWORK": True},
    ],
    ids=ascii,
)
def test_wrong_values(accept: object) -> None:
    (problem,) = problems_of(Audit(accept=accept))
    assert problem.section == "audit"
    assert problem.key.split("[")[0] == "accept"
    assert "must be" in problem.text


def test_it_changes_nothing() -> None:
    assert planned_steps(plan_of(Audit(accept=["HOST-ROOT"])), "audit") == []
    assert [step.describe() for step in plan_of(Audit()).steps] == [step.describe() for step in plan_of().steps]
