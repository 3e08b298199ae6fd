"""What the READMEs of the distributions show is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from documentation.pages import check_page

from haconiwa_core.testing import needs_root

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"


@needs_root
@pytest.mark.parametrize("name", ["haconiwa-stats"])
def test_commands_do_what_the_readme_shows(name: str, tmp_path: Path) -> None:
    check_page(CONTRIB / name / "README.md", tmp_path)
