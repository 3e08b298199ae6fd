"""The distributions that this project publishes: which one to name when a plugin, a command or a flag is missing.

Data, not code: `catalogue.json`, `commands.json` and `flags.json` agree with the folders of the tree, and a test
compares.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1]


@cache
def _data(file: str) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads((_FOLDER / file).read_text("utf-8"))
    return entries


def _entries() -> dict[str, Any]:
    return _data("catalogue.json")


def known_names() -> tuple[str, ...]:
    """Return the names of all plugins in the catalogue."""
    return tuple(_entries())


def distribution_for(name: str) -> str:
    """Return the distribution that provides a plugin, or "" for a name outside the catalogue."""
    return str(_entries().get(name, {}).get("distribution", ""))


def command_distributions() -> dict[str, str]:
    """Return the verbs of the command line that are not the core's, and the distribution of each."""
    return _data("commands.json")


def flag_distributions() -> dict[str, str]:
    """Return the flags that are not the core's, as their entry points are called, and the distribution of each."""
    return dict(_data("flags.json")["provided"])


def refused_flags() -> dict[str, str]:
    """Return docker's flags that nothing here means the same as, and what to do instead."""
    return dict(_data("flags.json")["refused"])


def provided_by(name: str) -> tuple[str, ...]:
    """Return what a plugin provides, as `providers_of` takes it; nothing for a name outside the catalogue."""
    return tuple(_entries().get(name, {}).get("provides", ()))


def providers_of(need: str) -> tuple[str, ...]:
    """Return the plugins that can provide something, named as facts are: "Namespace mnt", "NewRoot"."""
    return tuple(name for name, entry in _entries().items() if need in entry["provides"])
