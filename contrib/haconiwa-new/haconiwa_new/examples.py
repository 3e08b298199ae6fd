"""The example of a section: what the README of its distribution shows, in TOML and in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import Distribution
from typing import NamedTuple

from haconiwa_core.feature import Feature

_BLOCK = r"^```{}\n(.*?)^```$"
_KEY = re.compile(r'^(?=["A-Za-z])([^=]+?) *= *', re.MULTILINE)


class Example(NamedTuple):
    """Values of options as source text; a key of TOML may stand in a table below the section.

    Args:
        tables: of TOML: keys and values by header, such as "sysctl.values".
        arguments: of Python, by name.
        imports: of Python: what the arguments and the section's class need.
    """

    tables: dict[str, dict[str, str]]
    arguments: dict[str, str]
    imports: list[str]


def example_of(metadata: str, feature: type[Feature]) -> Example:
    """Return the example of a section; an empty one where its README has none.

    Args:
        metadata: the folder of the distribution's metadata.
        feature: the section's class.
    """
    readme = str(Distribution.at(metadata).metadata.json.get("description", ""))
    arguments, imports = _call(_block(readme, "python"), feature)
    return Example(_tables(_block(readme, "toml"), feature.section), arguments, imports)


def _block(readme: str, language: str) -> str:
    match = re.search(_BLOCK.format(language), readme, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def _tables(text: str, section: str) -> dict[str, dict[str, str]]:
    parts = re.split(r"^\[([^\[\]]+)\]\n", text, flags=re.MULTILINE)
    tables = {}
    for header, body in zip(parts[1::2], parts[2::2], strict=True):
        if header == section or header.startswith(f"{section}."):
            pieces = _KEY.split(body.strip())[1:]
            tables[header] = {key: value.strip() for key, value in zip(pieces[::2], pieces[1::2], strict=True)}
    return tables


def _call(text: str, feature: type[Feature]) -> tuple[dict[str, str], list[str]]:
    """Return the arguments of a feature's class, and what must be imported for it."""
    tree = _inlined(ast.parse(text))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    call = next((node for node in calls if ast.unparse(node.func) == feature.__name__), None)
    if call is None:
        return {}, [f"from {feature.__module__} import {feature.__name__}"]
    by_position = zip((item.name for item in fields(feature)), call.args, strict=False)
    given = [*by_position, *((item.arg or "", item.value) for item in call.keywords)]
    used = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
    imports = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (names := [item for item in node.names if item.name in used]):
            imports.append(ast.unparse(ast.ImportFrom(node.module, names, node.level)))
    return {name: _source(text, value) for name, value in given}, imports


class _Inlined(ast.NodeTransformer):
    """Puts values in the place of names that the example has given them."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._values.get(node.id)
        return node if value is None else value


def _inlined(tree: ast.Module) -> ast.Module:
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    values = {ast.unparse(target): node.value for node in assigned for target in node.targets}
    for node in assigned:
        node.value = _Inlined(values).visit(node.value)
    return tree


def _source(text: str, value: ast.expr) -> str:
    """Return a value as it is written, if that is one line and all of it."""
    written = ast.get_source_segment(text, value) or ""
    plain = ast.unparse(value)
    return plain if "\n" in written or ast.unparse(ast.parse(written, mode="eval")) != plain else written
