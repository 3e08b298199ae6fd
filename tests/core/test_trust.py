"""Root uses no definition that somebody else could have written."""

import os
import tempfile
from pathlib import Path

import pytest
from core.support import plugins_of, problems_of

from haconiwa_core.definition.reading import read
from haconiwa_core.testing import needs_root

pytestmark = needs_root
STRANGER = 4321


@pytest.fixture
def place(monkeypatch):
    """A file in folders that root alone can write, below the sticky folder for temporary files."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "inner"
        inner.mkdir()
        file = inner / "app.toml"
        file.write_text('command = ["true"]\n')
        yield file


def refusals(file):
    return problems_of(read, str(file), plugins_of())


def test_roots_own_file_is_used(place):
    assert refusals(place) == []


@pytest.mark.parametrize("above", [0, 1, 2], ids=["file", "folder", "folder above"])
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_what_others_can_write_is_refused(place, above, mode):
    target = [place, *place.parents][above]
    target.chmod(mode)
    (problem,) = refusals(place)
    assert f"{target} can be written by others (mode {mode:04o})" in problem


@pytest.mark.parametrize("above", [0, 1, 2], ids=["file", "folder", "folder above"])
def test_what_belongs_to_others_is_refused(place, above):
    target = [place, *place.parents][above]
    os.chown(target, STRANGER, 0)
    (problem,) = refusals(place)
    assert f"{target} belongs to user {STRANGER}" in problem
    assert "chown it to root" in problem


def test_under_sudo_the_callers_files_are_used(place, monkeypatch):
    for target in (place, place.parent, place.parents[1]):
        os.chown(target, STRANGER, STRANGER)
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    assert refusals(place) == []
    monkeypatch.setenv("SUDO_UID", str(STRANGER + 1))
    assert len(refusals(place)) == 3


@pytest.mark.parametrize("text", ["", "x", "-1", "4321x", "٤٣٢١"])
def test_a_malformed_sudo_uid_trusts_nobody(place, monkeypatch, text):
    os.chown(place, STRANGER, 0)
    monkeypatch.setenv("SUDO_UID", text)
    assert refusals(place)


def test_a_sticky_folder_of_root_is_allowed(place):
    place.parent.chmod(0o1777)
    assert refusals(place) == []


def test_a_sticky_folder_of_somebody_else_is_not(place):
    place.parent.chmod(0o1777)
    os.chown(place.parent, STRANGER, 0)
    assert refusals(place)


def test_a_sticky_bit_does_not_protect_the_file_itself(place):
    place.chmod(0o1666)
    assert refusals(place)


def test_a_link_is_judged_by_where_it_leads(place):
    link = place.parents[1] / "link.toml"
    link.symlink_to(place)
    assert refusals(link) == []
    place.parent.chmod(0o777)
    (problem,) = refusals(link)
    assert f"{place.parent} can be written by others" in problem


def test_helpers_beside_a_definition_are_judged_too(place):
    program = place.with_name("app.py")
    helper = place.with_name("helper_beside.py")
    program.write_text('from haconiwa_core import Container\nimport helper_beside\nx = Container("x", ["true"])\n')
    helper.write_text("")
    assert refusals(program) == []
    helper.chmod(0o666)
    (problem,) = refusals(program)
    assert "can be written by others" in problem


def test_ordinary_users_may_use_what_they_can_read(place):
    for target in (place, place.parent, place.parents[1]):
        target.chmod(0o777)
    assert refusals(place)
    os.seteuid(STRANGER)
    try:
        assert refusals(place) == []
    finally:
        os.seteuid(0)
