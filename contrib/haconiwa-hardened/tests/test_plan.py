"""What the feature stands for, what of it can be replaced, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from haconiwa_hardened import IDS, Hardened
from haconiwa_ns_user import UserNamespace
from hypothesis import given, strategies as st

from haconiwa_core.errors import DefinitionError
from haconiwa_core.feature import Feature
from haconiwa_core.testing import all_plugins, host, plan_of, planned_steps, problems_of

FEATURE = Hardened(root="/srv/web")
PARTS = {part.section: part for part in all_plugins().expand(FEATURE)}
NAMESPACES = {f"ns-{kind}" for kind in ("cgroup", "ipc", "mount", "net", "pid", "time", "user", "uts")}


def features_of(*features: Feature, **fields: Any) -> dict[str, Feature]:
    return {feature.section: feature for feature in plan_of(*features, **fields).container.features}


def test_it_stands_for_all_that_isolates() -> None:
    others = {"capabilities", "cgroup", "chroot", "mount", "no-new-privs", "rlimit", "seccomp"}
    assert features_of(FEATURE).keys() == {"hardened"} | NAMESPACES | others


@pytest.mark.parametrize("section", PARTS)
def test_each_part_can_be_replaced(section: str) -> None:
    own = replace(PARTS[section])
    features = features_of(FEATURE, own)
    assert features.keys() == features_of(FEATURE).keys()
    assert features[section] is own


def test_an_ordinary_user_maps_himself() -> None:
    ordinary = host(uid=1000, gid=1000, capabilities=0)
    assert {problem.section for problem in problems_of(FEATURE, host=ordinary)} == {"ns-user"}
    assert problems_of(FEATURE, UserNamespace(), host=ordinary) == ()


@pytest.mark.parametrize(("option", "section"), [("ids", "ns-user"), ("network", "ns-net")])
def test_what_is_the_hosts_has_no_namespace(option: str, section: str) -> None:
    features = features_of(replace(FEATURE, **{option: "host"}))
    assert features_of(FEATURE).keys() - features.keys() == {section}


@pytest.mark.parametrize(
    ("option", "value", "file"),
    [("memory", "3M", "memory.max"), ("pids", 7, "pids.max"), ("cpu", 0.5, "cpu.max")],
)
def test_limits_are_written_as_they_are_given(option: str, value: object, file: str) -> None:
    def written(value: object) -> list[str]:
        steps = planned_steps(plan_of(replace(FEATURE, **{option: value})), "cgroup")
        return [planned.describe() for planned in steps if file in planned.describe()]

    assert len(written(value)) == 1
    assert written("max") == []


def test_a_controller_that_is_not_there_is_missed_only_if_it_is_needed() -> None:
    (tree,) = host().cgroups
    without = host(cgroups=(tree._replace(controllers=()),))
    found = problems_of(FEATURE, host=without)
    assert {problem.section for problem in found} == {"cgroup"}
    assert {problem.key for problem in found} == {"memory", "pids"}
    assert problems_of(replace(FEATURE, memory="max", pids="max"), host=without) == ()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"root": ""}, "root: must be a path, not ''"),
        ({"root": 7}, "root: must be a string, not 7"),
        ({"root": "a\0b"}, "root: must be a path, not 'a\\x00b'"),
        ({"ids": 0}, "ids: must be at least 1, not 0"),
        ({"ids": 2**32 - IDS}, f"ids: must be at most {2**32 - 1 - IDS}, not {2**32 - IDS}"),
        ({"ids": "hots"}, "ids: must be an integer (1..4294901759) or 'host', not 'hots'; did you mean \"host\"?"),
        ({"network": "none"}, "network: must be 'own' or 'host', not 'none'"),
        ({"memory": "lots"}, 'memory: must be a size, such as "256M", or "max", not \'lots\''),
        ({"memory": 0}, "memory: must be at least 1, not 0"),
        ({"pids": 0}, "pids: must be at least 1, not 0"),
        ({"pids": 1.5}, "pids: must be an integer (1 or more) or 'max', not 1.5"),
        ({"cpu": -1}, "cpu: must be at least 0, not -1"),
        ({"cpu": True}, "cpu: must be a number (0..10000) or 'max', not True"),
    ],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    """Each is one line, and nothing is said about the parts."""
    (problem,) = problems_of(Hardened(**{"root": "/srv/web", **options}))
    assert str(problem._replace(file="", line=0)) == f"hardened.{text}"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["host", "max"]),
)


@given(options=st.dictionaries(st.sampled_from(["root", "ids", "network", "memory", "pids", "cpu"]), VALUES))
def test_planning_fails_with_problems_only(options: dict[str, Any]) -> None:
    with suppress(DefinitionError):
        plan_of(Hardened(**{"root": "/srv/web", **options}))
