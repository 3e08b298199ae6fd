"""The host's resolv.conf in a root that must not keep it: a layer of its own, above the others for a while."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from haconiwa_core.errors import HaconiwaError

_FILE = Path("/etc/resolv.conf")
"""resolv.conf(5)."""


def make_resolver_layer(directory: Path, layers: Sequence[str]) -> None:
    """Fill a directory with etc/resolv.conf, where etc is as in the root.

    Args:
        directory: empty.
        layers: of the root, the lowest first.

    Raises:
        HaconiwaError: the root's etc is no directory.
        OSError: the host's file cannot be read.
    """
    folder = directory / "etc"
    folder.mkdir(mode=0o755)
    (folder / _FILE.name).write_bytes(_FILE.read_bytes())
    (folder / _FILE.name).chmod(0o644)
    # In the merged root, the topmost one's owner and mode are those of all.
    if found := _topmost(layers):
        os.chown(folder, found.st_uid, found.st_gid)
        folder.chmod(stat.S_IMODE(found.st_mode))


def _topmost(layers: Sequence[str]) -> os.stat_result | None:
    for layer in reversed(layers):
        try:
            found = os.lstat(os.path.join(layer, "etc"))
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(found.st_mode):
            raise HaconiwaError(f"{layer}/etc is no directory: there is no place for the host's {_FILE}")
        return found
    return None
