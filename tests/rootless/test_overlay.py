"""Overlays that an ordinary user mounts in his user namespace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rootless.conftest import HOME, UID, Run, output

OPTIONS = ("--with", "ns-user", "--with", "ns-mount")
REPLACE = "ls /mnt/folder; rm -r /mnt/folder && mkdir /mnt/folder && ls -A /mnt/folder; echo new >/mnt/folder/file"


@pytest.fixture
def layers(machine: Path) -> Iterator[Path]:
    """Two lower directories with one folder, an upper and a work directory, all of them the user's."""
    try:
        os.setxattr(HOME, "user.tried", b"1")
    except OSError:
        pytest.skip("a tmpfs has attributes of users since Linux 6.6 only")
    folder = HOME / "layers"
    for name in ("a/folder/below", "b/folder", "upper", "work"):
        (folder / name).mkdir(parents=True)
    (folder / "a/folder/file").write_text("a")
    (folder / "b/folder/other").write_text("b")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, UID, UID)
    yield folder
    shutil.rmtree(folder)


def overlay(layers: Path, *more: str) -> str:
    items = ", ".join(('target="/mnt"', f'lower=["{layers}/a", "{layers}/b"]', *more))
    return f"mount.overlay=[{{{items}}}]"


def test_a_removed_directory_stays_removed(layers: Path, user: Run) -> None:
    """Which needs attributes that only root may set, unless the mount takes the user's instead."""
    done = user("run", "--rm", *OPTIONS, "--set", overlay(layers), "--", "sh", "-c", f"{REPLACE}; ls /mnt/folder")
    assert output(done).split() == ["below", "file", "other", "file"]
    assert (layers / "a/folder/file").read_text() == "a"


def test_changes_are_kept_in_a_directory_of_his(layers: Path, user: Run) -> None:
    options = ("--set", overlay(layers, f'upper="{layers}/upper"', f'work="{layers}/work"'))
    output(user("run", "--rm", *OPTIONS, *options, "--", "sh", "-c", REPLACE))
    assert output(user("run", "--rm", *OPTIONS, *options, "--", "ls", "/mnt/folder")).split() == ["file"]
    assert (layers / "upper/folder/file").stat().st_uid == UID
    assert (layers / "b/folder/other").exists()
