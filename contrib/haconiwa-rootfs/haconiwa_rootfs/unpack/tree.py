"""Make what an archive holds, below one directory: through no symbolic link, and over nothing that stood there."""

from __future__ import annotations

import math
import os
import stat
import struct
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import (
    RESOLVE_BENEATH,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from haconiwa_core.linux.host import system_call
from haconiwa_rootfs.unpack.contract import Limits, Policy, UnpackError
from haconiwa_rootfs.unpack.names import Place, Whiteout, place_of, whiteout_of

_INSIDE = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MODE = 0o755
_PIECE = 1 << 18
_TOLD = 20
_SECOND = 10**9
_SET_ID = stat.S_ISUID | stat.S_ISGID
_DEVICES = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK}
_XATTR = "SCHILY.xattr."
_CAPABILITY = "security.capability"
_OPAQUE = "user.overlay.opaque"
"""Layers are always mounted with `userxattr`, so that containers of any user namespace read them alike."""


class Tree:
    """The directory that is filled.

    Args:
        root: a descriptor of it.
        limits: of all that goes into it.
        policy: about members that are more than files.
    """

    def __init__(self, root: int, limits: Limits, policy: Policy) -> None:
        self.size = 0
        self.files = 0
        self.left_out: list[str] = []
        self._root = root
        self._limits = limits
        self._policy = policy
        # What an archive does not tell of a directory depends on nothing else.
        os.fchmod(root, _MODE)
        self._times: dict[Place, int] = {Place((), ""): 0}

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Make one member.

        Raises:
            UnpackError: it is refused.
            OSError: the kernel refuses it.
        """
        self.files += 1
        self.size += member.size
        if member.size < 0 or self.size > self._limits.size:
            raise UnpackError(f"the files have more than {self._limits.size} bytes")
        if self.files > self._limits.files:
            raise UnpackError(f"it has more than {self._limits.files} members")
        place = place_of(member.name, self._limits)
        whiteout = whiteout_of(place) if self._policy.whiteouts else None
        with self._parent(place) as parent:
            if whiteout:
                self._white_out(parent, place, whiteout, member)
            elif member.isdir():
                self._directory(parent, place, member)
            elif not place.name:
                raise UnpackError("the root directory is none")
            else:
                self._other(archive, parent, place.name, member)

    def finish(self) -> None:
        """Set the directories' times, which what was made in them has changed."""
        for place, time in self._times.items():
            with self._opened((*place.parents, place.name) if place.name else ()) as directory:
                os.utime(directory, ns=(time, time))

    @contextmanager
    def _parent(self, place: Place) -> Iterator[int]:
        try:
            parent = self._open(place.parents)
        except FileNotFoundError:
            for depth, name in enumerate(place.parents):
                self._make_missing(place.parents[:depth], name)
            parent = self._open(place.parents)
        try:
            yield parent
        finally:
            os.close(parent)

    def _make_missing(self, above: tuple[str, ...], name: str) -> None:
        with self._opened(above) as directory:
            if _status(directory, name) is None:
                os.mkdir(name, _MODE, dir_fd=directory)
                self._times[Place(above, name)] = 0

    @contextmanager
    def _opened(self, names: tuple[str, ...]) -> Iterator[int]:
        directory = self._open(names)
        try:
            yield directory
        finally:
            os.close(directory)

    def _open(self, names: tuple[str, ...]) -> int:
        """Open a directory, by nothing but directories (openat2(2))."""
        how = struct.pack("QQQ", _DIRECTORY, 0, _INSIDE)
        return system_call(Call.openat2, self._root, "/".join(names) or ".", how, len(how))

    def _white_out(self, parent: int, place: Place, whiteout: Whiteout, member: tarfile.TarInfo) -> None:
        if not member.isreg() or member.size:
            raise UnpackError("a whiteout must be an empty file")
        if whiteout.kind == "opaque":
            if not place.parents:
                raise UnpackError("it hides all of the layers below, which this image has for nothing")
            os.setxattr(parent, _OPAQUE, b"y")
            return
        status = _status(parent, whiteout.name)
        if status is None:
            # overlayfs's own form of a whiteout; any user may make it.
            os.mknod(whiteout.name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        elif stat.S_ISDIR(status.st_mode):
            # What this layer has stays, and what is below goes.
            with _entry(parent, whiteout.name) as directory:
                os.setxattr(directory, _OPAQUE, b"y")

    def _directory(self, parent: int, place: Place, member: tarfile.TarInfo) -> None:
        name = place.name or "."
        status = _status(parent, name)
        covered = status is not None and _is_whiteout(status)
        if covered:
            os.unlink(name, dir_fd=parent)
        if status is None or covered:
            os.mkdir(name, 0o700, dir_fd=parent)
        elif not stat.S_ISDIR(status.st_mode):
            raise UnpackError("it is in the archive as a directory and as something else")
        with _entry(parent, name) as directory:
            if covered:
                os.setxattr(directory, _OPAQUE, b"y")
            self._set_attributes(directory, member)
        self._times[place] = _time(member)

    def _other(self, archive: tarfile.TarFile, parent: int, name: str, member: tarfile.TarInfo) -> None:
        kind = _DEVICES.get(member.type)
        if kind is not None and not self._wants_device(member):
            return
        source = self._link_source(member) if member.islnk() else None
        status = _status(parent, name)
        if status is not None:
            if stat.S_ISDIR(status.st_mode):
                raise UnpackError("it is in the archive as a directory and as something else")
            if source is not None and source == Place(*place_of(member.name, self._limits)):
                raise UnpackError("it is a hard link to itself")
            os.unlink(name, dir_fd=parent)
        if source is not None:
            self._hard_link(parent, name, source)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
            self._set_outer_attributes(parent, name, member)
        elif member.isfile():
            self._file(archive, parent, name, member)
        elif kind is not None or member.isfifo():
            device = os.makedev(member.devmajor, member.devminor) if kind else 0
            os.mknod(name, (kind or stat.S_IFIFO) | 0o600, device, dir_fd=parent)
            os.chmod(name, stat.S_IMODE(member.mode) & ~_SET_ID, dir_fd=parent)
            self._set_outer_attributes(parent, name, member)
        else:
            raise UnpackError(f"it is of a kind that is not known: {member.type!r}")

    def _wants_device(self, member: tarfile.TarInfo) -> bool:
        if member.devmajor == member.devminor == 0:
            raise UnpackError("it is a device 0:0, which overlayfs takes for a whiteout")
        if self._policy.devices == "refuse":
            raise UnpackError("it is a device node")
        if self._policy.devices == "leave-out":
            self._tell(f"{member.name}: a device node")
        return self._policy.devices == "keep"

    def _link_source(self, member: tarfile.TarInfo) -> Place:
        source = place_of(member.linkname, self._limits)
        if not source.name:
            raise UnpackError("it is a hard link to a directory")
        return source

    def _hard_link(self, parent: int, name: str, source: Place) -> None:
        with self._opened(source.parents) as directory:
            status = os.stat(source.name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
                raise UnpackError("it is a hard link to neither a file nor a symbolic link")
            os.link(source.name, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)

    def _file(self, archive: tarfile.TarFile, parent: int, name: str, member: tarfile.TarInfo) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o600, dir_fd=parent)
        try:
            content = archive.extractfile(member)
            assert content is not None
            while data := content.read(_PIECE):
                # What is empty stays a hole: a sparse file costs what it holds.
                if data.count(0) == len(data):
                    os.lseek(file, len(data), os.SEEK_CUR)
                else:
                    _write(file, data)
            if os.lseek(file, 0, os.SEEK_CUR) != member.size:
                raise UnpackError("the archive ends before the file does")
            os.ftruncate(file, member.size)
            self._set_attributes(file, member)
            time = _time(member)
            os.utime(file, ns=(time, time))
        finally:
            os.close(file)

    def _set_attributes(self, file: int, member: tarfile.TarInfo) -> None:
        """Set owner, mode and extended attributes, in this order: a change of the owner takes bits and capabilities."""
        if self._policy.owners:
            os.fchown(file, member.uid, member.gid)
        kept = 0o7777 if self._policy.set_id == "keep" or member.isdir() else 0o7777 & ~_SET_ID
        os.fchmod(file, member.mode & kept)
        for key, text in member.pax_headers.items():
            if key.startswith(_XATTR):
                self._set_xattr(file, member.name, key.removeprefix(_XATTR), text)

    def _set_xattr(self, file: int, path: str, name: str, text: str) -> None:
        if name.startswith(("trusted.", "user.overlay.")):
            raise UnpackError(f"its attribute {name} would act on overlayfs")
        wanted = name.startswith("user.") or (name == _CAPABILITY and self._policy.set_id == "keep")
        if not wanted:
            self._tell(f"{path}: the attribute {name}")
            return
        os.setxattr(file, name, text.encode("utf-8", "surrogateescape"))

    def _set_outer_attributes(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        if self._policy.owners:
            os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        time = _time(member)
        os.utime(name, ns=(time, time), dir_fd=parent, follow_symlinks=False)

    def _tell(self, text: str) -> None:
        if len(self.left_out) < _TOLD:
            self.left_out.append(text)


def _status(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


@contextmanager
def _entry(parent: int, name: str) -> Iterator[int]:
    directory = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        yield directory
    finally:
        os.close(directory)


def _time(member: tarfile.TarInfo) -> int:
    if not math.isfinite(member.mtime):
        raise UnpackError("its time is no number")
    return int(member.mtime * _SECOND)


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
