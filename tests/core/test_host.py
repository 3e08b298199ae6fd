"""Facts of hosts: gathered, written, read again."""

import json
import os

import pytest
from core.support import problems_of
from hypothesis import given, strategies as st

from haconiwa_core.host import HostFacts, gather, groups_by_name, users_by_name
from haconiwa_core.testing import host

IDS = st.integers(0, 2**32 - 1)
HOSTS = st.builds(
    HostFacts,
    kernel=st.text(),
    machine=st.text(),
    uid=IDS,
    gid=IDS,
    capabilities=st.integers(0, 2**64 - 1),
    last_capability=st.integers(0, 63),
    namespaces=st.lists(st.text()).map(tuple),
    users=st.dictionaries(st.text(), st.tuples(IDS, IDS)),
    groups=st.dictionaries(st.text(), IDS),
)


@given(HOSTS)
def test_facts_are_read_as_they_were_written(facts):
    assert HostFacts.from_json(json.dumps(facts.to_json()), "facts.json") == facts


def test_the_running_host_is_gathered_and_written():
    facts = gather()
    assert facts.uid == os.geteuid()
    assert facts.kernel == os.uname().release
    assert "mnt" in facts.namespaces
    assert facts.users["root"] == (0, 0)
    assert HostFacts.from_json(json.dumps(facts.to_json()), "facts.json") == facts


WHOLE = host().to_json()


@pytest.mark.parametrize("name", HostFacts._fields)
@pytest.mark.parametrize("value", [None, {"a": "b"}, [["a"]]], ids=str)
def test_a_field_of_another_shape_is_a_problem_or_harmless(name, value):
    problems = problems_of(HostFacts.from_json, json.dumps({**WHOLE, name: value}), "facts.json")
    if name in ("users", "namespaces") and value is None:
        assert problems


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{}", "x", "[" * 200_000, json.dumps({**WHOLE, "more": 1})], ids=lambda text: text[:9]
)
def test_what_are_no_facts_is_a_problem_with_advice(text):
    (problem,) = problems_of(HostFacts.from_json, text, "facts.json")
    assert problem.startswith("facts.json: not the facts of a host")
    assert "haconiwa plan --show-host" in problem


@pytest.mark.parametrize("number", [0, 21, 40])
def test_a_capability_is_a_bit(number):
    assert host()._replace(capabilities=1 << number).has_capability(number)
    assert not host()._replace(capabilities=~(1 << number)).has_capability(number)


@given(st.binary())
def test_no_database_fails(content):
    users_by_name(content)
    groups_by_name(content)


def test_malformed_lines_are_left_out_and_the_first_entry_counts():
    users = b"a:x:1:2:::\nb:x:1\nc:x:-1:2\nd:x:1:\xc2\xb2\na:x:9:9\n\n\xff:x:3:4\ne:x:5:6"
    assert users_by_name(users) == {"a": (1, 2), "\udcff": (3, 4), "e": (5, 6)}
    assert groups_by_name(b"a:x:1:u\nb:x:\nc\n") == {"a": 1}
