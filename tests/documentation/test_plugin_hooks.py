"""Each hook that plugins implement is documented with its signature.

That each of them has a test that calls it is seen to by tests/core/test_hookspecs.py.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from haconiwa_core.plugins import hookspecs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "plugin-hooks.md"
HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
}
HEADINGS = dict(re.findall(r"^### `(\w+)\((.*)\)`$", PAGE.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_has_a_heading_with_its_signature(name: str) -> None:
    assert HEADINGS[name] == ", ".join(inspect.signature(HOOKS[name]).parameters)


def test_each_heading_is_a_hook() -> None:
    assert HOOKS
    assert set(HEADINGS) == set(HOOKS)
