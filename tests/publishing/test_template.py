"""Whatever is answered, what the template makes is a distribution that keeps to its own rules and works."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from architecture.interface import PACKAGES, PUBLIC
from haconiwa_new.rendering import KINDS, TEMPLATE, render
from publishing.local_index import TREE, Index, Place, build

from haconiwa_core.testing import needs_program, needs_root

QUESTIONS = yaml.safe_load((TEMPLATE / "copier.yml").read_text("utf-8"))
SHORTEST, LONGEST = 1, 30
"""Names decide where lines break."""


class Made(NamedTuple):
    """A distribution, and the answers that it was made with."""

    folder: Path
    answers: dict[str, str]

    @property
    def package(self) -> Path:
        return self.folder / f"haconiwa_{self.answers['name']}"


def choices(question: str) -> list[str]:
    found = QUESTIONS[question]["choices"]
    return list(found.values() if isinstance(found, dict) else found)


def matrix() -> Iterator[dict[str, str]]:
    """Yield all answers that decide about files, for names of both lengths."""
    questions = ("kind", "ci", "licence", "host_step")
    # Only a feature is asked about the host.
    answers = [
        found
        for found in product(*map(choices, questions))
        if found[0] == "feature" or found[3] == choices("host_step")[0]
    ]
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert len(answers) == len(KINDS) * 3 * 2 + 3 * 2 <= len(letters) ** 2
    for number, found in enumerate(answers):
        # Each package has a name of its own, so that one run of mypy can check them all.
        name = letters[number // 26] + letters[number % 26]
        yield {"name": name.ljust(LONGEST, "x") if number % 2 else name, **dict(zip(questions, found, strict=True))}


def make(folder: Path, answers: dict[str, str]) -> Made:
    given = [f"{key}={value}" for key, value in answers.items() if key != "name"]
    render(answers["name"], str(folder), given, template=None, defaults=True)
    return Made(folder, answers)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """One distribution for each combination of answers."""
    folder = tmp_path_factory.mktemp("matrix")
    return [make(folder / answers["name"], answers) for answers in matrix()]


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def top(everything: list[Made]) -> Path:
    return everything[0].folder.parent


def test_it_is_made_for_every_kind(everything: list[Made]) -> None:
    assert choices("kind") == list(KINDS)
    assert {made.answers["kind"] for made in everything} == set(KINDS)


def test_it_can_be_compiled(everything: list[Made]) -> None:
    run(sys.executable, "-W", "error", "-m", "compileall", "-q", ".", cwd=top(everything))


@pytest.mark.parametrize("command", [["check"], ["format", "--diff"]], ids=" ".join)
def test_ruff_is_content(everything: list[Made], command: list[str]) -> None:
    run(sys.executable, "-m", "ruff", *command, "--no-cache", ".", cwd=top(everything))


def test_ruff_looks_at_it(everything: list[Made], tmp_path: Path) -> None:
    copy = shutil.copytree(everything[0].folder, tmp_path / "copy")
    (copy / everything[0].package.name / "__init__.py").write_text("def f(x):\n  return x\n")
    with pytest.raises(AssertionError, match="ANN201"):
        run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=copy)


@pytest.fixture(scope="module")
def typed(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An environment with what distributions of all kinds need."""
    needed = ["haconiwa-core[testing]", "haconiwa-cgroup", "haconiwa-supervision"]
    return Place(
        tmp_path_factory.mktemp("typed") / "venv",
        index,
        *needed,
        "haconiwa-no-new-privs",
        "haconiwa-ns-ipc",
        "haconiwa-rlimit",
    )


def mypy(typed: Place, folder: Path, *packages: Path) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull]
    return run(*command, "--python-executable", typed.folder / "bin" / "python", *packages, cwd=folder)


def test_mypy_is_content(everything: list[Made], typed: Place) -> None:
    assert "no issues found" in mypy(typed, top(everything), *(made.package for made in everything))


def test_mypy_looks_at_it(everything: list[Made], typed: Place, tmp_path: Path) -> None:
    copy = shutil.copytree(everything[0].package, tmp_path / "package")
    with (copy / "plugin.py").open("a") as file:
        file.write("\n\nhaconiwa_feature().section + 1\n")
    with pytest.raises(AssertionError, match="Unsupported operand"):
        mypy(typed, tmp_path, copy)


def test_it_builds_on_what_is_promised_to_last(everything: list[Made]) -> None:
    for made in everything:
        imports = (node for path in made.folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
        used = {node.module for node in imports if isinstance(node, ast.ImportFrom)}
        ours = {module for module in used if module and module.startswith("haconiwa_")}
        assert {module for module in ours if not module.startswith(made.package.name)} <= {*PUBLIC, *PACKAGES}


def test_it_is_a_wheel(everything: list[Made], tmp_path: Path) -> None:
    build_all = "import os, sys; from flit_core.buildapi import build_wheel\n"
    build_all += "for folder in sys.argv[2:]: os.chdir(folder); print(build_wheel(sys.argv[1]))"
    run(sys.executable, "-c", build_all, tmp_path, *(made.folder for made in everything), cwd=tmp_path)
    for made in everything:
        with zipfile.ZipFile(tmp_path / f"{made.package.name}-0.1.0-py3-none-any.whl") as wheel:
            names = set(wheel.namelist())
        information = f"{made.package.name}-0.1.0.dist-info"
        assert {f"{made.package.name}/{path.name}" for path in made.package.glob("*.*")} <= names
        assert f"{made.package.name}/py.typed" in names
        assert (f"{information}/licenses/LICENSE" in names) == (made.answers["licence"] == "MIT")
        assert (f"{information}/entry_points.txt" in names) == (made.answers["kind"] != "hooks")
        assert [name for name in names if "tests" in name or "changes" in name] == []


def scripts(made: Made) -> list[str]:
    """Return what is run for each change, wherever that is."""
    github, gitlab = made.folder / ".github/workflows/test.yml", made.folder / ".gitlab-ci.yml"
    assert (github.exists(), gitlab.exists()) == (made.answers["ci"] == "github", made.answers["ci"] == "gitlab")
    if github.exists():
        steps = yaml.safe_load(github.read_text())["jobs"]["test"]["steps"]
        return [step["run"] for step in steps if "run" in step]
    return list(yaml.safe_load(gitlab.read_text())["test"]["script"]) if gitlab.exists() else []


def test_for_each_change_is_run_what_its_author_runs(everything: list[Made]) -> None:
    for made in everything:
        lines = scripts(made)
        assert bool(lines) == (made.answers["ci"] != "none")
        if lines:
            assert "ruff check . && ruff format --check . && mypy" in lines
            assert any("-m pytest" in line for line in lines)


def test_its_changes_become_a_release(everything: list[Made]) -> None:
    for made in everything[:1]:
        told = run(sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0.1.0", cwd=made.folder)
        assert "- First release: " in told


SUITES = [
    *({"name": f"my-{kind}", "kind": kind} for kind in KINDS),
    {"name": "my-host", "kind": "feature", "host_step": "yes"},
]


@needs_root
@pytest.mark.parametrize("answers", SUITES, ids=lambda answers: answers["name"])
def test_its_own_tests_pass_where_nothing_else_is_installed(
    answers: dict[str, str], index: Index, tmp_path: Path
) -> None:
    made = make(tmp_path / "made", answers)
    wheel = build(made.folder, tmp_path)
    extra = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    # Of what it is developed with, the tools for style and types are not what its tests need.
    needed = [requirement for requirement in extra if requirement.startswith("haconiwa-")]
    place = Place(tmp_path / "venv", index, str(wheel), *needed)
    # Apart from its package, so that the wheel is what is tested.
    shutil.copytree(made.folder / "tests", tmp_path / "apart" / "tests")
    shutil.copy(made.folder / "pyproject.toml", tmp_path / "apart")
    python = place.folder / "bin" / "python"
    told = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "apart")
    assert " passed" in told
    if answers["kind"] != "controller":  # Which needs version 2.
        assert "skipped" not in told, told


@needs_program("git")
def test_a_clone_of_the_tree_is_a_template_too(tmp_path: Path) -> None:
    """So `copier update` can follow the tree's tags."""
    clone = tmp_path / "clone"
    shutil.copytree(TEMPLATE, clone / TEMPLATE.relative_to(TREE))
    shutil.copy(TREE / "copier.yml", clone)
    author = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (["init"], ["add", "--all"], ["commit", "--message", "first"], ["tag", "v0.1.0"]):
        run("git", *command, cwd=clone, **author, GIT_CONFIG_GLOBAL=os.devnull)
    made = {}
    for source in (None, str(clone)):
        folder = tmp_path / f"from-{'tree' if source else 'installed'}"
        render("slow-lamp", str(folder), ["kind=profile"], template=source, defaults=True)
        answers = folder / ".copier-answers.yml"
        assert ("_commit: v0.1.0\n" in answers.read_text()) == bool(source)
        answers.unlink()
        made[source] = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert made[None] == made[str(clone)]
