"""The zygote launcher, and what it loads."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import haconiwa_core
from haconiwa_core.errors import PluginError
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.launch.zygote import ZygoteLauncher
from haconiwa_core.testing import ResidentConformance, needs_root

FOLDER = Path(haconiwa_core.__file__).parents[1]
UNWANTED = {"typing", "enum", "dataclasses", "socket", "threading", "re", "inspect", "site", "haconiwa_core.linux"}


class TestZygote(ResidentConformance):
    launcher_class = ZygoteLauncher
    # Every Python does.
    ignored = frozenset({signal.SIGPIPE, signal.SIGXFSZ})


def test_a_launcher_that_nobody_provides():
    with pytest.raises(PluginError, match="one launcher other is wanted; there are: direct"):
        choose_launcher("other")


def test_it_loads_little():
    program = f"import sys; sys.path.append({str(FOLDER)!r}); import haconiwa_core.launch.serve; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", program]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & UNWANTED
    own = {name for name in loaded if name.startswith("haconiwa_core.launch.")}
    assert own == {f"haconiwa_core.launch.{name}" for name in ("encoding", "interpreter", "processes", "serve")}


@needs_root
def test_what_it_writes_by_the_way_nobody_else_can_write(tmp_path):
    """Whatever the mask of its caller: bytecode is code."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(haconiwa_core.__file__).parent, tree / "haconiwa_core", ignore=ignored)
    script = f"""
import os, sys
sys.path.insert(0, {str(tree)!r})
sys.dont_write_bytecode = True
os.environ["HACONIWA_STATE"] = {str(tmp_path / "state")!r}
os.umask(0)
from haconiwa_core.cli.main import main
sys.exit(main(["run", "--rm", "--launcher", "zygote", "--", "true"]))
"""
    subprocess.run([sys.executable, "-I", "-c", script], check=True)
    written = list(tree.rglob("__pycache__"))
    assert written
    assert [path for folder in written for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o022] == []
