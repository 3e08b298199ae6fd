"""The demo keeps its promises, and would tell if it did not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from haconiwa_core.testing import needs_program, needs_root

TREE = Path(__file__).resolve().parents[2]

pytestmark = [needs_root, needs_program("nsenter")]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy to change, without environments, caches and history."""
    return shutil.copytree(TREE, tmp_path / "tree", ignore=shutil.ignore_patterns(".*", "__pycache__"))


def demo(tree: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    environment = {"PATH": os.defpath, **os.environ, "TMPDIR": str(folder)}
    return subprocess.run([tree / "scripts" / "demo"], env=environment, capture_output=True, text=True, check=False)


def test_demo_holds_and_leaves_nothing_twice(tree: Path, tmp_path: Path) -> None:
    for attempt in ("first", "second"):
        done = demo(tree, tmp_path / attempt)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Hello from inside." in done.stdout
        assert "FAILED" not in done.stdout
        assert list((tmp_path / attempt).iterdir()) == []


def test_demo_tells_what_does_not_hold(tree: Path, tmp_path: Path) -> None:
    definition = tree / "examples" / "web.py"
    text = definition.read_text()
    changed = text.replace('hostname="web"', 'hostname="other"').replace("        IpcNamespace(),\n", "")
    assert changed.count("IpcNamespace") == text.count("IpcNamespace") - 1
    definition.write_text(changed.replace("from haconiwa_ns_ipc import IpcNamespace\n", ""))
    done = demo(tree, tmp_path / "only")
    failed = [line for line in done.stdout.splitlines() if line.startswith("  FAILED")]
    assert len(failed) == 2
    assert "ipc namespace" in failed[0]
    assert "host name" in failed[1]
    assert done.returncode == 1
