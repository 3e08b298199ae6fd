"""Files of the host that belong to the container's ids: on the disk they are root's, outside they are nobody's."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from haconiwa_chroot import Chroot
from haconiwa_mount import Bind, Mount
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_user import UserNamespace

from haconiwa_core.errors import SetupError
from haconiwa_core.facts import IdRange
from haconiwa_core.testing import needs_program, needs_root, run
from haconiwa_core.testing.roots import busybox_root

pytestmark = [needs_root, needs_program("busybox")]

RANGES = ([IdRange(0, 100000, 1000)], [IdRange(0, 200000, 1000)])
FEATURES = (MountNamespace(), UserNamespace(uid_map=RANGES[0], gid_map=RANGES[1]))
OWNERS = "stat -c %u:%g /bin/busybox; touch /made && stat -c %u:%g /made"
UNMAPPED = "65534:65534"


@pytest.fixture
def root() -> Iterator[Path]:
    # Not below pytest's own directories, whose file system may be another.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        busybox_root(Path(folder))
        yield Path(folder)


def test_a_root(root: Path) -> None:
    chroot = Chroot(str(root), idmapped=True, read_only=False)
    outcome = run(chroot, *FEATURES, command=["sh", "-c", OWNERS])
    assert outcome.stdout.split() == ["0:0", "0:0"], outcome.stderr
    made = (root / "made").stat()
    assert (made.st_uid, made.st_gid) == (0, 0)


def test_a_root_that_is_not_mapped(root: Path) -> None:
    outcome = run(Chroot(str(root), read_only=False), *FEATURES, command=["sh", "-c", OWNERS])
    assert outcome.stdout.split() == [UNMAPPED]
    assert "Permission denied" in outcome.stderr


def test_binds(root: Path) -> None:
    (root / "mnt").mkdir()
    binds = [Bind(str(root), f"/mnt/{name}", idmapped=name == "mapped") for name in ("mapped", "plain")]
    for name in ("mapped", "plain"):
        (root / "mnt" / name).mkdir()
    command = ["stat", "-c", "%u:%g", "/mnt/mapped/bin/busybox", "/mnt/plain/bin/busybox"]
    outcome = run(Chroot(str(root)), Mount(bind=binds), *FEATURES, command=command)
    assert outcome.stdout.split() == ["0:0", UNMAPPED], outcome.stderr


def test_ids_that_are_not_in_the_map(root: Path) -> None:
    os.chown(root / "bin" / "busybox", 1000, 999)
    outcome = run(Chroot(str(root), idmapped=True), *FEATURES, command=["stat", "-c", "%u:%g", "/bin/busybox"])
    assert outcome.stdout.split() == ["65534:999"], outcome.stderr


def test_a_file_system_that_cannot_be_mapped(root: Path) -> None:
    (root / "mnt").mkdir()
    mount = Mount(bind=[Bind("/proc/sys", "/mnt", idmapped=True)])
    with pytest.raises(SetupError) as caught:
        run(Chroot(str(root)), mount, *FEATURES, command=["true"])
    assert caught.value.plugin == "mount"
    assert "the file system cannot be mapped" in str(caught.value)
