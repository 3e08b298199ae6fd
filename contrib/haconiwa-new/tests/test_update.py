"""A later version of the template is merged into what was made of an earlier one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from haconiwa_new.rendering import TEMPLATE, render

from haconiwa_core.testing import needs_program

AUTHOR = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **AUTHOR, **ALONE}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def commit(folder: Path, tag: str) -> None:
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", tag)
    run(folder, "git", "tag", tag)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A git repository with the template, which has one version."""
    folder = shutil.copytree(TEMPLATE, tmp_path / "template")
    commit(folder, "v1.0.0")
    return folder


@needs_program("git")
def test_an_update_keeps_what_the_author_has_changed(template: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    render("slow-lamp", str(made), ["ci=gitlab"], template=str(template), defaults=True)
    assert "_commit: v1.0.0\n" in (made / ".copier-answers.yml").read_text()
    change(made / "pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    (made / "haconiwa_slow_lamp" / "kernel.py").unlink()
    (made / "haconiwa_slow_lamp" / "wick.py").touch()
    commit(made, "mine")

    change(template / "project" / "pyproject.toml.jinja", '"ruff>=0.11"', '"ruff>=0.12"')
    commit(template, "v1.1.0")
    run(made, sys.executable, "-m", "copier", "update", "--defaults", "--quiet")

    project = (made / "pyproject.toml").read_text()
    assert 'version = "0.2.0"' in project
    assert '"ruff>=0.12"' in project
    assert {path.name for path in (made / "haconiwa_slow_lamp").glob("*.py")} == {"__init__.py", "plugin.py", "wick.py"}
    assert (made / ".gitlab-ci.yml").exists()
    answers = (made / ".copier-answers.yml").read_text()
    assert "_commit: v1.1.0\n" in answers
    assert "ci: gitlab\n" in answers
