"""Read a stream that a stranger made: counted, bounded, its digest kept, without its compression."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, cast

import zstandard

from haconiwa_rootfs.unpack.contract import UnpackError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE = 1 << 17
_LARGEST_WINDOW = 1 << 27
"""Bytes that zstd may look back, as its own tool has it."""


DAMAGED = (
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,  # Headers of headers.
    lzma.LZMAError,
    tarfile.TarError,
    zlib.error,
    zstandard.ZstdError,
)
"""What reading a damaged archive raises."""


class Measured(io.RawIOBase):
    """A stream that knows how much was read of it, and the digest.

    Args:
        source: what is read.
        limit: bytes that it may have.
    """

    def __init__(self, source: IO[bytes], limit: int) -> None:
        self._source = source
        self._limit = limit
        self._hash = hashlib.sha256()
        self._count = 0

    @property
    def digest(self) -> str:
        """Of what was read until now."""
        return f"sha256:{self._hash.hexdigest()}"

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read once.

        Raises:
            UnpackError: the stream has more bytes than it may.
        """
        room = memoryview(buffer).cast("B")
        data = self._source.read(len(room))
        self._count += len(data)
        if self._count > self._limit:
            raise UnpackError(f"it has more than {self._limit} bytes")
        self._hash.update(data)
        room[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        """Read the rest."""
        buffer = bytearray(_PIECE)
        while self.readinto(buffer):
            pass


def decompressed(source: io.BufferedReader[Measured]) -> IO[bytes]:
    """Return a stream without its compression: gzip, xz or zstd, told by its first bytes, or none."""
    begin = source.peek(6)[:6]
    if begin.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=source))
    if begin == b"\xfd7zXZ\0":
        return lzma.LZMAFile(source)
    if begin.startswith(b"\x28\xb5\x2f\xfd"):
        plain = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        return cast("IO[bytes]", plain.stream_reader(source, read_across_frames=True))
    return source
