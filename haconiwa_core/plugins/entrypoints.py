"""Entry points of installed distributions, read from their metadata; nothing is imported.

`importlib.metadata` finds the same and costs a start of Haconiwa a fifth of its time, for an e-mail
parser and for archives.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from typing import Any, NamedTuple

_OURS = "haconiwa."
_SUFFIXES = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """A name that a distribution gives to one of its modules or to what is in it.

    Args:
        name: within its group.
        value: "package.module" or "package.module:attribute".
        group: such as "haconiwa.v1.features".
        metadata: the folder of the distribution's metadata, "" where there is none.
    """

    name: str
    value: str
    group: str
    metadata: str = ""

    @property
    def module(self) -> str:
        """The module that is imported to load it."""
        return self._target[0]

    @property
    def distribution(self) -> str:
        """The name of the distribution."""
        return self._header("Name")

    @property
    def version(self) -> str:
        """The version of the distribution."""
        return self._header("Version")

    def load(self) -> Any:
        """Import the module and return it, or the attribute of it that is meant."""
        module, attribute = self._target
        return reduce(getattr, filter(None, attribute.split(".")), import_module(module))

    @property
    def _target(self) -> tuple[str, str]:
        module, _, attribute = self.value.partition("[")[0].partition(":")
        return module.strip(), attribute.strip()

    def _header(self, wanted: str) -> str:
        for file in ("METADATA", "PKG-INFO"):
            for line in _read(os.path.join(self.metadata, file)).splitlines():
                header, _, value = line.partition(":")
                if header == wanted:
                    return value.strip()
        return "unknown"


def entry_points() -> Iterator[EntryPoint]:
    """Yield the entry points of all groups whose names begin with "haconiwa.".

    Distributions are looked for in the folders of `sys.path`; the first of one name hides the
    others, as it does when it is imported.
    """
    seen: set[str] = set()
    for folder in sys.path:
        for entry in _list(folder):
            if not entry.lower().endswith(_SUFFIXES):
                continue
            name = os.path.splitext(entry)[0].partition("-")[0]
            distribution = re.sub(r"[-_.]+", "_", name).lower()
            if distribution not in seen:
                seen.add(distribution)
                metadata = os.path.join(folder, entry)
                yield from _parse(_read(os.path.join(metadata, "entry_points.txt")), metadata)


def _parse(text: str, metadata: str) -> Iterator[EntryPoint]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif line and not line.startswith("#") and group.startswith(_OURS):
            name, _, value = line.partition("=")
            yield EntryPoint(name.strip(), value.strip(), group, metadata)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder or ".")
    except OSError:
        return []  # On sys.path, folders may be missing, and archives may stand beside them.


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""
