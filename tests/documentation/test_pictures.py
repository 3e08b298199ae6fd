"""The pictures show what the code says, and what was measured."""

from __future__ import annotations

import importlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
NAMES = ["density", "fastcontainer", "isolation", "stages", "timeline"]
PAGES = [*FOLDER.parent.rglob("*.md")]


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that draw, which are no package."""
    monkeypatch.syspath_prepend(FOLDER.parent)


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_up_to_date(name: str) -> None:
    drawn = importlib.import_module(f"pictures.{name}").picture()
    assert (FOLDER / f"{name}.svg").read_text("utf-8") == drawn, "run: python docs/draw.py"
    assert ElementTree.fromstring(drawn).tag.endswith("svg")


def test_every_picture_is_tested_and_stands_on_a_page() -> None:
    assert {file.stem for file in FOLDER.glob("*.svg")} == set(NAMES)
    shown = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in NAMES if f"pictures/{name}.svg)" not in shown] == []
