"""A world of its own for each test, and a root of busybox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal.person import World, world_in

from haconiwa_core.testing import busybox_root

APPLETS = ("stty", "tty", "dd", "od", "ps", "kill", "head", "wc", "md5sum", "yes", "grep", "cut", "setsid", "vi")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A state directory of its own."""
    with world_in(tmp_path) as world:
        yield world


@pytest.fixture
def box(tmp_path: Path) -> list[str]:
    """Options of a container with a root, mounts, processes and a devpts of its own."""
    root = busybox_root(tmp_path / "root")
    for applet in APPLETS:
        os.symlink("busybox", root / "bin" / applet)
    mounts = ("proc", "dev", "devpts")
    return [
        *("--with=ns-pid", "--with=ns-mount", f"--set=chroot.root={root}"),
        *(f"--set=mount.{option}=true" for option in mounts),
    ]
