"""Layers that are merged, with changes in memory and on the disk, for ids of the host and of the container's own."""

import os
from pathlib import Path

import pytest
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_user import UserNamespace
from haconiwa_rootfs.provisioning.layered import INSTALLED, Layered

from haconiwa_core.facts import IdRange
from haconiwa_core.feature import Feature
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.testing import needs_program, needs_root, run
from haconiwa_core.testing.roots import busybox_root

pytestmark = [needs_root, needs_program("busybox")]

RANGE = IdRange(0, 100000, 65536)
OWN_IDS = UserNamespace(uid_map=[RANGE], gid_map=[RANGE])
SCRIPT = "stat -c '%n %u' / /bin/busybox /upper; touch /made; busybox rm /upper; stat -c '%n %u' /made; ls /upper"
SEEN = ["/ 0", "/bin/busybox 0", "/upper 0", "/made 0"]


@pytest.fixture
def layers(tmp_path: Path) -> list[str]:
    (tmp_path / "second").mkdir(mode=0o755)
    (tmp_path / "second" / "upper").touch()
    # No mapped root could walk here.
    tmp_path.chmod(0o700)
    return [str(busybox_root(tmp_path / "first")), str(tmp_path / "second")]


@pytest.fixture
def changes(tmp_path: Path) -> Path:
    for name in ("upper", "work"):
        (tmp_path / "changes" / name).mkdir(parents=True)
    return tmp_path / "changes"


@pytest.mark.parametrize("own_ids", [False, True], ids=["ids of the host", "ids of its own"])
@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "on the disk"])
def test_a_root_of_two_layers(layers: list[str], changes: Path, kept: bool, own_ids: bool) -> None:
    before = {path: os.lstat(path) for layer in layers for path in Path(layer).rglob("*")}
    root = Layered(layers=layers, directory=str(changes) if kept else "", idmapped=own_ids)
    more: list[Feature] = [OWN_IDS] if own_ids else []
    plugins = Plugins([*installed(), INSTALLED])
    outcome = run(root, MountNamespace(), *more, command=["sh", "-c", SCRIPT], plugins=plugins, folder="/")
    assert outcome.stdout.splitlines() == SEEN, outcome.stderr
    assert "ls: /upper: No such file" in outcome.stderr
    assert {path: os.lstat(path) for path in before} == before
    assert sorted(os.listdir(changes / "upper")) == (["made", "upper"] if kept else [])
    assert {(changes / "upper" / name).lstat().st_uid for name in os.listdir(changes / "upper")} <= {0}
