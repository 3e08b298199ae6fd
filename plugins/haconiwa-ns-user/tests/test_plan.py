from collections.abc import Sequence

import pytest
from haconiwa_ns_user import IdRange, UserNamespace

from haconiwa_core.testing import host, plan_of, planned_steps, problems_of

ALICE = host(uid=1000, gid=1001, capabilities=0)
ROOT = (IdRange(0, 100000, 1000),)


def maps(feature: UserNamespace, **fields) -> tuple[object, ...]:
    steps = [planned.step for planned in planned_steps(plan_of(feature, **fields), "ns-user")]
    return next(step.arguments[1:] for step in steps if step.function.__name__ == "write_id_maps")


def test_without_maps_root_is_the_caller() -> None:
    assert maps(UserNamespace()) == ("0 0 1\n", "0 0 1\n", False)
    assert maps(UserNamespace(), host=ALICE) == ("0 1000 1\n", "0 1001 1\n", True)


def test_several_ranges() -> None:
    feature = UserNamespace(uid_map=[IdRange(0, 1000, 10), IdRange(10, 5000, 5)], gid_map=ROOT)
    assert maps(feature) == ("0 1000 10\n10 5000 5\n", "0 100000 1000\n", False)


@pytest.mark.parametrize("key", ["uid_map", "gid_map"])
@pytest.mark.parametrize(
    ("ranges", "where", "text"),
    [
        ([IdRange(1, 1000)], "", "of the user namespace is not mapped"),
        ([IdRange(0, 0, 0)], "", "of the user namespace is not mapped"),
        ([IdRange(0, -1)], "[0]", "must lie within"),
        ([IdRange(0, 2**32 - 1, 2)], "[0]", "must lie within"),
        ([*ROOT, IdRange(999, 5000)], "[1]", "inside overlaps"),
        ([*ROOT, IdRange(5000, 100999)], "[1]", "outside overlaps"),
        ([IdRange(number, 1000 + number) for number in range(341)], "", "must have 1 to 340 ranges, not 341"),
        ("0 0 1", "", "must be a list"),
        ([(0, 0, 1)], "[0]", "must be a table"),
        ([IdRange("0", 0)], "[0].inside", "must be an integer"),
    ],
)
def test_wrong_maps(key: str, ranges: Sequence[IdRange], where: str, text: str) -> None:
    problems = problems_of(UserNamespace(**{"uid_map": ROOT, "gid_map": ROOT, key: ranges}))
    (problem,) = (found for found in problems if text in found.text)
    assert problem.key == (f"{key}{where}" if "not mapped" not in text else "")


def test_an_ordinary_user_maps_one_id() -> None:
    problems = problems_of(UserNamespace(uid_map=ROOT, gid_map=ROOT), host=ALICE)
    assert [(problem.key, problem.text) for problem in problems] == [
        ("uid_map", "an ordinary user may map one id only, 1000; others need CAP_SETUID and CAP_SETGID"),
        ("gid_map", "an ordinary user may map one id only, 1001; others need CAP_SETUID and CAP_SETGID"),
    ]


@pytest.mark.parametrize("key", ["uid_map", "gid_map"])
def test_a_joined_one_is_not_mapped(key: str) -> None:
    (problem,) = problems_of(UserNamespace(join=1, **{key: ROOT}))
    assert (problem.key, problem.text) == (key, "cannot be set in a namespace that is joined")
