"""The distributions that this project publishes: which one to name when a plugin or a command is missing.

Data, not code: `catalogue.json` and `commands.json` agree with the folders of the tree, and a test compares.
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


def providers_of(need: str) -> tuple[str, ...]:
    """Return the plugins that can provide something, named as facts are: "Namespace mnt", "NewRoot"."""
    return tuple(name for name, entry in _entries().items() if need in entry["provides"])
