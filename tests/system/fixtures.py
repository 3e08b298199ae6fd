"""Fixtures of the whole-system tests and the security tests."""

import os
import shutil
from pathlib import Path

import pytest
from system.world import BUSYBOX, HANDLES, Snapshot, libc, make_root, own_mounts

from haconiwa_core.linux import constants as c, remove_handle


@pytest.fixture(autouse=True)
def private_world():
    """Every test here runs as root on mounts of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: real containers with every kind of namespace")
    if not shutil.which(BUSYBOX):
        pytest.skip(f"needs {BUSYBOX} (Debian's busybox-static)")
    # A test that has changed its user for a while has left this process closed to others, which a program is not.
    libc("prctl", c.PR_SET_DUMPABLE, 1, 0, 0, 0)
    with own_mounts():
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


@pytest.fixture
def leaves_nothing():
    """The test must leave mounts, descriptors, children and state as they were."""
    before = Snapshot.taken()
    yield
    assert Snapshot.taken() == before


@pytest.fixture
def forget_handles():
    """End the namespaces that `everything(keep=True)` has kept."""

    def forget():
        for handle in HANDLES:
            remove_handle(handle)

    return forget
