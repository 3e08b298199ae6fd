"""The page about what a front says names all that it says."""

from __future__ import annotations

import re
from pathlib import Path

TREE = Path(__file__).parents[2]
SOURCES = TREE / "contrib" / "haconiwa-fastcontainer" / "haconiwa_fastcontainer"
PAGE = (TREE / "docs" / "reference" / "fastcontainer.md").read_text()


def test_every_event_is_on_the_page() -> None:
    told = {kind for file in SOURCES.rglob("*.py") for kind in re.findall(r'\.tell\("([a-z ]+)"', file.read_text())}
    assert len(told) > 10
    assert told == set(
        re.findall(r"^\| `([a-z ]+)` \|", PAGE.split("## On standard output")[1].split("## To")[0], re.M)
    )


def test_every_metric_is_on_the_page() -> None:
    text = (SOURCES / "metrics.py").read_text()
    names = re.findall(r"\{_PREFIX\}([a-z_]+)", text)
    assert len(names) > 5
    assert [name for name in names if f"_{name}" not in PAGE] == []
