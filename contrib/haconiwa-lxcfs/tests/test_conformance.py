import struct
from pathlib import Path

import pytest
from haconiwa_lxcfs import Lxcfs
from haconiwa_lxcfs.kernel import FUSE_SUPER_MAGIC, PATHS

from haconiwa_core.facts import FreshFilesystem, Namespace
from haconiwa_core.linux.constants import CLONE_NEWNS
from haconiwa_core.testing import Conformance, FakeKernel
from haconiwa_core.testing.fake.state import write_at


class KernelWithLxcfs(FakeKernel):
    """All that is bound is of lxcfs."""

    def _fstatfs(self, descriptor: int, output: int) -> None:
        self.descriptor(descriptor)
        write_at(output, struct.pack("q", FUSE_SUPER_MAGIC))


class TestConformance(Conformance):
    section = "lxcfs"
    facts = (
        Namespace("mnt", CLONE_NEWNS),
        FreshFilesystem("proc", "/proc", "pid"),
        FreshFilesystem("sysfs", "/sys", "net"),
    )
    valid = (Lxcfs(directory="lxcfs"),)
    kernel = KernelWithLxcfs

    @pytest.fixture
    def suitable_host(self, request: pytest.FixtureRequest) -> None:
        self.skip_on_other_hosts()
        request.getfixturevalue("lxcfs")

    def fill(self, folder: Path) -> None:
        if not (folder / "lxcfs").exists():
            for path in PATHS["proc"]:
                (folder / "lxcfs" / "proc" / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / "lxcfs" / "proc" / path).touch()
            for path in PATHS["sysfs"]:
                (folder / "lxcfs" / "sys" / path).mkdir(parents=True)
