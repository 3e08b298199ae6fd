from collections.abc import Sequence
from pathlib import Path

import pytest
from haconiwa_ns_user import IdRange, UserNamespace, subordinate

from haconiwa_core import Stage, linux
from haconiwa_core.facts import IdMap
from haconiwa_core.testing import functions, host, plan_of, planned_steps, problems_of

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


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the files of the host say."""
    (tmp_path / "subuid").write_text("bob:1:1\nalice:500000:65536\n# alice\n1000:700000:10\nalice:x:1\n")
    (tmp_path / "subgid").write_text("alice:600000:1000\n")
    monkeypatch.setattr(subordinate, "FILES", {f"{kind}_map": str(tmp_path / f"sub{kind}") for kind in ("uid", "gid")})


@pytest.mark.usefixtures("given")
def test_an_ordinary_user_gets_all_that_he_is_given() -> None:
    plan = plan_of(UserNamespace(uid_map="auto", gid_map="auto"), host=ALICE)
    (step,) = (planned.step for planned in planned_steps(plan, "ns-user") if planned.step.stage is Stage.ADOPT)
    assert step.function is linux.write_id_maps_by_helpers
    assert step.arguments[1:] == ("0 1000 1\n1 500000 65536\n65537 700000 10\n", "0 1001 1\n1 600000 1000\n")
    assert [Path(item.path).name for item in plan.inputs] == ["subuid", "subgid"]
    assert "set_groups" in functions(plan)


@pytest.mark.usefixtures("given")
def test_the_users_and_his_group_alone() -> None:
    plan = plan_of(UserNamespace(uid_map="auto"), host=ALICE)
    assert "set_groups" not in functions(plan)
    assert plan.facts.get(IdMap).groups == (IdRange(0, 1001),)


@pytest.mark.usefixtures("given")
def test_a_part_of_what_he_is_given() -> None:
    feature = UserNamespace(uid_map=[IdRange(0, 500000, 10), IdRange(10, 1000), IdRange(11, 700005, 5)])
    assert "write_id_maps_by_helpers" in functions(plan_of(feature, host=ALICE))


@pytest.mark.usefixtures("given")
def test_root_is_not_root_of_the_host(tmp_path: Path) -> None:
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text("root:500000:65536\n")
    assert maps(UserNamespace(uid_map="auto", gid_map="auto")) == ("0 500000 65536\n", "0 500000 65536\n", False)


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("part", "is_refused"),
    [
        (IdRange(0, 500000, 65536), False),
        (IdRange(0, 500000, 65537), True),
        (IdRange(0, 499999, 2), True),
        (IdRange(0, 1000, 2), True),
        (IdRange(0, 0), True),
        (IdRange(0, 1), True),
    ],
)
def test_more_than_he_is_given(part: IdRange, is_refused: bool) -> None:
    problems = problems_of(UserNamespace(uid_map=[part]), host=ALICE)
    text = "without CAP_SETUID one may map one's own id, 1000, and what"
    assert [(problem.key, text in problem.text) for problem in problems] == [("uid_map[0]", True)] * is_refused


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("wanted", ["auto", ROOT])
@pytest.mark.parametrize("there", [True, False])
def test_he_is_given_nothing(wanted: object, there: bool, tmp_path: Path) -> None:
    (tmp_path / "subuid").write_text("bob:1:1\n")
    if not there:
        (tmp_path / "subuid").unlink()
    (problem,) = problems_of(UserNamespace(uid_map=wanted), host=ALICE)
    assert problem.key.startswith("uid_map")
    assert "usermod --add-subuids" in problem.hint
    assert problem.hint.endswith(" alice")


@pytest.mark.parametrize("key", ["uid_map", "gid_map"])
def test_a_joined_one_is_not_mapped(key: str) -> None:
    (problem,) = problems_of(UserNamespace(join=1, **{key: ROOT}))
    assert (problem.key, problem.text) == (key, "cannot be set in a namespace that is joined")
