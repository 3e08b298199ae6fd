"""Fill a root with what an image holds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from haconiwa_display import progress

from haconiwa_rootfs.images.docker_archive import read_docker_archive
from haconiwa_rootfs.images.documents import ImageError
from haconiwa_rootfs.images.image import Image, unpack_layer
from haconiwa_rootfs.images.layout import read_layout
from haconiwa_rootfs.images.names import LOCAL, own_platform, split
from haconiwa_rootfs.images.skopeo import pull
from haconiwa_rootfs.strategies.limits import limits
from haconiwa_rootfs.strategies.oci import Options
from haconiwa_rootfs.unpack import Policy, unpack

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target

_PACKED = Policy(devices="refuse", set_id="drop", owners=False)


def fill(options: Options, target: Target) -> None:
    """Unpack the image's layers, each verified, and take its configuration over.

    Raises:
        HaconiwaError: it cannot be had, is refused, or is not what it says.
    """
    policy = Policy(whiteouts=True, devices=options.devices, set_id=options.set_id)
    with _image(options, target) as image:
        target.config = dict(image.run)
        for layer in progress(image.layers, "unpacking layers", len(image.layers)):
            directory = target.directory if layer is image.layers[0] else target.add_layer()
            unpacked = unpack_layer(layer, str(directory), limits(options.size), policy)
            for text in unpacked.left_out:
                target.progress(f"left out: {text}")


@contextmanager
def _image(options: Options, target: Target) -> Iterator[Image]:
    transport, _, rest = options.image.partition(":")
    platform = options.platform or own_platform()
    if options.digest and transport not in ("oci", "oci-archive"):
        raise ImageError("digest is for oci: and oci-archive:; write docker://NAME@DIGEST for a registry")
    path, tag = split(rest)
    path = os.path.join(target.folder, path)
    if transport == "oci":
        yield read_layout(path, tag, platform, options.digest)
        return
    with tempfile.TemporaryDirectory(dir=target.scratch) as scratch:
        layout = os.path.join(scratch, "image")
        if transport in LOCAL:
            os.mkdir(layout)
            _unpack_archive(path, layout, options)
        else:
            pull(options.image, layout, platform, options.tls_verify)
            tag = "image"
        if transport == "docker-archive":
            yield read_docker_archive(layout, tag, platform)
        else:
            yield read_layout(layout, tag, platform, options.digest)


def _unpack_archive(path: str, directory: str, options: Options) -> None:
    try:
        archive = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    try:
        unpack(archive, directory, limits(options.size), _PACKED)
    finally:
        os.close(archive)
