"""Write what layers show as an archive (tar(5)) that depends on nothing else."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Sequence
from typing import IO

from haconiwa_rootfs.images.documents import ImageError
from haconiwa_rootfs.images.merged import Entry, merged

_WHITEOUT = ".wh."
_XATTR = "SCHILY.xattr."
_KEPT = ("user.", "security.capability")
_OVERLAY = "user.overlay."
_SECOND = 10**9
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


def pack(layers: Sequence[str], output: IO[bytes], for_image: bool = False) -> None:
    """Write one archive of what layers show together.

    Args:
        layers: their directories, the lowest first.
        output: gets the archive, without compression.
        for_image: it becomes a layer of an image, where names like whiteouts' would be taken for such.

    Raises:
        ImageError: a file has such a name.
    """
    with tarfile.open(
        fileobj=output, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        _add_all(archive, merged(layers), for_image)


def _add_all(archive: tarfile.TarFile, entries: Iterable[Entry], for_image: bool) -> None:
    linked: dict[tuple[int, int], str] = {}
    for entry in entries:
        if for_image and entry.name.startswith(_WHITEOUT):
            raise ImageError(f"{entry.path}: in an image, this name means that another file is removed")
        member = _member(entry)
        if member is None:
            continue  # A socket, which means nothing without its process.
        identity = (entry.status.st_dev, entry.status.st_ino)
        if member.type != tarfile.DIRTYPE and entry.status.st_nlink > 1:
            first = linked.setdefault(identity, entry.path)
            if first != entry.path:
                member.type, member.linkname, member.size, member.pax_headers = tarfile.LNKTYPE, first, 0, {}
        _write(archive, member, entry)
        vars(archive)["members"].clear()  # Otherwise it keeps them all.


def _member(entry: Entry) -> tarfile.TarInfo | None:
    kind = _KINDS.get(stat.S_IFMT(entry.status.st_mode))
    if kind is None:
        return None
    member = tarfile.TarInfo(entry.path or ".")
    member.type, member.mode = kind, stat.S_IMODE(entry.status.st_mode)
    member.uid, member.gid = entry.status.st_uid, entry.status.st_gid
    member.mtime = entry.status.st_mtime_ns // _SECOND
    if kind == tarfile.REGTYPE:
        member.size = entry.status.st_size
    elif kind == tarfile.SYMTYPE:
        member.linkname = os.readlink(entry.name, dir_fd=entry.parent)
    elif kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        member.devmajor, member.devminor = os.major(entry.status.st_rdev), os.minor(entry.status.st_rdev)
    return member


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry) -> None:
    if member.type not in (tarfile.REGTYPE, tarfile.DIRTYPE):
        archive.addfile(member)
        return
    file = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=entry.parent)
    try:
        member.pax_headers = _attributes(file)
        if member.type == tarfile.DIRTYPE:
            archive.addfile(member)
            return
        with open(file, "rb", closefd=False) as content:
            archive.addfile(member, content)
    finally:
        os.close(file)


def _attributes(file: int) -> dict[str, str]:
    return {
        _XATTR + name: os.getxattr(file, name).decode("utf-8", "surrogateescape")
        for name in sorted(os.listxattr(file))
        if name.startswith(_KEPT) and not name.startswith(_OVERLAY)
    }
