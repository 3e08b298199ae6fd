"""What the pages repeat of the code is up to date."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from haconiwa_core.plugins.catalogue import known_names

TREE = Path(__file__).resolve().parents[2]
PAGES = [TREE / "README.md", *sorted(TREE.joinpath("docs").rglob("*.md"))]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program in docs/, which is no package."""
    monkeypatch.syspath_prepend(TREE / "docs")
    return importlib.import_module("generate")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TREE)))
def test_generated_parts_are_up_to_date(page: Path, generator: ModuleType) -> None:
    text = page.read_text("utf-8")
    assert generator.generate(text) == text, "run: python docs/generate.py"


def test_every_part_stands_on_a_page(generator: ModuleType) -> None:
    """Stages, hooks, options, exit statuses: nothing public is left out."""
    assert {name for name, _ in parts()} == set(generator._PARTS)


def parts() -> set[tuple[str, str]]:
    """Return the parts of all pages, each with its arguments."""
    pattern = re.compile(r"<!-- generated: (\S+)(.*) -->")
    return {(name, words.strip()) for page in PAGES for name, words in pattern.findall(page.read_text("utf-8"))}


def test_every_feature_has_its_page() -> None:
    pages = {page.stem for page in (TREE / "docs" / "features").glob("*.md")} - {"index"}
    assert pages == set(known_names())
    assert {words for name, words in parts() if name == "feature"} == pages
