"""Files below a directory that a stranger filled."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct

from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS
from haconiwa_core.linux.host import system_call
from haconiwa_rootfs.images.documents import LARGEST, ImageError

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_file(directory: str, path: str) -> int:
    """Open a regular file below a directory, through no link that leads out of it (openat2(2)).

    Raises:
        ImageError: it is not there, or something else.
    """
    how = struct.pack("QQQ", _FLAGS, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    above = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        file = system_call(Call.openat2, above, path, how, len(how))
    except OSError as error:
        reason = "it leads out of the image" if error.errno == errno.EXDEV else error.strerror
        raise ImageError(f"{path}: {reason}") from error
    finally:
        os.close(above)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ImageError(f"{path}: it is no regular file")
    return file


def read_file(directory: str, path: str) -> bytes:
    """Return a file of at most 4 MiB; raises as `open_file` does."""
    with open(open_file(directory, path), "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ImageError(f"{path} has more than {LARGEST} bytes")
    return data


def sha256(data: bytes) -> str:
    """Return a digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
