import pytest
from haconiwa_ns_uts import UtsNamespace

from haconiwa_core.testing import FakeKernel, functions, plan_of, problems_of, run_program


def names(feature: UtsNamespace, **fields: object) -> dict[int, str]:
    kernel = FakeKernel()
    run_program(plan_of(feature, **fields), kernel)
    return kernel.names


def test_the_containers_name_is_the_host_name() -> None:
    assert names(UtsNamespace(), name="n" * 100)[1] == "n" * 64


def test_given_names() -> None:
    assert names(UtsNamespace(hostname="a", domainname="b")) == {1: "a", 5: "b"}


def test_a_joined_one_keeps_its_names() -> None:
    assert "set_host_name" not in functions(plan_of(UtsNamespace(join=1)))


@pytest.mark.parametrize("key", ["hostname", "domainname"])
def test_a_joined_one_is_not_renamed(key: str) -> None:
    (problem,) = problems_of(UtsNamespace(join=1, **{key: "x"}))
    assert (problem.key, problem.text) == (key, "would rename the namespace that is joined")


@pytest.mark.parametrize("key", ["hostname", "domainname"])
@pytest.mark.parametrize("value", ["", "a b", "x" * 65, "line\n", "n\0", "ö", 7, ["x"]])
def test_wrong_names(key: str, value: object) -> None:
    (problem,) = problems_of(UtsNamespace(**{key: value}))
    assert problem.key == key
    assert problem.text.startswith("must be")
