"""The distributions that this project publishes: which one to name when a plugin is missing.

Data, not code: `catalogue.json` is derived from the folders below plugins/, and a test compares.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def _entries() -> dict[str, Any]:
    text = resources.files("haconiwa_core").joinpath("catalogue.json").read_text("utf-8")
    entries: dict[str, Any] = json.loads(text)
    return entries


def known_names() -> tuple[str, ...]:
    """Return the names of all plugins in the catalogue."""
    return tuple(_entries())


def distribution_for(name: str) -> str:
    """Return the distribution that provides a plugin, or "" for a name outside the catalogue."""
    return str(_entries().get(name, {}).get("distribution", ""))


def providers_of(need: str) -> tuple[str, ...]:
    """Return the plugins that can provide something, named as facts are: "Namespace mnt", "NewRoot"."""
    return tuple(name for name, entry in _entries().items() if need in entry["provides"])
