"""Read images in OCI's layout, a directory of blobs (image-layout of the OCI image specification)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from haconiwa_rootfs.images import documents
from haconiwa_rootfs.images.documents import INDEXES, MANIFESTS, Descriptor, ImageError
from haconiwa_rootfs.images.files import read_file, sha256
from haconiwa_rootfs.images.image import Image, Layer, check_layers

_NAME = "org.opencontainers.image.ref.name"
_DEEPEST = 3


def read_layout(directory: str, tag: str, platform: str, digest: str = "") -> Image:
    """Return an image of a layout; all but its layers has been verified.

    Args:
        directory: of the layout.
        tag: its name in there; "" where there is one only.
        platform: "os/architecture" that is wanted.
        digest: that the tag must have; "" for any.

    Raises:
        ImageError: there is no such image, or more than one; or something does not fit together.
    """
    version = documents.parse(read_file(directory, "oci-layout"), "oci-layout").get("imageLayoutVersion")
    if version != "1.0.0":
        raise ImageError(f"{directory}: layouts of version 1.0.0 are understood, not {version!r}")
    found = documents.index(documents.parse(read_file(directory, "index.json"), "index.json"), INDEXES[0])
    chosen = _named(found, tag)
    if digest not in ("", chosen.digest):
        raise ImageError(f"the image is {chosen.digest}, and {digest} is wanted")
    manifest = documents.manifest(*_manifest(directory, chosen, platform))
    config = documents.config(_document(directory, manifest.config, "the configuration"))
    check_layers(config, len(manifest.layers), platform)
    layers = zip(manifest.layers, config.diff_ids, strict=True)
    return Image(
        tuple(Layer(directory, _path(layer), diff_id, layer.digest, layer.size) for layer, diff_id in layers),
        config.run,
    )


def _named(found: Sequence[Descriptor], tag: str) -> Descriptor:
    fitting = [entry for entry in found if tag in ("", entry.annotations.get(_NAME))]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(sorted({entry.annotations.get(_NAME, "one without a name") for entry in found})) or "none"
    wanted = f"images called {tag}" if tag else "images"
    raise ImageError(f"there are {len(fitting)} {wanted}; it has {names}")


def _manifest(directory: str, chosen: Descriptor, platform: str) -> tuple[dict[str, Any], str]:
    """Return the manifest that an entry leads to, directly or by an index of platforms, and its media type."""
    for _ in range(_DEEPEST):
        document = _document(directory, chosen, "the image")
        if chosen.media_type in MANIFESTS:
            return document, chosen.media_type
        if chosen.media_type not in INDEXES:
            raise ImageError(f"{chosen.media_type!r} is no image that is understood")
        found = documents.index(document, chosen.media_type)
        fitting = [entry for entry in found if entry.platform == platform]
        if len(fitting) != 1:
            others = ", ".join(sorted({entry.platform or "unknown" for entry in found})) or "none"
            raise ImageError(f"the index has {len(fitting)} images for {platform}; it has {others}")
        chosen = fitting[0]
    raise ImageError(f"there are more than {_DEEPEST} indexes below one another")


def _document(directory: str, entry: Descriptor, what: str) -> dict[str, Any]:
    data = read_file(directory, _path(entry))
    if len(data) != entry.size:
        raise ImageError(f"{what} has {len(data)} bytes, and what refers to it says {entry.size}")
    if (found := sha256(data)) != entry.digest:
        raise ImageError(f"{what} is {found}, and what refers to it says {entry.digest}")
    return documents.parse(data, what)


def _path(entry: Descriptor) -> str:
    return os.path.join("blobs", *entry.digest.split(":"))
