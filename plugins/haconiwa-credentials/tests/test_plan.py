import pytest
from haconiwa_credentials import Credentials

from haconiwa_core.facts import IdMap, IdRange, Namespace, NewRoot
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.testing import FakeKernel, functions, host, plan_of, problems_of, run_program

ALICE = host(uid=1000, gid=1001, capabilities=0)
MAPPED = (Namespace("user", CLONE_NEWUSER), IdMap((IdRange(0, 1000, 10),), (IdRange(0, 2000, 10),)))


def identity(feature: Credentials, **fields: object) -> tuple[object, ...]:
    kernel = FakeKernel()
    run_program(plan_of(feature, **fields), kernel)
    return kernel.uid, kernel.gid, kernel.groups, kernel.mask


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0, 0, (), 0o022)),
        ({"uid": 1000}, (1000, 1000, (), 0o022)),
        ({"uid": 1000, "gid": 5}, (1000, 5, (), 0o022)),
        ({"uid": "alice"}, (1000, 1001, (), 0o022)),
        ({"uid": "alice", "gid": "www-data"}, (1000, 33, (), 0o022)),
        ({"groups": ["ssl-cert", 7]}, (0, 0, (7, 110), 0o022)),
        ({"umask": 0o077}, (0, 0, (), 0o077)),
    ],
)
def test_names_and_numbers(options: dict[str, object], expected: tuple[object, ...]) -> None:
    assert identity(Credentials(**options)) == expected


def test_the_user_comes_last() -> None:
    names = functions(plan_of(Credentials(uid=1, gid=2, groups=[3])), "credentials")
    assert names == ["set_file_mode_mask", "set_groups", "set_gid", "set_uid"]


def test_groups_are_emptied_where_none_are_wanted() -> None:
    assert functions(plan_of(Credentials(uid=1))).count("set_groups") == 1
    assert functions(plan_of(Credentials(groups=[1]))).count("set_groups") == 1


@pytest.mark.parametrize(
    ("options", "key", "text", "hint"),
    [
        ({"uid": "alise"}, "uid", "the host has no user 'alise' in /etc/passwd", 'did you mean "alice"?'),
        ({"gid": "www"}, "gid", "the host has no group 'www' in /etc/group", "give its number"),
        ({"groups": [0, "none"]}, "groups[1]", "the host has no group 'none' in /etc/group", "give its number"),
    ],
)
def test_unknown_names(options: dict[str, object], key: str, text: str, hint: str) -> None:
    (problem,) = problems_of(Credentials(**options))
    assert (problem.key, problem.text) == (key, text)
    assert problem.hint == hint or not hint


@pytest.mark.parametrize(
    "options",
    [
        {"uid": -1},
        {"uid": 2**32 - 1},
        {"uid": 1.5},
        {"uid": True},
        {"uid": ""},
        {"uid": "a b"},
        {"uid": "x" * 33},
        {"uid": "root\n"},
        {"gid": -1},
        {"gid": ["root"]},
        {"groups": "root"},
        {"groups": [-1]},
        {"groups": [None]},
        {"umask": -1},
        {"umask": 0o1000},
        {"umask": "022"},
        {"lookup": "image"},
        {"lookup": None},
    ],
)
def test_wrong_values(options: dict[str, object]) -> None:
    (problem,) = problems_of(Credentials(**options))
    assert problem.key.split("[")[0] in options
    assert "must be" in problem.text


@pytest.mark.parametrize(
    ("options", "key"),
    [({"uid": 10, "gid": 0}, "uid"), ({"gid": 10}, "gid"), ({"groups": [0, 10]}, "groups[1]")],
)
def test_ids_that_are_not_mapped(options: dict[str, object], key: str) -> None:
    (problem,) = problems_of(Credentials(**options), facts=MAPPED)
    assert (problem.key, problem.text) == (key, "10 is not mapped in the user namespace")


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({}, []),
        ({"uid": ALICE.uid, "gid": ALICE.gid}, []),
        ({"uid": 0}, ["gid", "uid"]),
        ({"uid": 5}, ["gid", "uid"]),
        ({"gid": 5}, ["gid"]),
        ({"groups": [5]}, ["groups"]),
    ],
)
def test_an_ordinary_user(options: dict[str, object], keys: list[str]) -> None:
    assert [problem.key for problem in problems_of(Credentials(**options), host=ALICE)] == keys


def test_names_of_the_root(tmp_path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("broken\nalice:x:7:8::/:/bin/sh\nalice:x:0:0::/:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("www-data:x:9:\n")
    facts = (NewRoot(str(tmp_path)),)
    feature = Credentials(uid="alice", groups=["www-data"], lookup="root")
    plan = plan_of(feature, facts=facts)
    assert [planned.step.arguments for planned in plan.steps if planned.step.function.__name__ == "set_uid"] == [(7,)]
    assert [item.path for item in plan.inputs] == [f"{tmp_path}/etc/passwd", f"{tmp_path}/etc/group"]


def test_names_of_a_root_that_is_missing() -> None:
    (problem,) = problems_of(Credentials(lookup="root"))
    assert problem.text == "needs NewRoot"
    assert "chroot" in problem.hint
