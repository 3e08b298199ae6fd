"""Write an image in OCI's layout (image-layout of the OCI image specification)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

from haconiwa_rootfs.images import documents
from haconiwa_rootfs.images.documents import INDEXES, MANIFESTS
from haconiwa_rootfs.images.files import read_file, sha256
from haconiwa_rootfs.images.names import own_platform

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NAME = "org.opencontainers.image.ref.name"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LEVEL = 6


class _Hashed(io.RawIOBase):
    """A stream that is written, with its digest."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        number = self._output.write(data)
        self._hash.update(memoryview(data)[:number])
        self.size += number
        return number


def write_layout(directory: str, tag: str, write: Callable[[IO[bytes]], None], run: Mapping[str, Any]) -> str:
    """Write an image of one layer into a layout, which may have others; equal content gives equal files.

    Args:
        directory: of the layout; it is made if it is missing.
        tag: the image's name in there; one that has it loses it.
        write: writes the layer's archive, without compression.
        run: how its command runs (Cmd, Env, User ...).

    Returns:
        The manifest's digest.
    """
    os.makedirs(os.path.join(directory, "blobs", "sha256"), exist_ok=True)
    layer, diff_id = _write_layer(directory, write)
    system, _, architecture = own_platform().partition("/")
    config = {
        "architecture": architecture,
        "config": dict(run),
        "os": system,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[0],
        "config": _write_document(directory, config, _CONFIG),
        "layers": [layer],
    }
    entry = _write_document(directory, manifest, MANIFESTS[0])
    others = [other for other in _entries(directory) if other.get("annotations", {}).get(_NAME) != tag]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEXES[0],
        "manifests": [*others, {**entry, "annotations": {_NAME: tag}}],
    }
    _replace(directory, "oci-layout", _text({"imageLayoutVersion": "1.0.0"}))
    _replace(directory, "index.json", _text(index))
    return str(entry["digest"])


def _entries(directory: str) -> list[dict[str, Any]]:
    if not os.path.exists(os.path.join(directory, "index.json")):
        return []
    document = documents.parse(read_file(directory, "index.json"), "index.json")
    documents.index(document, INDEXES[0])
    return list(document["manifests"])


def _write_layer(directory: str, write: Callable[[IO[bytes]], None]) -> tuple[dict[str, Any], str]:
    with tempfile.NamedTemporaryFile(dir=os.path.join(directory, "blobs"), delete=False) as file:
        try:
            packed = _Hashed(file.file)
            # Neither name nor time of the file that was packed: they would make equal layers differ.
            with gzip.GzipFile("", "wb", _LEVEL, cast("IO[bytes]", packed), mtime=0) as stream:
                plain = _Hashed(cast("IO[bytes]", stream))
                write(cast("IO[bytes]", plain))
            _keep(directory, file.file, packed.digest)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(file.name)
            raise
    return {"mediaType": _LAYER, "digest": packed.digest, "size": packed.size}, plain.digest


def _write_document(directory: str, document: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    data = _text(document)
    _replace(directory, os.path.join("blobs", *sha256(data).split(":")), data)
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def _text(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _replace(directory: str, path: str, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        file.write(data)
        _finish(file.file)
        os.rename(file.name, os.path.join(directory, path))


def _keep(directory: str, file: IO[bytes], digest: str) -> None:
    _finish(file)
    os.rename(file.name, os.path.join(directory, "blobs", *digest.split(":")))


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())
