"""The JSON documents of an image, which a stranger wrote: read so that they mean one thing only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from haconiwa_core.errors import HaconiwaError

LARGEST = 4 << 20
"""Bytes of a document, which registries bound alike."""

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST_SIZE = 2**63 - 1


class ImageError(HaconiwaError):
    """An image is not what it says, or could mean several things."""


class Descriptor(NamedTuple):
    """What refers to a blob.

    Args:
        media_type: of the blob.
        digest: "sha256:" and hexadecimal digits.
        size: bytes.
        annotations: such as the name that an image has in an index.
        platform: "os/architecture", or "".
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str]
    platform: str


def parse(data: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object; the rest is as for `load`."""
    return dict(typed(load(data, what), dict, what))


def load(data: bytes, what: str) -> Any:
    """Return what a JSON text says.

    Args:
        data: the text.
        what: it is, for messages.

    Raises:
        ImageError: it is none, or an object has a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ImageError(f"{what} has a key twice")
        return found

    def no_number(text: str) -> None:
        raise ImageError(f"{what} has {text}, which is no JSON")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{what} is no JSON: {error}") from error


def typed(value: Any, kind: type, what: str) -> Any:
    """Return a value that is of a kind; True and False are no numbers.

    Raises:
        ImageError: it is of another, or not there.
    """
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ImageError(f"{what} is {'missing' if value is None else 'not what it must be'}")
    return value


def texts(value: Any, what: str) -> tuple[str, ...]:
    """Return a list of strings."""
    return tuple(typed(item, str, what) for item in typed(value, list, what))


def digest_of(value: Any, what: str) -> str:
    """Return a digest, which becomes part of a path."""
    if not _DIGEST.fullmatch(typed(value, str, what)):
        raise ImageError(f"{what} is {value!r}; a digest is sha256: and 64 digits")
    return str(value)


def descriptor(value: Any, what: str) -> Descriptor:
    """Return a descriptor.

    Raises:
        ImageError: it is none, or its blob is to be fetched from elsewhere.
    """
    fields = typed(value, dict, what)
    if fields.get("urls"):
        raise ImageError(f"{what} is to be fetched from elsewhere, which is not done")
    size = typed(fields.get("size"), int, f"{what}: size")
    if not 0 <= size <= _LARGEST_SIZE:
        raise ImageError(f"{what} has a size of {size}")
    annotations = typed(fields.get("annotations", {}), dict, f"{what}: annotations")
    platform = typed(fields.get("platform", {}), dict, f"{what}: platform")
    return Descriptor(
        typed(fields.get("mediaType"), str, f"{what}: mediaType"),
        digest_of(fields.get("digest"), f"{what}: digest"),
        size,
        {key: typed(text, str, f"{what}: annotations") for key, text in annotations.items()},
        "/".join(typed(platform.get(key), str, f"{what}: platform") for key in ("os", "architecture"))
        if platform
        else "",
    )


class Manifest(NamedTuple):
    """An image's parts.

    Args:
        config: its configuration.
        layers: the lowest first.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]


def manifest(document: Mapping[str, Any], media_type: str) -> Manifest:
    """Return what a manifest has.

    Raises:
        ImageError: it is none, or an index as well.
    """
    _check_kind(document, media_type, "the manifest", ("manifests",))
    layers = typed(document.get("layers"), list, "the manifest: layers")
    return Manifest(
        descriptor(document.get("config"), "the manifest: config"),
        tuple(descriptor(layer, f"the manifest: layer {number}") for number, layer in enumerate(layers, 1)),
    )


def index(document: Mapping[str, Any], media_type: str) -> tuple[Descriptor, ...]:
    """Return what an index has.

    Raises:
        ImageError: it is none, or a manifest as well.
    """
    _check_kind(document, media_type, "the index", ("config", "layers"))
    manifests = typed(document.get("manifests"), list, "the index: manifests")
    return tuple(descriptor(entry, f"the index: manifest {number}") for number, entry in enumerate(manifests, 1))


def _check_kind(document: Mapping[str, Any], media_type: str, what: str, foreign: tuple[str, ...]) -> None:
    """Refuse what different readers would take for different things (CVE-2021-41190)."""
    if document.get("schemaVersion") != 2:
        raise ImageError(f"{what} is not of schema version 2")
    if found := [key for key in foreign if key in document]:
        raise ImageError(f"{what} has {found[0]!r} as well, so it could be a manifest and an index")
    if document.get("mediaType", media_type) != media_type:
        raise ImageError(f"{what} says that it is {document['mediaType']!r}, and what refers to it {media_type!r}")


class Config(NamedTuple):
    """An image's configuration.

    Args:
        diff_ids: digests of the layers without compression, the lowest first.
        platform: "os/architecture".
        run: how its command runs: Cmd, Entrypoint, Env, User, WorkingDir and others.
    """

    diff_ids: tuple[str, ...]
    platform: str
    run: Mapping[str, Any]


def config(document: Mapping[str, Any]) -> Config:
    """Return what a configuration has.

    Raises:
        ImageError: it is none.
    """
    rootfs = typed(document.get("rootfs"), dict, "the configuration: rootfs")
    if rootfs.get("type") != "layers":
        raise ImageError("the configuration: rootfs.type is not 'layers'")
    platform = [typed(document.get(key), str, f"the configuration: {key}") for key in ("os", "architecture")]
    diff_ids = typed(rootfs.get("diff_ids"), list, "the configuration: rootfs.diff_ids")
    return Config(
        tuple(digest_of(item, "the configuration: rootfs.diff_ids") for item in diff_ids),
        "/".join(platform),
        typed(document.get("config") or {}, dict, "the configuration: config"),
    )
