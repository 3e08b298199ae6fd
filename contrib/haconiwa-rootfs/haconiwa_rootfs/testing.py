"""Roots for tests of what only plans."""

from __future__ import annotations

import hashlib
import os

from haconiwa_core.container import Container
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import last_key, store_of
from haconiwa_rootfs.store.roots import Layer, Root


def keep_root_without_content(container: Container) -> None:
    """Let the root of a container be known, so that it can be planned; it cannot start.

    Args:
        container: nothing is done for one whose root is not stored.

    Raises:
        DefinitionError: the source of its root is wrong.
    """
    feature = container.feature(Rootfs.section)
    if isinstance(feature, Rootfs):
        folder = container.folder or os.getcwd()
        layer = Layer(f"sha256:{hashlib.sha256().hexdigest()}", 0)
        store_of(feature, folder).put(Root(last_key(feature, folder), (layer,), 0, "test"))
