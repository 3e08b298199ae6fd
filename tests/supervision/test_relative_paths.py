"""Relative paths of a container that a program makes start where the program stands, whoever keeps the container."""

from __future__ import annotations

import pytest
from haconiwa_chroot import Chroot
from haconiwa_ns_mount import MountNamespace
from haconiwa_runtime import Runtime
from supervision.conftest import House

from haconiwa_core import Container
from haconiwa_core.testing import busybox_root, needs_program, needs_root


@needs_root
@needs_program("busybox")
@pytest.mark.parametrize("kept", [False, True])
def test_relative_paths_start_where_the_program_stands(
    kept: bool, house: House, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = busybox_root(tmp_path / "root")
    (root / "here").touch()
    if kept:
        house.open(cwd="/")
    monkeypatch.chdir(tmp_path)
    container = Container("placed", ["/bin/sh", "-c", "echo /here; exec sleep 600"], [MountNamespace(), Chroot("root")])
    with Runtime(store=house.store) as runtime:
        running = runtime.start(container)
        # Whoever enters it stands elsewhere.
        entered = house.run("exec", running.name, "--", "/bin/ls", "/here", cwd="/")
        assert (entered.stdout, entered.stderr) == ("/here\n", "")
