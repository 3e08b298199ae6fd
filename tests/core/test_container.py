"""The container: names, commands, environment, streams; immutable composition."""

import re
from pathlib import Path

import pytest
from core.support import Sample
from hypothesis import given, strategies as st

from haconiwa_core.container import DEFAULT_PATH, Container, is_name

ONE = Sample("one", options=[("level", int, 1)])
TWO = Sample("two")


@pytest.mark.parametrize("name", ["a", "9", "web-1", "a.b_c-d", "x" * 128])
def test_a_name_is_accepted(name):
    assert is_name(name)
    assert Container(name, ["true"]).problems() == []


@pytest.mark.parametrize(
    "name",
    ["", "x" * 129, "a\n", "\na", "-a", ".", "..", "_a", "a/b", "a b", "é", "\uff41", "\u0663", "a\0", None, 3, b"a"],
)
def test_a_name_is_refused(name):
    assert not is_name(name)
    assert [problem.key for problem in Container(name, ["true"]).problems()] == ["name"]


@given(st.text())
def test_names_are_plain_words(text):
    assert is_name(text) == bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", text))


REFUSED = [
    ("command", [], "is missing"),
    ("command", "echo hi", "must be a list of strings"),
    ("command", ["a\0b"], "must be a list of strings without NUL"),
    ("command", ["sh", 1], "must be a list of strings"),
    ("command", [""], "the program's name is empty"),
    ("env", {"A=B": "x"}, "cannot name a variable"),
    ("env", {"": "x"}, "cannot name a variable"),
    ("env", {"A\0": "x"}, "cannot name a variable"),
    ("env", ["A=B"], "must be a table of strings"),
    ("env.A", {"A": "x\0"}, "must be a string without NUL"),
    ("env.A", {"A": 1}, "must be a string without NUL"),
    ("workdir", "tmp", "must be an absolute path"),
    ("workdir", "/a\0", "must be an absolute path"),
    ("workdir", None, "must be an absolute path"),
    ("workdir", "/proc/self/fd/3", "must not lie in /proc"),
    ("workdir", "//tmp/..//proc", "must not lie in /proc"),
    ("stdin", "log", "a log can take output only"),
    ("stdout", "file:relative", "needs an absolute path"),
    ("stdout", "host:", 'must be "inherit"'),
    ("stderr", "pipe", 'must be "inherit"'),
    ("stderr", "inherit:x", 'must be "inherit"'),
    ("stderr", "file:/a\0", 'must be "inherit"'),
    ("stderr", 2, 'must be "inherit"'),
]


@pytest.mark.parametrize(("key", "value", "text"), REFUSED)
def test_a_value_is_refused(key, value, text):
    fields = {"command": ["true"], key.partition(".")[0]: value}
    (problem,) = Container("web", **fields).problems()
    assert problem.key == key
    assert text in problem.text
    assert problem.file == __file__


@pytest.mark.parametrize("stream", ["inherit", "null", "file:/x", "host:x", "host:/x"])
def test_a_stream_is_accepted(stream):
    assert Container("web", ["true"], stdin=stream, stdout=stream, stderr=stream).problems() == []


def test_all_problems_are_found_together():
    container = Container("-", [], env={"": ""}, workdir="x", stdin="x", stdout="x", features=[ONE.feature(level="x")])
    assert [problem.key for problem in container.problems()] == [
        *("name", "command", "env", "workdir", "stdin", "stdout", "level")
    ]


def test_the_environment_is_what_the_definition_says_and_a_path():
    assert Container("web", ["true"]).environment() == {"PATH": DEFAULT_PATH}
    assert Container("web", ["true"], env={"PATH": "/x", "A": "b"}).environment() == {"PATH": "/x", "A": "b"}


def test_adding_a_feature_makes_another_container():
    plain = Container("web", ["true"])
    both = plain + TWO.feature() + ONE.feature()
    assert plain.features == ()
    assert [feature.section for feature in both.features] == ["one", "two"]
    assert both == Container("web", ["true"], features=[ONE.feature(), TWO.feature()])
    assert both.without("one").without("absent") == plain + TWO.feature()


def test_a_feature_added_again_replaces_the_former_whole():
    container = Container("web", ["true"], features=[ONE.feature(level=5)]) + ONE.feature()
    assert container.feature("one").level == 1


def test_what_is_no_feature_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="a feature is wanted"):
        Container("web", ["true"], features=[ONE.feature])


def test_a_container_shares_nothing_with_what_it_was_made_of():
    command, env = ["true"], {"A": "1"}
    container = Container("web", command, env=env)
    command.append("x")
    env["A"] = "2"
    assert container.command == ("true",)
    assert container.env == {"A": "1"}
    with pytest.raises(TypeError):
        container.env["B"] = "3"


def test_a_problem_names_the_line_of_its_feature():
    feature = ONE.feature(level="x")
    line = feature.place.line
    (problem,) = Container("web", ["true"], features=[feature]).problems()
    assert (problem.file, problem.line, problem.section) == (__file__, line, "one")
    assert "ONE.feature(level=" in Path(__file__).read_text().splitlines()[line - 1]
