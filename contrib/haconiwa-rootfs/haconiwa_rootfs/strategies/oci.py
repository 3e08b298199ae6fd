"""A root from a container image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import option
from haconiwa_core.options import Pattern
from haconiwa_rootfs.images.names import LOCAL, own_platform, split
from haconiwa_rootfs.strategies.limits import Devices, Digest, SetId, Size

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target


@dataclass(frozen=True)
class Options:
    """What the strategy `oci` can do.

    Args:
        image: with its transport: oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], or what
            skopeo(1) can copy, such as docker://NAME[:TAG|@DIGEST].
        digest: of the manifest or index, which an image of a layout must have.
        platform: operating system and architecture; this machine's if it is "".
        size: bytes that each layer may have without compression.
        devices: what is done with device nodes.
        set_id: what is done with set-user-ID and set-group-ID bits and capabilities of files.
        tls_verify: demand HTTPS and a valid certificate of a registry.
    """

    image: Annotated[str, Pattern(r"[a-z][a-z-]*:.+", "an image with its transport, such as docker://NAME")]
    digest: Digest = option("", "digest that an image of oci: must have, sha256:HEX")
    platform: Annotated[str, Pattern(r"([a-z0-9]+/[a-z0-9_]+)?", "a platform such as linux/arm64")] = option(
        "", "OS/ARCHITECTURE; this machine's by default"
    )
    size: Size = option("32G", "bytes of a layer without compression at most; k, M, G, T")
    devices: Devices = option("leave-out", "device nodes: refuse, leave-out or keep")
    set_id: SetId = option("keep", "set-user-ID bits and capabilities of files: keep or drop")
    tls_verify: bool = option(True, "demand HTTPS and a valid certificate of a registry")


def oci(image: str, **more: str | bool) -> dict[str, dict[str, Any]]:
    """Return the source of a root that is an image.

    Args:
        image: with its transport.
        more: the other options of the strategy (`Options`).

    Example: `Rootfs(oci("docker://registry.example/alpine:3.20"))`.
    """
    return {"oci": {"image": image, **more}}


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return what the root depends on: the platform, and of a file or a layout the time of its last change.

    A registry is not asked: what a tag means there is settled when the root is created.

    Raises:
        HaconiwaError: there is no such file.
    """
    found = {"platform": options.platform or own_platform()}
    transport, _, rest = options.image.partition(":")
    if transport in LOCAL and not options.digest:
        path = os.path.join(folder, split(rest)[0])
        changing = os.path.join(path, "index.json") if transport == "oci" else path
        try:
            status = os.stat(changing)
        except OSError as error:
            raise HaconiwaError(f"{changing}: {error.strerror}") from error
        found["image"] = f"{status.st_size} bytes of {status.st_mtime_ns} ns"
    return found


def build(options: Options, target: Target) -> None:
    """Unpack the image's layers, each verified, and take its configuration over.

    Raises:
        HaconiwaError: it cannot be had, is refused, or is not what it says.
    """
    from haconiwa_rootfs.images.filling import fill

    fill(options, target)
