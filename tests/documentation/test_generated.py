"""What the pages repeat of the code is up to date."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
PAGES = [TREE / "README.md", *sorted(TREE.joinpath("docs").rglob("*.md"))]


def generator():
    """docs/ is no package, so its one program is loaded by its path."""
    specification = importlib.util.spec_from_file_location("generate", TREE / "docs" / "generate.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TREE)))
def test_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert generator().generate(text) == text, "run: python docs/generate.py"


def test_every_part_stands_on_a_page() -> None:
    """Stages, hooks, options, exit statuses: nothing public is left out."""
    used = {name for page in PAGES for name in re.findall(r"<!-- generated: (\S+) -->", page.read_text("utf-8"))}
    assert used == set(generator()._PARTS)
