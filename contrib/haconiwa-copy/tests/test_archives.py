"""Archives on standard input and output, as tar(1) writes and reads them."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest
from haconiwa_copy.archives import read_archive, write_archive
from haconiwa_copy.places import Place
from haconiwa_copy.reading import read
from haconiwa_copy.writing import Keep, Writer

from haconiwa_core.errors import HaconiwaError


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "top"
    (top / "inner" / "empty").mkdir(parents=True)
    (top / "text").write_text("hello")
    (top / "none").touch()
    (top / "big").write_bytes(os.urandom(3 << 20))
    (top / ("long" * 60)).write_text("x")
    (top / "inner" / "link").symlink_to("../text")
    (top / "text").chmod(0o640)
    return top


def attributes(folder):
    """Return mode and second of change of all files and links, by path; of directories the mode."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (status.st_mode, 0 if path.is_dir() else int(status.st_mtime))
    return found


def differs(one, other):
    return subprocess.run(["diff", "-r", "--no-dereference", one, other], capture_output=True, check=False).stdout


def unpack(archive, target):
    writer = Writer(Place(), str(target), Keep(owners=False, bits=0o1777), contents=True)
    writer.write(read_archive(archive))
    return writer.lacking


def test_tar_reads_what_is_written(tree, tmp_path):
    output = io.BytesIO()
    assert write_archive(read(Place(), str(tree), follow=False), output) == []
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xpf", "-", "-C", tmp_path / "out"], input=output.getvalue(), check=True)
    assert differs(tree, tmp_path / "out" / "top") == b""
    assert attributes(tmp_path / "out" / "top") == attributes(tree)


@pytest.mark.parametrize("packed", ["cf", "czf"])
def test_what_tar_writes_is_read(tree, tmp_path, packed):
    archive = subprocess.run(["tar", packed, "-", "-C", tree, "."], capture_output=True, check=True).stdout
    (tmp_path / "out").mkdir()
    assert unpack(io.BytesIO(archive), tmp_path / "out") == []
    assert differs(tree, tmp_path / "out") == b""
    assert attributes(tmp_path / "out") == attributes(tree)


def test_kernel_files_and_pipes(tmp_path):
    output = io.BytesIO()
    assert write_archive(read(Place(), "/proc/filesystems", follow=False), output) == []
    output.seek(0)
    with tarfile.open(fileobj=output) as archive, open("/proc/filesystems", "rb") as file:
        assert archive.extractfile("filesystems").read() == file.read()
    os.mkfifo(tmp_path / "pipe")
    (lacking,) = write_archive(read(Place(), str(tmp_path), follow=False), io.BytesIO())
    assert lacking == f"{tmp_path}/pipe: a named pipe"


def hostile(**members):
    """Return an archive of members that a decent program does not write."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for kind, name, target in members.values():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"evil"))
    output.seek(0)
    return output


def test_a_hostile_archive_stays_within_the_directory(tmp_path):
    (tmp_path / "out").mkdir()
    lacking = unpack(
        hostile(
            up=(tarfile.REGTYPE, "../escaped", ""),
            absolute=(tarfile.REGTYPE, f"{tmp_path}/escaped", ""),
            within=(tarfile.REGTYPE, "a/../../escaped", ""),
            link=(tarfile.SYMTYPE, "link", str(tmp_path)),
            through=(tarfile.REGTYPE, "link/escaped", ""),
            device=(tarfile.CHRTYPE, "device", ""),
            hard=(tarfile.LNKTYPE, "hard", "/etc/passwd"),
            good=(tarfile.REGTYPE, "good/file", ""),
        ),
        tmp_path / "out",
    )
    assert not (tmp_path / "escaped").exists()
    assert (tmp_path / "out" / "good" / "file").read_bytes() == b"evil"
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["good", "link"]
    assert len(lacking) == 6


@pytest.mark.parametrize("content", [b"", b"no archive", b"x" * 2000])
def test_what_is_no_archive_is_told(tmp_path, content):
    (tmp_path / "out").mkdir()
    with pytest.raises(HaconiwaError, match="the archive cannot be read"):
        unpack(io.BytesIO(content), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_archive_that_ends_early_is_told(tree, tmp_path):
    archive = subprocess.run(["tar", "cf", "-", "-C", tree, "."], capture_output=True, check=True).stdout
    (tmp_path / "out").mkdir()
    with pytest.raises(HaconiwaError, match="the archive cannot be read"):
        unpack(io.BytesIO(archive[: len(archive) // 2]), tmp_path / "out")
