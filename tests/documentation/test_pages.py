"""What the pages show is what happens, and their links lead somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from documentation.pages import check_page

from haconiwa_core.testing import needs_root

TREE = Path(__file__).resolve().parents[2]
PAGES = [TREE / "README.md", *sorted(TREE.joinpath("docs").rglob("*.md"))]
INSTALLING = {TREE / "docs" / "howto" / "plugin-kinds.md", TREE / "docs" / "howto" / "publish.md"}
"""What needs an index of packages is done by tests/publishing."""
NEEDED = {
    TREE / "docs" / "explanation" / "comparison.md": ("bwrap", "runc"),
    TREE / "docs" / "howto" / "fastcontainer.md": ("curl", "nginx"),
    TREE / "docs" / "howto" / "systemd.md": ("systemd-analyze",),
}
"""Programs of others that pages run."""

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def page_id(page: Path) -> str:
    return str(page.relative_to(TREE))


@needs_root
@pytest.mark.parametrize("page", [page for page in PAGES if page not in INSTALLING], ids=page_id)
def test_commands_do_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    for program in NEEDED.get(page, ()):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    shutil.copytree(TREE / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    check_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text("utf-8")):
        target = (page.parent / path) if path else page
        assert target.exists(), f"{path} is linked and does not exist"
        if anchor:
            headings = HEADING.findall(target.read_text("utf-8"))
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{path} has no heading #{anchor}"


def test_every_page_is_reached_from_the_index() -> None:
    """By links that a reader can follow on a code host, too; that the site's table of contents has it is sphinx's."""
    reached = [TREE / "docs" / "index.md"]
    for page in reached:
        linked = {(page.parent / path).resolve() for path, _ in LINK.findall(page.read_text("utf-8")) if path}
        reached += sorted(path for path in linked if path.suffix == ".md" and path not in reached)
    assert {page_id(page) for page in PAGES} <= {page_id(page) for page in reached}
