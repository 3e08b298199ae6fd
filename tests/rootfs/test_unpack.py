"""What archives of strangers do to the directory that they are unpacked into, and to what is beside it."""

import io
import os
import stat
import subprocess
import sys
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from haconiwa_rootfs.unpack import Limits, Policy, Unpacked, UnpackError, unpack
from hostile_archives.corpus import (
    OUTSIDE,
    REFUSED,
    WHITEOUTS,
    Member,
    archive,
    directory,
    hard,
    link,
)
from hypothesis import HealthCheck, given, settings, strategies as st

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import PR_SET_SECUREBITS
from haconiwa_core.linux.host import system_call
from haconiwa_core.testing import forked, give_up_capabilities, needs_program, needs_root

pytestmark = [needs_root, needs_program("xz"), needs_program("zstd")]

MIB = 1 << 20
SECBIT_NOROOT = 1
"""Root gets no capabilities when it executes a program (capabilities(7))."""

SMALL = Limits(size=64 * MIB, files=1000, seconds=60)
HARMED = {
    "dot-dot",
    "dot-dot-within",
    "absolute",
    "absolute-by-pax",
    "symlink-then-write",
    "relative-symlink-then-write",
    "chain-of-symlinks",
    "write-over-a-symlink",
    "mode-through-a-symlink",
}
"""What a plain tarfile.extractall of this Python does harm with."""


def of(data: bytes, target: Path, limits: Limits = SMALL, policy: Policy | None = None) -> Unpacked:
    target.mkdir(exist_ok=True)
    descriptor = os.memfd_create("archive")
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return unpack(descriptor, str(target), limits, policy)
    finally:
        os.close(descriptor)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text("good")
    return folder


def listed(folder: Path) -> list[tuple[str, int, int, bytes]]:
    statuses = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    own = (".", folder.stat().st_mode, folder.stat().st_nlink, b"")
    return [own, *((str(path), s.st_mode, s.st_nlink, path.read_bytes()) for path, s in statuses)]


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_nothing_is_changed(name: str, tmp_path: Path, victim: Path) -> None:
    before = listed(victim)
    with suppress(UnpackError):
        of(OUTSIDE[name](victim), tmp_path / "target")
    assert listed(victim) == before
    assert {path.name for path in tmp_path.iterdir()} == {"victim", "target"}


@pytest.mark.parametrize("name", sorted(HARMED))
def test_control_a_plain_extraction_is_harmed(name: str, tmp_path: Path, victim: Path) -> None:
    before = listed(victim)
    target = tmp_path / "target"
    target.mkdir()
    with tarfile.open(fileobj=io.BytesIO(OUTSIDE[name](victim))) as opened:
        # As before Python 3.12; those of before 3.11.4 know no filters.
        opened.extraction_filter = lambda member, _path: member
        opened.extractall(target)
    assert listed(victim) != before


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match=REFUSED[name].refused):
        of(REFUSED[name].data(), tmp_path / "target")


@pytest.mark.parametrize("name", WHITEOUTS)
def test_whiteout_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match=WHITEOUTS[name].refused):
        of(WHITEOUTS[name].data(), tmp_path / "target", policy=Policy(whiteouts=True))


def test_whiteouts_become_those_of_overlayfs(tmp_path: Path) -> None:
    data = archive(
        directory("d"),
        Member("d/.wh.gone"),
        Member("e/.wh..wh..opq"),
        directory("f"),
        Member(".wh.f"),  # What this layer has stays.
        Member(".wh.g"),
        directory("g"),
    )
    target = tmp_path / "target"
    of(data, target, policy=Policy(whiteouts=True))
    gone = (target / "d/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    opaque = [path.name for path in sorted(target.iterdir()) if "user.overlay.opaque" in os.listxattr(path)]
    assert opaque == ["e", "f", "g"]
    assert not list(target.rglob(".wh*"))


def test_the_kernel_reads_them_so(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    of(archive(*(Member(f"{name}/old") for name in "def"), Member("d/gone")), lower)
    of(archive(Member("d/.wh.gone"), Member("e/.wh..wh..opq"), Member(".wh.f")), upper, policy=Policy(whiteouts=True))
    (tmp_path / "merged").mkdir()
    script = f"mount -t overlay -o userxattr,lowerdir={upper}:{lower} none merged && cd merged && find ."
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.split()) == [".", "./d", "./d/old", "./e"]


def test_names_of_whiteouts_are_names_elsewhere(tmp_path: Path) -> None:
    of(archive(Member(".wh.a", content=b"x")), tmp_path / "target")
    assert (tmp_path / "target/.wh.a").read_bytes() == b"x"


def test_what_an_ordinary_archive_holds(tmp_path: Path) -> None:
    capability = {"SCHILY.xattr.user.note": "x"}
    data = archive(
        directory("./", 0o750),
        directory("bin", 0o555),
        Member("bin/tool", content=b"x" * 100_000, mode=0o4755, owner=(3, 4), pax=capability),
        hard("bin/same", "./bin/tool"),
        link("out", "/etc/passwd"),
        Member("pipe", tarfile.FIFOTYPE, mode=0o600),
        Member("dev/null", tarfile.CHRTYPE, device=(1, 3)),
    )
    target = tmp_path / "target"
    unpacked = of(data, target)
    tool = (target / "bin/tool").stat()
    assert (stat.S_IMODE(tool.st_mode), tool.st_uid, tool.st_gid, tool.st_nlink) == (0o4755, 3, 4, 2)
    assert os.getxattr(target / "bin/tool", "user.note") == b"x"
    assert stat.S_IMODE((target / "bin").stat().st_mode) == 0o555
    assert stat.S_IMODE(target.stat().st_mode) == 0o750
    assert (target / "out").readlink() == Path("/etc/passwd")
    assert stat.S_ISFIFO((target / "pipe").lstat().st_mode)
    assert unpacked.left_out == ("dev/null: a device node",)
    assert not (target / "dev/null").exists()
    assert unpacked.size == 100_000
    assert {path.lstat().st_mtime for path in (target, *target.rglob("*"))} == {0}


def test_directories_that_are_not_in_an_archive(tmp_path: Path) -> None:
    of(archive(Member("a/b/c")), tmp_path / "target")
    found = [path.stat() for path in (tmp_path / "target", tmp_path / "target/a", tmp_path / "target/a/b")]
    assert {(stat.S_IMODE(status.st_mode), status.st_mtime) for status in found} == {(0o755, 0)}


def test_policies(tmp_path: Path) -> None:
    data = archive(Member("null", tarfile.CHRTYPE, device=(1, 3)), Member("su", mode=0o6755))
    with pytest.raises(UnpackError, match="device node"):
        of(data, tmp_path / "refuse", policy=Policy(devices="refuse"))
    of(data, tmp_path / "keep", policy=Policy(devices="keep", set_id="drop"))
    assert (tmp_path / "keep/null").lstat().st_rdev == os.makedev(1, 3)
    assert stat.S_IMODE((tmp_path / "keep/su").stat().st_mode) == 0o755


@pytest.mark.parametrize("tool", ["cat", "gzip", "xz", "zstd"])
def test_compressions(tool: str, tmp_path: Path) -> None:
    plain = archive(Member("a", content=os.urandom(300_000)))
    # Two frames or members, as parallel compressors write them.
    packed = b"".join(
        subprocess.run([tool], input=part, capture_output=True, check=True).stdout
        for part in (plain[:100_000], plain[100_000:])
    )
    unpacked = of(packed, tmp_path / "target")
    digests = [
        subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.split()[0].decode()
        for data in (packed, plain)
    ]
    assert [unpacked.digest, unpacked.diff_id] == [f"sha256:{digest}" for digest in digests]
    assert (tmp_path / "target/a").stat().st_size == 300_000


def test_many_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="more than 1000 members"):
        of(archive(*(Member(f"{number}") for number in range(1001))), tmp_path / "target")


def test_time_is_bounded(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(UnpackError, match="longer than 1 s"):
        unpack(reader, str(target), Limits(seconds=1))
    os.close(reader)
    os.close(writer)


def test_where_it_cannot_be_closed_in_nothing_is_unpacked(tmp_path: Path) -> None:
    def without_capabilities() -> None:
        system_call(Call.prctl, PR_SET_SECUREBITS, SECBIT_NOROOT)
        give_up_capabilities()
        with pytest.raises(UnpackError, match="cannot be closed in: Operation not permitted"):
            of(archive(Member("a")), tmp_path / "target")

    assert forked(without_capabilities) == 0
    assert list((tmp_path / "target").iterdir()) == []


def test_the_process_has_the_directory_alone(tmp_path: Path) -> None:
    """Ask it, while it waits for the rest of an archive."""
    target = tmp_path / "target"
    target.mkdir()
    reader, writer = os.pipe()
    script = "import sys; from haconiwa_rootfs.unpack import unpack; unpack(0, sys.argv[1])"
    parent = subprocess.Popen([sys.executable, "-c", script, target], stdin=reader, stderr=subprocess.DEVNULL)
    os.close(reader)
    try:
        with open(writer, "wb", closefd=False) as pipe:
            # More than readers read ahead.
            pipe.write(archive(directory("d"), Member("mark"), Member("more", content=bytes(MIB)))[:-2048])
        deadline = time.monotonic() + 30
        while not (target / "more").exists():
            assert parent.poll() is None
            assert time.monotonic() < deadline
        child = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()[0]
        proc = Path(f"/proc/{child}")
        assert sorted(path.name for path in (proc / "root").iterdir()) == ["d", "mark", "more"]
        assert len((proc / "mountinfo").read_text().splitlines()) == 1
        assert (proc / "net/dev").read_text().count(":") == 1
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
        assert status["CapEff"] == status["CapPrm"] == "000000008800001b"
        assert status["NoNewPrivs"] == "1"
        opened = {(proc / "fd" / name).readlink().as_posix().split(":")[0] for name in os.listdir(proc / "fd")}
        assert opened <= {"pipe", "/", "/dev/null", "/more"}
    finally:
        os.close(writer)
        parent.wait()


NAMES = st.sampled_from(["a", "b", "a/b", "a/b/c", "../x", "/x", ".", "a/..", ".wh.a", "a/.wh..wh..opq", "a/.wh.b"])
TYPES = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
MEMBERS = st.builds(
    Member,
    NAMES,
    TYPES,
    link=st.sampled_from(["a", "b", "..", "/", "../victim", "../victim/secret", "a/b", "."]),
    mode=st.integers(0, 0o7777),
    device=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.lists(MEMBERS, max_size=8), whiteouts=st.booleans(), devices=st.sampled_from(["keep", "leave-out"]))
def test_any_archive_stays_inside(tmp_path_factory, members, whiteouts, devices) -> None:
    folder = tmp_path_factory.mktemp("any")
    victim = folder / "victim"
    victim.mkdir()
    (victim / "secret").write_text("good")
    before = listed(victim)
    with suppress(UnpackError):
        of(archive(*members), folder / "target", policy=Policy(whiteouts=whiteouts, devices=devices))
    assert listed(victim) == before
    assert sorted(path.name for path in folder.iterdir()) == ["target", "victim"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 4000), value=st.integers(0, 255), cut=st.integers(0, 6000))
def test_any_damage_is_survived(tmp_path_factory, at, value, cut) -> None:
    data = bytearray(archive(directory("d"), Member("d/a", content=b"x" * 1000), link("l", "d"), hard("h", "d/a")))
    data[at % len(data)] = value
    try:
        outcome = str(of(bytes(data[:cut]), tmp_path_factory.mktemp("any") / "target"))
    except UnpackError as error:
        outcome = str(error)
    assert "ended before it was done" not in outcome
