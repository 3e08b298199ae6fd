"""Which running containers use which roots."""

from __future__ import annotations

from collections.abc import Mapping

from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import HaconiwaError
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store as Records
from haconiwa_rootfs import Rootfs
from haconiwa_rootfs.building import last_key, store_of
from haconiwa_rootfs.store.roots import Store

_OF_NO_PROCESS = "exited"


def users(store: Store, records: Records | None = None) -> Mapping[str, list[str]]:
    """Return the names of the containers that use a root of a store, by its key.

    Args:
        store: that has the roots.
        records: of the containers that count; those of the state directory by default.

    Raises:
        HaconiwaError: it cannot be told what one of them uses.
    """
    found: dict[str, list[str]] = {}
    for record in (records or Records()).records():
        if record.status == _OF_NO_PROCESS or Rootfs.section not in record.container["features"]:
            continue
        try:
            container = read_stored(record.container, Plugins())
            feature = container.feature(Rootfs.section)
            assert isinstance(feature, Rootfs)
            if not _same(store_of(feature, container.folder), store):
                continue
            key = last_key(feature, container.folder)
        except HaconiwaError as error:
            raise HaconiwaError(f"it cannot be told which root {record.name} uses; stop it first: {error}") from error
        found.setdefault(key, []).append(record.name)
    return found


def _same(one: Store, other: Store) -> bool:
    return one.directory.resolve() == other.directory.resolve()
