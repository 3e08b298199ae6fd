"""How an environment differs from what was noted of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haconiwa_freeze.lock import Lock


def differences(noted: Lock, found: Lock) -> Iterator[str]:
    """Yield each difference, in words."""
    for key, value in noted["interpreter"].items():
        if found["interpreter"][key] != value:
            yield f"interpreter: its {key} was {value or 'none'}, and is {found['interpreter'][key] or 'none'}"
    before, after = noted["distributions"], found["distributions"]
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{name} {before[name]['version']}: is not installed any more"
        elif name not in before:
            yield f"{name} {after[name]['version']}: was not installed"
        else:
            yield from (f"{name}: {text}" for text in _of_distribution(before[name], after[name]))
    for folder in sorted({*noted["unowned"], *found["unowned"]}):
        files = _of_files(noted["unowned"].get(folder, {}), found["unowned"].get(folder, {}))
        yield from (f"{folder}: {text}" for text in files)


def _of_distribution(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key, called in (("version", "version"), ("location", "location"), ("editable", "editable source")):
        if before[key] != after[key]:
            yield f"its {called} was {before[key] or 'none'}, and is {after[key] or 'none'}"
    if before["version"] == after["version"]:
        yield from _of_files(before["files"], after["files"])


def _of_files(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{name} is missing"
        elif name not in before:
            yield f"{name} was added"
        elif before[name] != after[name]:
            yield f"{name} has changed"
