"""Where a root is written to: an archive, a layout of images, or wherever skopeo(1) can copy an image to."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, cast

from haconiwa_core.errors import HaconiwaError
from haconiwa_rootfs.images.reading import packed
from haconiwa_rootfs.images.skopeo import push
from haconiwa_rootfs.images.writing import write_layout

_GZIP_LEVEL = 6
_MODE = 0o644


Compress = Callable[[IO[bytes]], AbstractContextManager[IO[bytes]]]
"""Returns what writes to a file, which stays open."""


def _gzip(file: IO[bytes]) -> IO[bytes]:
    # Neither name nor time: they would make equal archives differ.
    return cast("IO[bytes]", gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0))


def _xz(file: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", lzma.LZMAFile(file, "wb"))


def _zstd(file: IO[bytes]) -> IO[bytes]:
    import zstandard

    return cast("IO[bytes]", zstandard.ZstdCompressor().stream_writer(file, closefd=False))


_COMPRESSIONS: dict[str, Compress] = {
    ".tar": nullcontext,
    ".tar.gz": _gzip,
    ".tar.xz": _xz,
    ".tar.zst": _zstd,
}


def export(layers: Sequence[str], run: Mapping[str, Any], destination: str, tls_verify: bool, scratch: Path) -> None:
    """Write what layers show together; equal layers give equal archives and images.

    Args:
        layers: their directories, the lowest first.
        run: how an image's command runs (Cmd, Env, User ...).
        destination: a path that ends with .tar, .tar.gz, .tar.xz or .tar.zst; oci:DIRECTORY[:TAG]; or another
            transport of skopeo(1), such as docker://NAME:TAG or docker-archive:FILE:NAME:TAG.
        tls_verify: demand HTTPS and a valid certificate of a registry.
        scratch: an empty directory for what is needed meanwhile.

    Raises:
        HaconiwaError: it cannot be written there; a file that was there stays as it was.
    """
    for ending, compress in _COMPRESSIONS.items():
        if destination.endswith(ending) and not _has_transport(destination):
            _write_archive(layers, destination, compress)
            return
    if not _has_transport(destination):
        endings = ", ".join(_COMPRESSIONS)
        raise HaconiwaError(f"{destination}: neither the path of an archive ({endings}) nor TRANSPORT:NAME of an image")
    transport, _, rest = destination.partition(":")
    if transport == "oci":
        path, _, tag = rest.partition(":")
        _write_image(layers, run, path, tag or "latest")
        return
    _write_image(layers, run, str(scratch), "image")
    push(str(scratch), destination, tls_verify)


def _has_transport(destination: str) -> bool:
    """Tell a transport from a path: one with a colon is written as ./PATH or absolute."""
    return ":" in destination and "/" not in destination.partition(":")[0]


def _write_image(layers: Sequence[str], run: Mapping[str, Any], directory: str, tag: str) -> None:
    def write(output: IO[bytes]) -> None:
        with packed(layers, for_image=True) as archive:
            shutil.copyfileobj(archive, output)

    try:
        write_layout(directory, tag, write, run)
    except OSError as error:
        raise HaconiwaError(f"{error.filename or directory}: {error.strerror}") from error


def _write_archive(layers: Sequence[str], path: str, compress: Compress) -> None:
    try:
        with _replaced(path) as file, packed(layers) as archive, compress(file) as output:
            shutil.copyfileobj(archive, output)
    except OSError as error:
        raise HaconiwaError(f"{error.filename or path}: {error.strerror}") from error


@contextmanager
def _replaced(path: str) -> Iterator[IO[bytes]]:
    """Give a file that takes a path when it is whole."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path) or ".", delete=False) as file:
        try:
            yield file.file
            file.flush()
            os.fchmod(file.fileno(), _MODE)
            os.fsync(file.fileno())
            os.rename(file.name, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(file.name)
            raise
