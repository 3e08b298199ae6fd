"""The least that works of each kind of plugin does work."""

from __future__ import annotations

from pathlib import Path

from documentation.pages import check_page
from publishing.local_index import TREE, Index

from haconiwa_core.testing import needs_root


@needs_root
def test_each_kind_does_what_its_page_shows(index: Index, tmp_path: Path) -> None:
    check_page(TREE / "docs" / "howto" / "plugin-kinds.md", tmp_path, **index.variables())
