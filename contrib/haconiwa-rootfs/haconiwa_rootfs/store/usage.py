"""Which containers use which layers: noted when they start, for a definition may mean another root by now."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.errors import StepError
from haconiwa_core.runtime.record import Record
from haconiwa_core.runtime.store import Store as Records

_NOTE = "rootfs.json"
"""In an instance's directory."""

_ENDED = "exited"


class Use(NamedTuple):
    """What a container uses.

    Args:
        name: the container's.
        key: of its root.
        layers: their directories.
    """

    name: str
    key: str
    layers: tuple[str, ...]


def note_use(store: str, key: str, layers: tuple[str, ...], directory: str) -> None:
    """Note what an instance is about to use; what is noted is not removed while it lives.

    Args:
        store: directory of the store.
        key: of the root.
        layers: their directories.
        directory: the instance's own.

    Raises:
        StepError: a layer was removed meanwhile.
    """
    with _removing(Path(store), fcntl.LOCK_SH):
        for layer in layers:
            if not os.path.isdir(layer):
                raise StepError(errno.ENOENT, f"the layer {layer} was removed", "haconiwa create FILE")
        Path(directory, _NOTE).write_text(json.dumps([key, layers]), encoding="utf-8")


@contextmanager
def uses(store: Path, records: Records | None = None) -> Iterator[list[Use]]:
    """Give what containers use of a store; nobody begins to use it meanwhile.

    Args:
        store: its directory.
        records: of the containers that count; those of the state directory by default.
    """
    records = records or Records()
    with _removing(store, fcntl.LOCK_EX):
        found = [_use_of(record, records) for record in records.records() if record.status != _ENDED]
        yield [
            use
            for use in found
            if use and any(Path(each).resolve().is_relative_to(store.resolve()) for each in use.layers)
        ]


def _use_of(record: Record, records: Records) -> Use | None:
    try:
        key, layers = json.loads((records.directory / record.name / _NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Use(record.name, key, tuple(layers))


@contextmanager
def _removing(store: Path, how: int) -> Iterator[None]:
    descriptor = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
