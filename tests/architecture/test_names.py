"""The core knows no feature by name; the names that it publishes change on purpose only."""

import ast
import inspect
import json
from pathlib import Path

import pytest
from architecture.tree import CORE, SOURCES, docstrings, features, parse

import haconiwa_core
from haconiwa_core.plugins import hookspecs
from haconiwa_core.stages import Stage

GOLDEN = Path(__file__).with_name("interface.json")


def feature_names_in(file):
    tree = parse(file)
    documentation = set(docstrings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in documentation and node.value in features():
            yield node.lineno, node.value


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(CORE)))
def test_no_literal_is_a_features_name(file):
    assert list(feature_names_in(file)) == []


def test_a_features_name_would_be_noticed(tmp_path):
    name = min(features())
    file = tmp_path / "module.py"
    file.write_text(f'"""{name}"""\nx = 1\ny = "{name}"\n')
    assert list(feature_names_in(file)) == [(3, name)]


def interface():
    """Return what plugins and programs build on."""
    hooks = {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if hasattr(function, f"{hookspecs.PROJECT}_spec")
    }
    return {"names": sorted(haconiwa_core.__all__), "hooks": hooks, "stages": [stage.name for stage in Stage]}


def test_the_public_interface_changes_on_purpose():
    """After a change that is meant, write `interface()` into interface.json."""
    assert interface() == json.loads(GOLDEN.read_text())
