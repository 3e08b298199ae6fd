"""An image that is about to be unpacked, whatever form it has on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from haconiwa_rootfs.images.documents import Config, ImageError
from haconiwa_rootfs.images.files import open_file
from haconiwa_rootfs.unpack import Limits, Policy, Unpacked, unpack

MOST_LAYERS = 127
"""As other tools have it; overlayfs could do with more."""


class Layer(NamedTuple):
    """One layer.

    Args:
        directory: that has it.
        path: below the directory.
        diff_id: its digest without compression.
        digest: as it is in the file; "" where only the other is known.
        size: of the file; -1 where it is not known.
    """

    directory: str
    path: str
    diff_id: str
    digest: str = ""
    size: int = -1

    def open(self) -> int:
        """Return a descriptor.

        Raises:
            ImageError: it is not there, or has another size.
        """
        file = open_file(self.directory, self.path)
        found = os.fstat(file).st_size
        if self.size not in (-1, found):
            os.close(file)
            raise ImageError(f"{self.path} has {found} bytes, and what refers to it says {self.size}")
        return file


class Image(NamedTuple):
    """An image.

    Args:
        layers: the lowest first.
        run: how its command runs (Cmd, Env, User ...).
    """

    layers: tuple[Layer, ...]
    run: Mapping[str, Any]


def check_layers(config: Config, count: int, platform: str) -> None:
    """Check what a configuration says of an image.

    Raises:
        ImageError: it is of another platform, or has other or too many layers.
    """
    if config.platform != platform:
        raise ImageError(f"the image is for {config.platform}, and {platform} is wanted")
    if len(config.diff_ids) != count:
        raise ImageError(f"the configuration knows {len(config.diff_ids)} layers, and the image has {count}")
    if not 1 <= count <= MOST_LAYERS:
        raise ImageError(f"it has {count} layers, and 1 to {MOST_LAYERS} are understood")


def unpack_layer(layer: Layer, directory: str, limits: Limits, policy: Policy) -> Unpacked:
    """Unpack a layer, and verify what was unpacked.

    Raises:
        ImageError: it is another; what is in the directory is to be removed.
        UnpackError: it was refused; the same.
    """
    file = layer.open()
    try:
        unpacked = unpack(file, directory, limits, policy)
    finally:
        os.close(file)
    for found, wanted in ((unpacked.digest, layer.digest), (unpacked.diff_id, layer.diff_id)):
        if wanted not in ("", found):
            raise ImageError(f"{layer.path} is {found}, and what refers to it says {wanted}")
    return unpacked
