"""What has changed since the last release is told by fragments, of which the changelogs are made."""

import re
import subprocess
import tomllib

import pytest
from architecture.tree import PROJECTS, ROOT

FOLDERS = [ROOT, *PROJECTS]
SETTINGS = tomllib.loads((ROOT / "towncrier.toml").read_text())["tool"]["towncrier"]
KINDS = set(SETTINGS["fragment"])


def fragments(folder):
    return [file for file in sorted((folder / SETTINGS["directory"]).iterdir()) if file.name != ".gitignore"]


def package(folder):
    """Return the folder of the modules that a distribution installs."""
    return "haconiwa_core" if folder == ROOT else folder.name.replace("-", "_")


def untold(tree, folders, tag):
    """Return the distributions whose package is not what it was at a tag, and that have no fragment."""

    def has_changed(folder):
        return bool(git(tree, "diff", "--name-only", tag, "--", str(folder / package(folder))))

    return [folder for folder in folders if has_changed(folder) and not fragments(folder)]


def git(tree, *arguments):
    command = ["git", "-C", str(tree), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_fragments_are_of_known_kinds_and_say_something(folder):
    for file in fragments(folder):
        match = re.fullmatch(r"[a-z0-9][a-z0-9-]*\.([a-z]+)\.md", file.name)
        assert match, f"{file} is not called NAME.KIND.md"
        assert match[1] in KINDS, f"{file} is of none of the kinds {', '.join(sorted(KINDS))}"
        assert file.read_text("utf-8").strip().endswith("."), f"{file} says nothing, or no sentence"


def test_every_change_since_the_last_release_is_told():
    if not (ROOT / ".git").exists():
        pytest.skip("this copy of the tree has no history")
    tag = git(ROOT, "tag", "--list", "v*", "--sort=-version:refname").partition("\n")[0]
    if not tag:
        pytest.skip("the history has no tag of a release: there was none, or the tags were not fetched")
    assert untold(ROOT, FOLDERS, tag) == []


def test_an_untold_change_would_be_noticed(tmp_path):
    folders = [tmp_path / name for name in ("haconiwa-one", "haconiwa-two")]
    for folder in folders:
        for inner in (folder / "changes", folder / package(folder), folder / "tests"):
            inner.mkdir(parents=True)
            (inner / ".gitignore").write_text("!.gitignore\n")
        (folder / package(folder) / "plugin.py").write_text("x = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=First")
    git(tmp_path, "tag", "v0.1.0")
    assert untold(tmp_path, folders, "v0.1.0") == []
    one, two = folders
    (two / "tests" / "test_plugin.py").write_text("y = 1\n")
    git(tmp_path, "add", "--all")
    assert untold(tmp_path, folders, "v0.1.0") == []
    (one / package(one) / "plugin.py").write_text("x = 2\n")
    assert untold(tmp_path, folders, "v0.1.0") == [one]
    (one / "changes" / "two.bugfix.md").write_text("It is 2.\n")
    assert untold(tmp_path, folders, "v0.1.0") == []
