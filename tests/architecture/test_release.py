"""A release changes what it should: versions, floors, changelogs, the released interface; nothing else."""

import json
import re
import shutil
import subprocess
import tomllib

import pytest
from architecture.tree import CORE_PROJECT, OUTSIDERS, PROJECTS, ROOT

NEXT = "0.87.3"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy, in which a release was made of what is here and of one fragment more."""
    tree = tmp_path_factory.mktemp("release") / "tree"
    ignored = shutil.ignore_patterns(".git", ".venv", ".tox", ".*cache", "__pycache__", "build", "dist")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=ignored)
    (tree / "plugins" / "haconiwa-rlimit" / "changes" / "other.bugfix.md").write_text("Limits are limits.\n")
    released = tree / "tests" / "architecture" / "released.json"
    released.write_text(json.dumps({"groups": [], "hooks": {}, "names": {}}))
    subprocess.run(["git", "init", "--quiet", tree], check=True)
    done = release(tree, NEXT)
    assert done.returncode == 0, done.stderr
    return tree


def release(tree, *arguments):
    command = [tree / "scripts" / "release", *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def projects_in(tree):
    folders = [tree, *(tree / folder.relative_to(ROOT) for folder in PROJECTS)]
    return {folder: tomllib.loads((folder / "pyproject.toml").read_text()) for folder in folders}


def test_all_have_the_version_and_need_it_of_each_other(tree):
    for project in projects_in(tree).values():
        assert project["project"]["version"] == NEXT
        ours = [item for item in project["project"].get("dependencies", ()) if item.startswith("haconiwa-")]
        assert all(re.fullmatch(r"haconiwa-[a-z-]+>=0\.87,<1", item) for item in ours)


def test_nothing_else_of_a_project_changes(tree):
    before = {ROOT: CORE_PROJECT} | PROJECTS
    for folder, project in projects_in(tree).items():
        text = json.dumps(before[ROOT / folder.relative_to(tree)])
        version = CORE_PROJECT["project"]["version"]
        minor = version.rpartition(".")[0]
        assert json.dumps(project) == text.replace(f'"{version}"', f'"{NEXT}"').replace(f">={minor},<1", ">=0.87,<1")


def test_fragments_become_changelogs(tree):
    for folder in projects_in(tree):
        assert [file.name for file in (folder / "changes").iterdir()] == [".gitignore"]
        name = folder.name if folder != tree else "haconiwa-core"
        assert (folder / "CHANGELOG.md").read_text().startswith(f"# {name} {NEXT} (")
    text = (tree / "plugins" / "haconiwa-rlimit" / "CHANGELOG.md").read_text()
    assert "\n## Fixes\n\n- Limits are limits.\n" in text


def test_the_interface_counts_as_released(tree):
    folder = tree / "tests" / "architecture"
    assert (folder / "released.json").read_text() == (folder / "interface.json").read_text()


@pytest.mark.parametrize("name", OUTSIDERS)
def test_what_is_a_strangers_stays(tree, name):
    def contents(folder):
        files = [*(folder / "changes").iterdir(), folder / "pyproject.toml"]
        return {file.relative_to(folder): file.read_bytes() for file in files}

    assert contents(tree / "contrib" / name) == contents(ROOT / "contrib" / name)
    assert not (tree / "contrib" / name / "CHANGELOG.md").exists()


@pytest.mark.parametrize("arguments", [(), ("1",), ("0.2",), ("0.2.0rc1",), ("v0.2.0",), ("0.2.0; true",)])
def test_only_a_version_is_taken(arguments):
    done = release(ROOT, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
