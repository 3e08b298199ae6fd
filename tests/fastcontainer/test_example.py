"""The example with ten tenants: all are answered, containers come and go, and nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from haconiwa_core.testing import needs_program, needs_root

TREE = Path(__file__).resolve().parents[2]
EXAMPLE = Path("examples", "fastcontainer")

# Its ports are those of a network of its own.
OWN_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]

pytestmark = [needs_root, needs_program("nginx"), needs_program("unshare"), needs_program("ip")]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy to change, with what draws."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TREE / EXAMPLE, tmp_path / EXAMPLE, ignore=ignored)
    (tmp_path / "docs").symlink_to(TREE / "docs")
    (tmp_path / "temporary").mkdir()
    return tmp_path


def run(tree: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree / EXAMPLE / "run.py"), "--seconds", str(seconds), "--folder", str(tree)]
    environment = {**os.environ, "TMPDIR": str(tree / "temporary")}
    environment.pop("HACONIWA_STATE", None)
    return subprocess.run(
        [*OWN_NETWORK, *command], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def processes_of(tree: Path) -> list[str]:
    """Return what processes have been told whose state is in the run's folder: front, supervisor, keeper of logs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            continue  # It is nobody's that this one has started.
        if os.fsencode(tree / "temporary") in told:
            found.append(told.decode(errors="replace"))
    return found


def groups() -> set[str]:
    """Return the control groups of containers."""
    return {str(group) for group in Path("/sys/fs/cgroup").rglob("haconiwa/*") if group.is_dir()}


def test_everybody_is_answered_and_nothing_is_left(tree: Path) -> None:
    before = groups()
    done = run(tree, 8)
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((tree / "fastcontainer.json").read_text())
    assert data["lost"] == 0
    assert data["requests"] > 300
    assert "its log says: there is no database" in done.stdout

    lives = {tenant: [life for life in data["containers"] if life[0] == tenant] for tenant in data["tenants"]}
    assert len(lives) == 10
    assert [tenant for tenant, own in lives.items() if not own] == ["broken"]
    assert {tenant for _, tenant in data["failures"]} == {"broken"}
    # It is always used, so only its age ends it, and another one has come before.
    (first, *_), second = lives["agenda"][:1], lives["agenda"][1]
    assert first[3] == "life"
    assert second[1] < first[2]
    assert {life[3] for life in lives["blog"]} == {"idle"}
    assert len(lives["shop"]) > 1
    assert max(sample[1] for sample in data["samples"]) > 3
    assert data["samples"][-1][1] == 0
    assert {"blog", "reports", "feed", "chat", "echo"} <= {tenant for _, tenant, _ in data["cold"]}

    assert ElementTree.parse(tree / "fastcontainer.svg").getroot().tag.endswith("svg")
    assert list((tree / "temporary").iterdir()) == []
    assert processes_of(tree) == []
    assert groups() <= before


def test_what_is_left_would_be_seen(tree: Path) -> None:
    with subprocess.Popen(
        ["sleep", "60"], env={**os.environ, "HACONIWA_STATE": str(tree / "temporary" / "state")}
    ) as left:
        # Until its program is executed it is told what this process was told.
        deadline = time.monotonic() + 30
        while not (seen := processes_of(tree)) and time.monotonic() < deadline:
            time.sleep(0.01)
        left.kill()
    assert len(seen) == 1


def test_a_wrong_answer_is_a_lost_request(tree: Path) -> None:
    program = tree / EXAMPLE / "applications" / "notes.py"
    text = program.read_text()
    assert "notes: %d" in text
    program.write_text(text.replace("notes: %d", "note: %d"))
    done = run(tree, 1)
    assert done.returncode == 1, done.stdout + done.stderr
    lost = [line for line in done.stdout.splitlines() if line.startswith("lost ")]
    assert lost
    assert all(line.split()[1] == "notes" for line in lost)
    assert json.loads((tree / "fastcontainer.json").read_text())["lost"] == len(lost)
