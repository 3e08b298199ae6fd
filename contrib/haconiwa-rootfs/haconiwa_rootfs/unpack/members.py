"""Read the members of an archive (tar(5)) whose headers may lie."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, Self

from haconiwa_rootfs.unpack.contract import Limits, UnpackError

_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def members(stream: IO[bytes], limits: Limits) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield members, each with the archive to read it from, until the mark at the archive's end.

    Raises:
        UnpackError: a header is none, or larger than allowed; there are more of them; the archive ends early.
        tarfile.TarError: it is no archive.
    """
    headers = 0

    class Header(tarfile.TarInfo):
        """A header, checked before anything that follows it is read."""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            nonlocal headers
            headers += 1
            if headers > 2 * limits.files:
                raise UnpackError(f"it has more than {2 * limits.files} headers")
            try:
                header = super().frombuf(buf, encoding, errors)
            except tarfile.HeaderError as error:
                if buf and not any(buf):
                    raise  # The mark at the end.
                # tarfile would take this for the end as well.
                raise UnpackError(f"it is cut, or no archive of tar: {error}") from error
            if header.size < 0 or (header.type in _EXTENDED and header.size > limits.header):
                raise UnpackError(f"an extended header has {header.size} bytes, which may be {limits.header}")
            return header

    with tarfile.open(fileobj=stream, mode="r|", tarinfo=Header, encoding="utf-8", errors="surrogateescape") as archive:
        while (member := archive.next()) is not None:
            vars(archive)["members"].clear()  # Otherwise it keeps them all.
            yield archive, member
