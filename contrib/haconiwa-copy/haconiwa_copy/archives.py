"""Archives in place of the host's side: standard input or output (tar(5))."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import IO, TYPE_CHECKING

from haconiwa_copy.content import UNKNOWN
from haconiwa_copy.entries import Entry, Kind
from haconiwa_core.errors import HaconiwaError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SECOND = 10**9
_FOLDER_MODE = 0o755
_KINDS: dict[bytes, Kind] = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}
_TYPES = {kind: number for number, kind in _KINDS.items()}


def write_archive(entries: Iterable[Entry], output: IO[bytes]) -> list[str]:
    """Write entries as an archive; return what is not in it as it should be, and why."""
    lacking: list[str] = []
    folders: list[str] = []
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            if entry.kind == "lack":
                lacking.append(entry.text)
            elif entry.kind == "up":
                folders.pop()
            else:
                name = "/".join([*folders, entry.name or "."])
                lacking += [f"{name}: {text}" for text in _add(archive, entry, name)]
                folders += [entry.name or "."] if entry.kind == "directory" else []
    return lacking


def _add(archive: tarfile.TarFile, entry: Entry, name: str) -> Iterator[str]:
    member = tarfile.TarInfo(name)
    member.type = _TYPES[entry.kind]
    member.mode, member.mtime, member.linkname = entry.mode, entry.times[1] // _SECOND, entry.target
    member.uid, member.gid = entry.owner
    if entry.kind != "file":
        archive.addfile(member)
        return
    known: IO[bytes]
    with open(entry.content, "rb") as content:
        # Files of the kernel tell no size, and an archive has it before the content.
        if entry.size:
            known, member.size = content, entry.size
        else:
            data = content.read(UNKNOWN)
            known, member.size = io.BytesIO(data), len(data)
        padded = _Padded(known, member.size)
        archive.addfile(member, io.BufferedReader(padded))
    if padded.lacks:
        yield "it has become shorter while it was copied"


class _Padded(io.RawIOBase):
    """A file that has so many bytes: zeros where it ends before."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self.lacks = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer).cast("B")
        wanted = min(len(room), self._left)
        data = self._file.read(wanted)
        self.lacks = self.lacks or len(data) < wanted
        room[:wanted] = data.ljust(wanted, b"\0")
        self._left -= wanted
        return wanted


def read_archive(source: IO[bytes]) -> Iterator[Entry]:
    """Yield what is in an archive, as the contents of a directory.

    Args:
        source: compressed or not.

    Raises:
        HaconiwaError: it is none, or ends early.
    """
    here: list[str] = []
    yield _folder(".")
    try:
        with tarfile.open(fileobj=source, mode="r|*") as archive:
            for member in archive:
                yield from _member(archive, member, here)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise HaconiwaError(f"the archive cannot be read: {error}") from error
    yield from (Entry("up") for _ in (*here, "."))


def _folder(name: str) -> Entry:
    now = time.time_ns()
    return Entry("directory", name, _FOLDER_MODE, (0, 0), (now, now))


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, here: list[str]) -> Iterator[Entry]:
    """Yield a member, and before it the way to its folder from where the last one was, which is changed."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    kind = _KINDS.get(member.type)
    if ".." in parts or member.name.startswith("/"):
        yield Entry("lack", f"{member.name}: it leads out of the directory")
        return
    if kind is None or not parts:
        yield from [Entry("lack", f"{member.name}: neither a file, a directory nor a symbolic link")] if parts else []
        return
    *folders, name = parts
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(here, folders, strict=False)))
    yield from (Entry("up") for _ in here[shared:])
    yield from (_folder(folder) for folder in folders[shared:])
    here[:] = folders
    when = int(member.mtime * _SECOND)
    text = f"{name}\0{member.linkname}" if kind == "link" else name
    entry = Entry(kind, text, member.mode & 0o7777, (member.uid, member.gid), (when, when), member.size)
    if kind == "file":
        with tempfile.TemporaryFile() as content:
            opened = archive.extractfile(member)
            assert opened is not None
            shutil.copyfileobj(opened, content)
            content.seek(0)
            entry = entry._replace(content=os.dup(content.fileno()))
    elif kind == "directory":
        here.append(name)
    yield entry
