"""What can be written in a definition: the container's own keys, and the sections of what is installed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from haconiwa_core.container import OWN_KEYS, Container
from haconiwa_core.errors import PluginError
from haconiwa_core.feature import Feature
from haconiwa_core.log import Log
from haconiwa_core.plugins.discovery import State
from haconiwa_core.plugins.loading import Plugins
from haconiwa_new.examples import Example, example_of

GIVEN = ("name", "command")
"""Keys that every definition has."""


class Choice(NamedTuple):
    """A key or an option.

    Args:
        name: as it is written.
        default: None where nothing is set without it, MISSING where it must be given.
        meaning: one line.
    """

    name: str
    default: Any
    meaning: str


class Section(NamedTuple):
    """A section that may be written.

    Args:
        name: the plugin's.
        meaning: one line.
        distribution: that provides it.
        kind: the name of its class.
        options: all of them.
        example: of its distribution.
    """

    name: str
    meaning: str
    distribution: str
    kind: str
    options: list[Choice]
    example: Example


def own_keys() -> list[Choice]:
    """Return the container's own keys that need not be given."""
    text = inspect.cleandoc(Container.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0]
    meanings: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", text):
        names, _, meaning = " ".join(entry.split()).partition(": ")
        meanings |= dict.fromkeys(names.split(", "), meaning)
    defaults = {item.name: {} if item.default is MISSING else item.default for item in fields(Container)}
    return [Choice(key, defaults[key], meanings[key]) for key in OWN_KEYS if key not in GIVEN]


def sections(plugins: Plugins, log: Log) -> Iterator[Section]:
    """Yield the sections of all plugins that may be used, by name; one that is broken is logged."""
    for plugin in plugins.all:
        if plugin.state is not State.ENABLED:
            continue
        try:
            feature = plugins.feature_class(plugin.name)
        except PluginError as error:
            log.warning(f"left out: {error}")
            continue
        point = plugin.entry_point
        example = example_of(point.metadata, feature)
        yield Section(plugin.name, _summary(feature), point.distribution, feature.__name__, _options(feature), example)


def _summary(feature: type[Feature]) -> str:
    return " ".join(inspect.cleandoc(feature.__doc__ or "").partition("\n\n")[0].split())


def _options(feature: type[Feature]) -> list[Choice]:
    return [Choice(item.name, item.default, item.metadata.get("help", "")) for item in fields(feature)]
