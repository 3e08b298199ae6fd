"""What --with, --without and --set change."""

import string

import pytest
from core.support import Sample, plugins_of
from hypothesis import given, strategies as st

from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import Overrides

LAMP = Sample("lamp", options=[("level", int, 1), ("name", str, ""), ("colours", tuple[str, ...], ())])
DOOR = Sample("door")
PLUGINS = plugins_of(LAMP, DOOR)
PLAIN = Container("web", ["true"])


def changed(container=PLAIN, **changes):
    return Overrides(**changes).apply(container, PLUGINS)


def problems(container=PLAIN, **changes):
    return [str(problem) for problem in changed(container, **changes).problems()]


def test_with_adds_a_feature_with_its_defaults():
    assert changed(enabled=["lamp"]) == PLAIN + LAMP.feature()


def test_with_keeps_what_the_file_says():
    container = PLAIN + LAMP.feature(level=7)
    assert changed(container, enabled=["lamp"]) == container


def test_without_leaves_a_feature_out():
    assert changed(PLAIN + LAMP.feature() + DOOR.feature(), disabled=["lamp"]) == PLAIN + DOOR.feature()
    assert changed(disabled=["lamp"]) == PLAIN


VALUES = [
    ("lamp.level=3", {"level": 3}),
    ("lamp.name=plain words", {"name": "plain words"}),
    ('lamp.name="3"', {"name": "3"}),
    ("lamp.name=a=b", {"name": "a=b"}),
    ("lamp.name=", {"name": ""}),
    ("lamp.name=/srv/web", {"name": "/srv/web"}),
    ('lamp.colours=["a", "b"]', {"colours": ("a", "b")}),
]


@pytest.mark.parametrize(("text", "options"), VALUES)
def test_set_enables_its_feature(text, options):
    assert changed(settings=[text]) == PLAIN + LAMP.feature(**options)


def test_set_changes_one_option_of_a_file():
    container = PLAIN + LAMP.feature(level=7, name="x")
    assert changed(container, settings=["lamp.level=8"]) == PLAIN + LAMP.feature(level=8, name="x")


REFUSED = [
    ({"enabled": ["lamp"], "disabled": ["lamp"]}, "--with lamp contradicts --without lamp"),
    ({"settings": ["lamp.level=1"], "disabled": ["lamp"]}, "--set lamp.level=1 contradicts --without lamp"),
    ({"settings": ["lamp.level=high"]}, "lamp.level: must be an integer, not 'high'"),
    ({"settings": [f"lamp.level={'[' * 20_000}"]}, "lamp.level: must be an integer"),
    ({"settings": ["lamp.levle=1"]}, 'unknown key "levle"; did you mean "level"?'),
    ({"settings": ["lamp.level.x=1"]}, "lamp.level: must be an integer, not {'x': 1}"),
    ({"settings": ["lamp.level=1", "lamp.level.x=1"]}, "--set lamp.level.x=1: level has a value already"),
    ({"settings": ["lamp"]}, "--set lamp: not understood"),
    ({"settings": ["lamp=1"]}, "--set lamp=1: not understood"),
    ({"settings": ["lamp."]}, "--set lamp.: not understood"),
    ({"settings": [".level=1"]}, "--set .level=1: not understood"),
    ({"settings": ["lamp..level=1"]}, "--set lamp..level=1: not understood"),
    ({"settings": ["=1"]}, "--set =1: not understood"),
    ({"enabled": ["lamb"]}, 'lamb: no such feature; did you mean "lamp"?'),
]


@pytest.mark.parametrize(("changes", "text"), REFUSED, ids=range(len(REFUSED)))
def test_a_wrong_change_is_one_problem(changes, text):
    (problem,) = problems(**changes)
    assert problem.startswith("command line: ")
    assert text in problem


def test_all_problems_come_together():
    assert len(problems(enabled=["lamb", "door"], disabled=["door"], settings=["lamp", "lamp.level=x"])) == 4


INJECTIONS = ['1\nname = "x"', "1\n[door]", "1 # comment", '"a"\nlevel = 9', "1\r\nlevel = 9", "]", "{level = 9}"]


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_value_cannot_set_anything_else(value):
    container = changed(settings=[f"lamp.name={value}"])
    feature = container.feature("lamp")
    assert container.problems() if feature is None else (feature.level, feature.name) == (LAMP.feature().level, value)


@given(st.text(), st.text(alphabet=string.ascii_letters + "._=[]{}\"'\n#", max_size=30))
def test_any_text_is_a_change_or_a_problem(value, path):
    for text in (f"lamp.name={value}", f"lamp.{path}={value}", path):
        if not problems(settings=[text]):
            assert changed(settings=[text]).feature("lamp")
