"""Archives and images of an ordinary user: unpacked in a user namespace, with the ids that the host gives to him."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hostile_archives.corpus import OUTSIDE, WHITEOUTS, Member, archive, directory
from rootless.conftest import FIRST, HOME, PYTHON, UID, as_user

UNPACK = """
import sys
from haconiwa_rootfs.unpack import Policy, UnpackError, unpack
try:
    print(unpack(0, sys.argv[1], policy=Policy(whiteouts=sys.argv[2] == "layer")))
except UnpackError as error:
    print("refused:", error)
"""
PACK = """
import sys
from haconiwa_rootfs.images.reading import packed
with packed(sys.argv[1:]) as stream:
    sys.stdout.buffer.write(stream.read())
"""
OVERLAY = "mount -t overlay -o userxattr,lowerdir=upper:lower none merged && cd merged && find . -type f"


def unpacked(data: bytes, name: str, form: str = "plain") -> str:
    """Unpack an archive into a directory of the user's; return what is told."""
    as_user("mkdir", HOME / name)
    done = as_user(PYTHON, "-c", UNPACK, HOME / name, form, input=data, text=False)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(autouse=True)
def clean(machine: Path):
    yield
    subprocess.run(["rm", "-rf", *HOME.iterdir()], check=True)


def test_users_become_his_subordinates(machine: Path) -> None:
    data = archive(directory("d"), Member("d/a", owner=(0, 0)), Member("b", owner=(1000, 44), mode=0o4755))
    assert "files=3" in unpacked(data, "root")
    own, other = (HOME / "root/d/a").stat(), (HOME / "root/b").stat()
    assert (own.st_uid, own.st_gid) == (UID, UID)
    assert (other.st_uid, other.st_gid, stat.S_IMODE(other.st_mode)) == (FIRST + 999, FIRST + 43, 0o4755)
    packed = as_user(PYTHON, "-c", PACK, HOME / "root", text=False).stdout
    listed = subprocess.run(["tar", "--numeric-owner", "-tv"], input=packed, capture_output=True, check=True).stdout
    assert b" 1000/44 " in listed
    assert b" 0/0 " in listed


def test_a_user_that_is_not_his_is_refused(machine: Path) -> None:
    assert "refused: a: Invalid argument" in unpacked(archive(Member("a", owner=(90_000, 0))), "root")


def test_without_ranges_all_is_his(machine: Path) -> None:
    given = (machine / "subuid").read_text()
    (machine / "subuid").write_text("another:1:1\n")
    try:
        assert "files=1" in unpacked(archive(Member("a", owner=(1000, 44))), "root")
    finally:
        (machine / "subuid").write_text(given)
    assert (HOME / "root/a").stat().st_uid == UID


def test_the_kernel_reads_his_whiteouts(machine: Path) -> None:
    unpacked(archive(Member("d/gone"), Member("d/stays"), Member("e/gone")), "lower")
    unpacked(archive(Member("d/.wh.gone"), Member("e/.wh..wh..opq"), Member("e/new")), "upper", "layer")
    as_user("mkdir", HOME / "merged")
    done = as_user("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", OVERLAY)
    assert sorted(done.stdout.split()) == ["./d/stays", "./e/new"], done.stderr


@pytest.mark.parametrize("name", ["dot-dot", "symlink-then-write", "hard-link-out"])
def test_outside_nothing_is_changed(name: str, machine: Path) -> None:
    as_user("mkdir", HOME / "victim")
    as_user("sh", "-c", "echo good >victim/secret")
    unpacked(OUTSIDE[name](HOME / "victim"), "root")
    assert (HOME / "victim/secret").read_text() == "good\n"
    assert os.listdir(HOME / "victim") == ["secret"]


def test_whiteouts_that_lie_are_refused_as_for_root(machine: Path) -> None:
    assert "refused" in unpacked(WHITEOUTS["through-a-symlink"].data(), "root", "layer")
