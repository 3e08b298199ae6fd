"""The folder whose path a case has where it says TREE."""

from pathlib import Path

import pytest
from fake_kernel.both import TREE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make TREE for real."""
    top = tmp_path / "tree"
    (top / "directory" / "below").mkdir(parents=True)
    (top / "file").touch()
    (top / "program").touch(0o755)
    for name in ("link", "loop", "outside"):
        (top / name).symlink_to(TREE[name])
    return top
