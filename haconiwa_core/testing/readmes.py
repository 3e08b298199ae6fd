"""The README of a plugin's distribution, and the part of it that repeats the code."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from haconiwa_core.feature import Feature


def options_table(feature: type[Feature]) -> str:
    """Return the table of options that a plugin's README contains."""
    rows = [f"| `{item.name}` | {_shown(item.default)} | {item.metadata['help']} |" for item in fields(feature)]
    return "\n".join(["| Option | Default | Meaning |", "|---|---|---|", *rows])


def readme_of(name: str) -> str:
    """Return the README of an installed distribution: of its source if it is editable, else of its metadata."""
    found = distribution(name)
    source = _source_of(found)
    if source:
        return (source / "README.md").read_text("utf-8")
    # importlib.metadata gives the text after the headers under the name of the header that it replaces.
    return str(found.metadata.json["description"])


def _source_of(found: Distribution) -> Path | None:
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))


def _shown(default: object) -> str:
    if default is MISSING:
        return "required"
    if default is None or default == ():
        return ""
    shown = repr(default) if isinstance(default, int) and not isinstance(default, bool) else json.dumps(default)
    return f"`{shown}`"
