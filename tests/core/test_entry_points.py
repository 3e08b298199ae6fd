"""Entry points are what `importlib.metadata` finds, in every kind of folder that an installer leaves."""

import importlib.metadata
import os
import sys

import pytest
from hypothesis import given, strategies

from haconiwa_core.plugins.entrypoints import EntryPoint, _parse, entry_points


def found():
    return sorted((item.name, item.value, item.group, item.distribution, item.version) for item in entry_points())


def expected():
    points = importlib.metadata.entry_points()
    return sorted(
        (item.name, item.value, item.group, item.dist.name, item.dist.version)
        for group in points.groups
        if group.startswith("haconiwa.")
        for item in points.select(group=group)
    )


def test_those_of_this_environment():
    assert found() == expected()


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return two folders that are searched before all others."""
    both = [tmp_path / "first", tmp_path / "second"]
    for folder in both:
        folder.mkdir()
    monkeypatch.setattr(sys, "path", [*map(str, both), *sys.path])
    return both


def write(folder, metadata, points, name, version="1.0", headers="METADATA"):
    (folder / metadata).mkdir()
    (folder / metadata / headers).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: text\n")
    if points is not None:
        (folder / metadata / "entry_points.txt").write_text(points)


LAMP = "[haconiwa.v1.features]\nlamp = lamp\n"


def test_each_kind_of_folder_and_file(folders):
    first, second = folders
    write(
        first,
        "lamp-1.0.dist-info",
        f"# comment\n\n{LAMP}  other=a.b : c.d [extra]\n[console_scripts]\nx = y:z\n",
        "lamp",
    )
    write(first, "old_lamp.egg-info", LAMP, "old-lamp", headers="PKG-INFO")
    write(first, "bare-2.dist-info", None, "bare")
    write(first, "Odd.Name-3.DIST-INFO", LAMP, "Odd.Name", "3")
    (first / "flat-1.0.egg-info").write_text("Name: flat\nVersion: 1.0\n")
    (second / "archive.zip").write_bytes(b"")
    sys.path += [str(second / "archive.zip"), str(second / "absent")]
    assert found() == expected()
    assert [row[3] for row in found() if row[0] == "lamp"] == ["Odd.Name", "lamp", "old-lamp"]


def test_two_distributions_that_claim_one_name(folders):
    write(folders[0], "lamp-1.0.dist-info", LAMP, "lamp")
    write(folders[1], "other_lamp-1.0.dist-info", LAMP, "other-lamp")
    assert found() == expected()
    assert [row[3] for row in found() if row[0] == "lamp"] == ["lamp", "other-lamp"]


def test_the_first_of_two_versions_on_the_path_counts(folders):
    write(folders[0], "a_lamp-2.0.dist-info", LAMP, "a.lamp", "2.0")
    write(folders[1], "a.lamp-1.0.dist-info", LAMP, "a.lamp", "1.0")
    assert found() == expected()
    assert [row[4] for row in found() if row[0] == "lamp"] == ["2.0"]


def test_the_working_directory_may_be_on_the_path(folders, monkeypatch):
    write(folders[1], "lamp-1.0.dist-info", LAMP, "lamp")
    monkeypatch.chdir(folders[1])
    monkeypatch.setattr(sys, "path", ["", *sys.path[2:]])
    assert found() == expected()
    assert "lamp" in [row[0] for row in found()]


LINES = strategies.lists(
    strategies.sampled_from(
        ["[haconiwa.v1.features]", "[haconiwa.v2.features]", "[other]", "a = b", " a=b:c ", "# a = b", "", "x = y = z"]
    )
)


@given(LINES)
def test_any_text_is_read_as_importlib_reads_it(lines):
    text = "\n".join(["[haconiwa.v0.features]", *lines])
    theirs = [
        (item.name, item.value, item.group)
        for item in importlib.metadata.EntryPoints._from_text(text)
        if item.group.startswith("haconiwa.")
    ]
    assert [item[:3] for item in _parse(text, "")] == theirs


VALUES = ["os", "os.path", "os:path", "os:path.join", " os : getcwd ", "os.path:join [extra]"]


@pytest.mark.parametrize("value", VALUES)
def test_what_a_value_means(value):
    theirs = importlib.metadata.EntryPoint("name", value.strip(), "group")
    ours = EntryPoint("name", value, "group")
    assert ours.load() is theirs.load()
    assert ours.module == theirs.module


def test_what_has_no_metadata_has_no_name():
    assert EntryPoint("name", "os", "group", os.devnull).distribution == "unknown"
