"""docker's flags `--cap-add` and `--cap-drop`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_capabilities import Capabilities
from haconiwa_core.cli.flags import Flag

SECTION = Capabilities.section
FLAGS = {
    "cap-add": Flag("a capability more than the default set, or the definition's; `all` is `all`", "NAME"),
    "cap-drop": Flag("a capability less; `all` leaves those that are added", "NAME"),
}

_EVERYTHING = "all"


def options(given: Mapping[str, Sequence[str]], section: Capabilities | None) -> dict[str, Any]:
    """Return all options of the changed section: what is dropped leaves each of its lists."""
    add, drop = given.get("cap-add", ()), given.get("cap-drop", ())
    named = [name for name in add if name.lower() != _EVERYTHING]
    start = section or Capabilities()
    if len(named) < len(add):
        start = dataclasses.replace(start, all=True, keep=None, reset=False, add=(), drop=())
        named = []
    changed = start.changed(add=named, drop=drop)
    return {item.name: getattr(changed, item.name) for item in dataclasses.fields(changed)}
