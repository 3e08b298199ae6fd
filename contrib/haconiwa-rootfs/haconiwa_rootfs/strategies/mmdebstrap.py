"""A root that mmdebstrap(1) makes: Debian and its relatives, for ordinary users, too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haconiwa_rootfs.strategies.debian import Packages, arguments, inputs

if TYPE_CHECKING:
    from haconiwa_rootfs.strategy import Target

__all__ = ["Options", "build", "mmdebstrap", "inputs"]


@dataclass(frozen=True)
class Options(Packages):
    """What the strategy `mmdebstrap` can do; see `Packages`."""


def mmdebstrap(release: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Return the source of a root that mmdebstrap makes.

    Args:
        release: such as "bookworm".
        more: the other options of the strategy (`Options`).

    Example: `Rootfs(mmdebstrap("bookworm", variant="essential"))`.
    """
    return {"mmdebstrap": {"release": release, **more}}


def build(options: Options, target: Target) -> None:
    """Make an archive, and unpack it: so the files belong to the right users, whoever the caller is.

    Raises:
        HaconiwaError: it has failed, or is not installed.
    """
    import tempfile

    from haconiwa_rootfs.unpack import Policy, unpack

    more = [options.mirror] if options.mirror else []
    with tempfile.TemporaryDirectory(dir=target.scratch) as scratch:
        file = os.path.join(scratch, "root.tar")
        target.run(["mmdebstrap", "--format=tar", *arguments(options), options.release, file, *more])
        archive = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            unpacked = unpack(archive, str(target.directory), policy=Policy())
        finally:
            os.close(archive)
    for text in unpacked.left_out:
        target.progress(f"left out: {text}")
