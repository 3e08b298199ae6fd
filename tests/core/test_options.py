"""Options: what a value may be, and what is said about one that may not."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given, strategies as st

from haconiwa_core.options import (
    AbsolutePath,
    HostPath,
    Pattern,
    Range,
    build,
    check,
    convert,
    converted,
    describe,
    suggestion,
)


@dataclass(frozen=True)
class Point:
    x: int
    y: Annotated[int, Range(0, 9)] = 0


@dataclass(frozen=True)
class Shape:
    name: Annotated[str, Pattern("[a-z]+", "a lower-case word")] = "square"
    points: tuple[Point, ...] = ()
    size: int | Literal["fit"] | None = None
    tags: Mapping[str, str] | None = None
    pair: tuple[int, str] = (0, "")
    scale: float = 1.0
    visible: bool = True


ANNOTATIONS = [
    *(bool, int, float, str, Point, Shape, AbsolutePath, HostPath),
    *(int | None, int | str, Literal["a", 1], tuple[int, ...], tuple[int, str], Mapping[str, int]),
    *(Annotated[int, Range(0, 5)] | Literal["unlimited"], tuple[Point, ...] | None, dict[str, tuple[Point, ...]]),
]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["x", "y"]), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(ANNOTATIONS))
def test_converting_never_fails_and_is_stable(value, annotation):
    converted, complaints = convert(value, annotation, "key")
    assert all(found.key.startswith("key") and found.text for found in complaints)
    if not complaints:
        assert convert(converted, annotation, "key")[1] == []


@given(st.dictionaries(st.text() | st.sampled_from(["name", "points", "size"]), VALUES))
def test_building_gives_an_object_or_complaints(values):
    built, complaints = build(Shape, values)
    assert (built is None) == bool(complaints)
    assert set(values) - set(Shape.__annotations__) <= {found.key for found in complaints}
    if built:
        assert check(built) == []


CASES = [
    ({"nam": "x"}, ("nam", 'unknown key "nam"', 'did you mean "name"?')),
    ({"zzz": 1}, ("zzz", 'unknown key "zzz"', "")),
    ({"name": "A"}, ("name", "must be a lower-case word, not 'A'", "")),
    ({"name": "a\n"}, ("name", "must be a lower-case word, not 'a\\n'", "")),
    ({"name": 1}, ("name", "must be a string, not 1", "")),
    ({"visible": 1}, ("visible", "must be true or false, not 1", "")),
    ({"scale": True}, ("scale", "must be a number, not True", "")),
    ({"size": "fat"}, ("size", "must be an integer or 'fit', not 'fat'", 'did you mean "fit"?')),
    ({"size": True}, ("size", "must be an integer or 'fit', not True", "")),
    ({"points": "abc"}, ("points", "must be a list of a table with x, y, not 'abc'", "")),
    ({"points": [{"x": 1}, {"x": "1"}]}, ("points[1].x", "must be an integer, not '1'", "")),
    ({"points": [{"x": 1, "y": 10}]}, ("points[0].y", "must be at most 9, not 10", "")),
    ({"points": [{"x": 1, "y": -1}]}, ("points[0].y", "must be at least 0, not -1", "")),
    ({"points": [{}]}, ("points[0].x", "is missing", "")),
    ({"points": [{"x": 0, "why": 1}]}, ("points[0].why", 'unknown key "why"', "")),
    ({"pair": [1]}, ("pair", "must have 2 parts, not 1", "")),
    ({"tags": {"a": 1}}, ("tags.a", "must be a string, not 1", "")),
]


@pytest.mark.parametrize(("values", "expected"), CASES)
def test_a_complaint_says_what_is_wrong(values, expected):
    built, (complaint,) = build(Shape, values)
    assert built is None
    assert (complaint.key, complaint.text, complaint.hint) == expected


def test_all_complaints_come_together():
    _, complaints = build(Shape, {"name": 1, "scale": "x", "oops": 0, "points": [{"x": "a", "y": "b"}, 3]})
    assert [found.key for found in complaints] == ["oops", "name", "scale", "points[0].x", "points[0].y", "points[1]"]


def test_lists_become_tuples_and_tables_become_objects():
    built, _ = build(Shape, {"points": [{"x": 1}], "pair": [1, "a"], "tags": {"k": "v"}, "size": "fit"})
    assert built == Shape(points=(Point(1),), pair=(1, "a"), tags={"k": "v"}, size="fit")


def test_objects_of_a_program_are_checked_to_the_last_part():
    shape = Shape(points=(Point(1), Point(1, y=99)), tags=types.MappingProxyType({"a": 2}))
    assert [found.key for found in check(shape)] == ["points[1].y", "tags.a"]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_every_annotation_can_be_described(annotation):
    text = describe(annotation)
    assert text
    assert "typing" not in text
    assert "class" not in text


@pytest.mark.parametrize(
    ("bounds", "words"), [(Range(0, 5), "0..5"), (Range(1), "1 or more"), (Range(0, 2**63 - 1), "0 or more")]
)
def test_bounds_are_described(bounds, words):
    assert describe(Annotated[int, bounds]) == f"an integer ({words})"


def test_suggestions_come_from_near_names_only():
    assert suggestion("nofiles", ["nofile", "nproc"]) == 'did you mean "nofile"?'
    assert suggestion("quux", ["nofile", "nproc"]) == ""


@dataclass(frozen=True)
class Inner:
    size: int = 1
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Outer:
    one: Inner | None = None
    many: Sequence[Inner] = ()
    table: Mapping[str, Inner] | None = None


def test_what_a_program_gives_as_tables_becomes_what_it_stands_for():
    given = Outer(one={"size": 2}, many=[{"names": ["a"]}, Inner(3)], table={"x": {"size": 4}})
    assert not check(given)
    assert converted(given) == Outer(Inner(2), (Inner(1, ("a",)), Inner(3)), {"x": Inner(4)})


@pytest.mark.parametrize("given", [Outer(), Outer(one=Inner(2)), Outer(many=(Inner(),)), Inner(3, ("a", "b"))])
def test_what_is_as_wanted_stays_the_same_object(given):
    assert converted(given) is given
