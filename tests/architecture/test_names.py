"""The core knows no feature by name."""

import ast

import pytest
from architecture.tree import CORE, SOURCES, docstrings, features, parse


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
