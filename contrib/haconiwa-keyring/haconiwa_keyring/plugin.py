"""Keyring: the host opens the files of the keys, the child makes its keyring of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from haconiwa_core import DefinitionError, Feature, Slot, Stage, Step, hookimpl, linux
from haconiwa_core.errors import Problem
from haconiwa_core.planning.context import Planning

from haconiwa_keyring import Keyring
from haconiwa_keyring.kernel import add_key, join_session_keyring, protect_session_keyring

# A FIFO must not hold up the start.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Keyring


@hookimpl
def haconiwa_steps(feature: Keyring, planning: Planning) -> Iterator[Step]:
    """Join a new keyring instead of the nameless one that the core makes, and add each key to it."""
    descriptions = [key.description for key in feature.keys]
    twice = sorted({text for text in descriptions if descriptions.count(text) > 1})
    if twice:
        raise DefinitionError([Problem(f'has the description "{text}" twice', key="keys") for text in twice])
    owner = planning.initial_ids
    yield Step(Stage.SESSION, join_session_keyring, feature.name, *owner)
    for key in feature.keys:
        file = Slot(f"keyring-file-{key.description}")
        yield Step(Stage.PREPARE, linux.open_file, planning.host_path(key.file), _FLAGS, 0, into=file)
        yield Step(Stage.SESSION, add_key, file, key.description, *owner, feature.read_only)
    if feature.read_only:
        yield Step(Stage.SESSION, protect_session_keyring, feature.name, *owner)
