"""A root from an archive of tar."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.feature import option
from haconiwa_core.options import HostPath
from haconiwa_rootfs.strategies.limits import Devices, Digest, SetId, Size, limits

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target


@dataclass(frozen=True)
class Options:
    """What the strategy `tar` can do.

    Args:
        archive: path of the archive.
        digest: that the file must have, as sha256sum(1) prints it, after "sha256:".
        size: bytes that the archive may have without compression.
        devices: what is done with device nodes.
        set_id: what is done with set-user-ID and set-group-ID bits and capabilities of files.
    """

    archive: HostPath
    digest: Digest = option("", "digest that the file must have, sha256:HEX")
    size: Size = option("32G", "bytes without compression at most; k, M, G, T")
    devices: Devices = option("leave-out", "device nodes: refuse, leave-out or keep")
    set_id: SetId = option("keep", "set-user-ID bits and capabilities of files: keep or drop")


def tar(archive: str, **more: str) -> dict[str, dict[str, Any]]:
    """Return the source of a root that is in an archive.

    Args:
        archive: its path; compressed by gzip, xz, zstd or not.
        more: the other options of the strategy (`Options`).

    Example: `Rootfs(tar("alpine.tar.gz", digest="sha256:..."))`.
    """
    return {"tar": {"archive": archive, **more}}


def inputs(options: Options, folder: str) -> Mapping[str, str]:
    """Return what the root depends on: with a digest nothing more, otherwise the file's size and time of change.

    Raises:
        HaconiwaError: there is no such file.
    """
    if options.digest:
        return {}
    path = os.path.join(folder, options.archive)
    try:
        status = os.stat(path)
    except OSError as error:
        raise HaconiwaError(f"{path}: {error.strerror}") from error
    return {"archive": f"{status.st_size} bytes of {status.st_mtime_ns} ns"}


def build(options: Options, target: Target) -> None:
    """Unpack the archive.

    Raises:
        HaconiwaError: it is not there, refused, or another than the digest says.
    """
    from haconiwa_rootfs.unpack import Policy, unpack

    path = os.path.join(target.folder, options.archive)
    try:
        archive = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HaconiwaError(f"{path}: {error.strerror}") from error
    try:
        policy = Policy(devices=options.devices, set_id=options.set_id)
        unpacked = unpack(archive, str(target.directory), limits(options.size), policy)
    finally:
        os.close(archive)
    if options.digest not in ("", unpacked.digest):
        raise HaconiwaError(f"{path} is {unpacked.digest}, and {options.digest} is wanted")
    for text in unpacked.left_out:
        target.progress(f"left out: {text}")
