"""What archives of strangers cost: memory and disk, measured."""

import subprocess
import sys
from pathlib import Path

import pytest
from hostile_archives.corpus import Member, archive, gzip_bomb, wide_window, xz_bomb, zstd_bomb

from haconiwa_core.testing import needs_root

pytestmark = needs_root

MIB = 1 << 20

MEASURE = """
import os, resource, sys
from haconiwa_rootfs.unpack import Limits, UnpackError, unpack
try:
    unpack(0, sys.argv[1], Limits(size=64 << 20, files=1000, memory=512 << 20, seconds=60))
    print("unpacked", end=" ")
except UnpackError as error:
    print("refused", end=" ")
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
"""


def measured(data: bytes, target: Path) -> tuple[str, int, int]:
    """Return what became of an archive, the memory that it took, and the disk, both in MiB."""
    target.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, target], input=data, capture_output=True, check=True, timeout=100
    )
    outcome, memory = done.stdout.split()
    disk = sum(path.lstat().st_blocks * 512 for path in target.rglob("*"))
    return outcome.decode(), int(memory), disk // MIB


@pytest.mark.parametrize("bomb", [gzip_bomb, xz_bomb, zstd_bomb])
def test_a_bomb_costs_no_more_than_is_allowed(bomb, tmp_path: Path) -> None:
    data = bomb(512 * MIB)
    assert len(data) < 4 * MIB
    outcome, memory, disk = measured(data, tmp_path / "target")
    assert outcome == "refused"
    assert memory < 150
    assert disk <= 64


def test_control_a_smaller_one_is_unpacked(tmp_path: Path) -> None:
    assert measured(gzip_bomb(60 * MIB), tmp_path / "target")[0] == "unpacked"


def test_a_wide_window_is_refused(tmp_path: Path) -> None:
    outcome, memory, _ = measured(wide_window(), tmp_path / "target")
    assert (outcome, memory < 150) == ("refused", True)


def test_a_sparse_file_costs_what_it_holds(tmp_path: Path) -> None:
    assert measured(archive(Member("zeros", content=bytes(40 * MIB))), tmp_path / "target")[2] == 0
