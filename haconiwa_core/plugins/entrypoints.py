"""Entry points of installed distributions, read from their metadata; nothing is imported.

`importlib.metadata` finds the same and costs a start of Haconiwa a fifth of its time, for an e-mail
parser and for archives.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import reduce
from importlib import import_module
from typing import Any, NamedTuple

from haconiwa_core.errors import DefinitionError, PluginError
from haconiwa_core.plugins.policy import blocked, policy
from haconiwa_core.trust import check_module

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
        return identity(self.metadata)[0]

    @property
    def version(self) -> str:
        """The version of the distribution."""
        return identity(self.metadata)[1]

    @property
    def blocked(self) -> str:
        """Why the policy does not let the distribution be used, or ""."""
        return blocked(self.distribution, self.version) if policy() else ""

    def load(self) -> Any:
        """Import the module and return it, or the attribute of it that is meant.

        Raises:
            PluginError: the policy does not let it be used, or root would import what others can write.
        """
        if reason := self.blocked:
            raise PluginError(f"{self.distribution} is blocked: {reason}")
        module, attribute = self._target
        try:
            check_module(module, self.metadata)
        except DefinitionError as error:
            raise PluginError(str(error)) from error
        return reduce(getattr, filter(None, attribute.split(".")), import_module(module))

    @property
    def _target(self) -> tuple[str, str]:
        module, _, attribute = self.value.partition("[")[0].partition(":")
        return module.strip(), attribute.strip()


def claims(group: str, name: str) -> list[EntryPoint]:
    """Return the entry points of a group that have one name and may be used; else one, which says why when loaded."""
    found = [item for item in entry_points() if item.group == group and item.name == name]
    return [item for item in found if not item.blocked] or found[:1]


def provided_by(claims: Iterable[EntryPoint]) -> str:
    """Return which distributions provide entry points of one name."""
    return f"provided by {' and '.join(sorted(claim.distribution for claim in claims))}"


def load_sole(group: str, name: str, what: str, *attributes: str) -> Any:
    """Load the entry point of a name that one distribution alone may claim; return None where none does.

    Args:
        group: such as "haconiwa.v1.commands".
        name: within the group.
        what: how messages call it, such as "the command cp".
        attributes: what it must have.

    Raises:
        PluginError: two distributions claim the name, the policy blocks it, or it is broken.
    """
    found = claims(group, name)
    if not found:
        return None
    if len(found) > 1:
        raise PluginError(f"{what} is {provided_by(found)}; uninstall all but one")
    try:
        loaded = found[0].load()
        for attribute in attributes:
            getattr(loaded, attribute)
    except PluginError as error:
        raise PluginError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{what} of {found[0].distribution} is broken: {reason}") from error
    return loaded


def entry_points() -> Iterator[EntryPoint]:
    """Yield the entry points of all groups whose names begin with "haconiwa."."""
    for metadata in distributions():
        yield from _parse(_read(os.path.join(metadata, "entry_points.txt")), metadata)


def distributions() -> Iterator[str]:
    """Yield the folder of the metadata of each installed distribution.

    They are looked for in the folders of `sys.path`; the first of one name hides the others, as it does when it
    is imported.
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
                yield os.path.join(folder, entry)


def identity(metadata: str) -> tuple[str, str]:
    """Return the name and the version of the distribution whose metadata a folder holds, or "unknown"."""
    headers: dict[str, str] = {}
    for file in ("METADATA", "PKG-INFO"):
        for line in _read(os.path.join(metadata, file)).partition("\n\n")[0].splitlines():
            header, _, value = line.partition(":")
            headers.setdefault(header, value.strip())
    return headers.get("Name", "unknown"), headers.get("Version", "unknown")


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
