"""Read what `docker save` writes, unpacked: a manifest, configurations, and layers without compression."""

from __future__ import annotations

import re
from typing import Any

from haconiwa_rootfs.images import documents
from haconiwa_rootfs.images.documents import ImageError, texts, typed
from haconiwa_rootfs.images.files import read_file, sha256
from haconiwa_rootfs.images.image import Image, Layer, check_layers

_NAMED_BY_DIGEST = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")


def read_docker_archive(directory: str, tag: str, platform: str) -> Image:
    """Return an image; all but its layers has been verified.

    Args:
        directory: that the archive was unpacked into.
        tag: such as "alpine:3.20"; "" where there is one image only.
        platform: "os/architecture" that is wanted.

    Raises:
        ImageError: there is no such image, or more than one; or something does not fit together.
    """
    entry = _entry(directory, tag)
    path = typed(entry.get("Config"), str, "manifest.json: Config")
    data = read_file(directory, path)
    # Only the configuration's name binds it to what was pushed; it in turn binds the layers.
    named = _NAMED_BY_DIGEST.fullmatch(path)
    if named is None or sha256(data) != f"sha256:{named[1]}":
        raise ImageError(f"the configuration {path} is {sha256(data)}, which its name must say")
    config = documents.config(documents.parse(data, "the configuration"))
    paths = texts(entry.get("Layers"), "manifest.json: Layers")
    check_layers(config, len(paths), platform)
    layers = zip(paths, config.diff_ids, strict=True)
    return Image(tuple(Layer(directory, layer, diff_id) for layer, diff_id in layers), config.run)


def _entry(directory: str, tag: str) -> dict[str, Any]:
    document = typed(documents.load(read_file(directory, "manifest.json"), "manifest.json"), list, "manifest.json")
    images = [typed(item, dict, "manifest.json") for item in document]
    tags = {number: texts(image.get("RepoTags") or [], "RepoTags") for number, image in enumerate(images)}
    fitting = [image for number, image in enumerate(images) if tag == "" or tag in tags[number]]
    if len(fitting) == 1:
        return dict(fitting[0])
    names = ", ".join(sorted(name for found in tags.values() for name in found)) or "none with a name"
    wanted = f"images called {tag}" if tag else "images"
    raise ImageError(f"there are {len(fitting)} {wanted}; it has {names}")
