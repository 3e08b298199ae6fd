"""The action, as it is called."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
from pathlib import Path

from haconiwa_core.testing import haconiwa_command

NEW = [*haconiwa_command(), "plugins", "new"]


def new(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NEW, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_it_says_what_to_type_next(tmp_path: Path) -> None:
    done = new(tmp_path, "slow-lamp", "--defaults")
    assert (done.returncode, done.stderr) == (0, "")
    enter, install, test = map(shlex.split, done.stdout.splitlines())
    assert enter == ["cd", "haconiwa-slow-lamp"]
    assert install == ["pip", "install", "--editable", ".[dev]"]
    assert test == ["pytest"]
    assert (tmp_path / "haconiwa-slow-lamp" / "pyproject.toml").exists()


def test_folder_kind_and_answers(tmp_path: Path) -> None:
    options = ["--folder", "my lamp", "--kind", "observer", "--data", "ci=none", "--data", "author=a=b"]
    done = new(tmp_path, "slow-lamp", "--defaults", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "cd 'my lamp'"
    made = tmp_path / "my lamp"
    assert (made / "haconiwa_slow_lamp" / "observer.py").exists()
    assert not (made / ".github").exists()
    assert 'authors = [{ name = "a=b" }]' in (made / "pyproject.toml").read_text()


def test_mistakes_are_told_as_everywhere(tmp_path: Path) -> None:
    for arguments, text in (
        (["new", "--defaults"], "the name new is taken: it belongs to haconiwa-new; choose another one"),
        (["slow-lamp", "--defaults", "--data", "ci"], "--data takes KEY=VALUE, not 'ci'"),
        (["slow-lamp"], "there is no terminal to ask on; add --defaults, and --data KEY=VALUE for other answers"),
    ):
        done = new(tmp_path, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"haconiwa: error: {text}\n")
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    terminal, its = pty.openpty()
    process = subprocess.Popen(
        [*NEW, "slow-lamp", "--kind", "command"], cwd=tmp_path, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    shown = b""
    answers = iter([b" by night\r", b"\r", b"\r", b"\r"])
    for question in (b"in one line?", b"Who publishes it?", b"Under which licence?", b"Where do its tests run"):
        while question not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, next(answers))
    try:
        while True:
            shown += os.read(terminal, 4096)
    except OSError:
        pass  # The other end is closed.
    os.close(terminal)
    assert process.wait() == 0, shown
    kept = (tmp_path / "haconiwa-slow-lamp" / ".copier-answers.yml").read_text()
    assert "description: how many steps each plugin adds to a plan by night\n" in kept
