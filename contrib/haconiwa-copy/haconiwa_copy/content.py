"""Copy what is in a file; holes stay holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

_PIECE = 1 << 20
UNKNOWN = 1 << 20
"""Bytes that are read at most of a file whose size is told as 0, such as those of proc."""

_NOT_WITHIN_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def copy_content(source: int, target: int, size: int) -> str:
    """Copy a file's content, of a size that was told before; return what is wrong with the copy, or "".

    What the file grows by meanwhile is left out.
    """
    if size == 0:
        return _copy_unknown(source, target)
    os.ftruncate(target, size)
    for begin, end in _extents(source, size):
        copied = begin
        while copied < end:
            number = _copy_piece(source, target, copied, end - copied)
            if number == 0:
                return "it has become shorter while it was copied"
            copied += number
    return "it has become shorter while it was copied" if os.fstat(source).st_size < size else ""


def _extents(source: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a file holds data (lseek(2), SEEK_DATA)."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(source, begin, os.SEEK_HOLE), size)
        if begin < end:
            yield begin, end


def _copy_piece(source: int, target: int, offset: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, offset, offset)
    except OSError as error:
        if error.errno not in _NOT_WITHIN_KERNEL:
            raise
    data = os.pread(source, min(count, _PIECE), offset)
    return os.pwrite(target, data, offset)


def _copy_unknown(source: int, target: int) -> str:
    copied = 0
    while data := os.read(source, _PIECE):
        copied += len(data)
        if copied > UNKNOWN:
            return "its size is told as 0, and it has more than 1 MiB"
        while data:
            data = data[os.write(target, data) :]
    return ""
