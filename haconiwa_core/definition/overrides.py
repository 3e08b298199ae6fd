"""What the command line changes: --with, --without, --set, and flags that plugins turn into options."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from haconiwa_core.container import Container
from haconiwa_core.definition.sections import build_section
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.feature import Feature, Source
from haconiwa_core.plugins.loading import Plugins

_PLACE = "command line"


class Flagged(NamedTuple):
    """What flags of the command line change in one section.

    Args:
        section: its name.
        text: the flags, for messages.
        change: turns the section, or None where there is none, into options that have other values; None leaves it out.
            May raise DefinitionError.
    """

    section: str
    text: str
    change: Callable[[Feature | None], Mapping[str, Any] | None]


class Overrides(NamedTuple):
    """Changes to a container, in the words of the command line.

    Args:
        enabled: sections to add with their defaults (--with).
        disabled: sections to leave out (--without).
        settings: "SECTION.KEY=VALUE" texts (--set); each enables its section.
        flags: change sections after the others have.
    """

    enabled: Sequence[str] = ()
    disabled: Sequence[str] = ()
    settings: Sequence[str] = ()
    flags: Sequence[Flagged] = ()

    def apply(self, container: Container, plugins: Plugins) -> Container:
        """Return the changed container, with all that is wrong in the changes (`Container.problems`)."""
        problems: list[Problem] = []
        values: dict[str, dict[str, Any]] = {name: {} for name in self.enabled}
        for text in self.settings:
            name, problem = _setting(text, values)
            if problem:
                problems.append(problem)
            elif name in self.disabled:
                problems.append(Problem(f"--set {text} contradicts --without {name}", file=_PLACE))
        problems += [
            Problem(f"--with {name} contradicts --without {name}", file=_PLACE)
            for name in self.enabled
            if name in self.disabled
        ]
        for name in self.disabled:
            container = container.without(name)
        contradictions = [flagged for flagged in self.flags if flagged.section in self.disabled]
        problems += [
            Problem(f"{flagged.text} contradicts --without {flagged.section}", file=_PLACE)
            for flagged in contradictions
        ]
        container = with_values(container.noting(problems), values, plugins, _PLACE)
        for flagged in self.flags:
            if flagged not in contradictions:
                container = _with_flags(container, flagged, plugins)
        return container


def with_values(
    container: Container, values: Mapping[str, Mapping[str, Any]], plugins: Plugins, place: str = ""
) -> Container:
    """Return a container some of whose sections have other values, or are added, with all that is wrong in these.

    Args:
        container: to be changed.
        values: of options, by section; what is not there stays.
        plugins: where the features come from.
        place: where the values were written, for messages.
    """
    problems: list[Problem] = []
    for name, changed in values.items():
        present = container.feature(name)
        kept = {}
        if present:
            kept = {item.name: getattr(present, item.name) for item in dataclasses.fields(present)}
        feature, found = build_section(name, {**kept, **changed}, plugins)
        problems += [problem._replace(file=place) for problem in found]
        if feature:
            container += feature.at(Source(place, 0))
    return container.noting(problems)


def _with_flags(container: Container, flagged: Flagged, plugins: Plugins) -> Container:
    """Return the changed container; of a section that a profile gives the other options stay, too."""
    from haconiwa_core.planning.planner import expanded

    section, text, change = flagged
    present = expanded(container, plugins).feature(section)
    try:
        values = change(present)
    except DefinitionError as error:
        return container.noting(
            [item._replace(section=item.section or section, file=_PLACE) for item in error.problems]
        )
    if values is not None:
        return with_values(container + present if present else container, {section: values}, plugins, _PLACE)
    if present and not container.feature(section):
        hint = "change that one's options"
        return container.noting([Problem(f"{text}: another feature stands for {section}", file=_PLACE, hint=hint)])
    return container.without(section)


def _setting(text: str, values: dict[str, dict[str, Any]]) -> tuple[str, Problem | None]:
    """Add one --set to the values; return its section, and what is wrong with it."""
    path, equals, raw = text.partition("=")
    name, *keys = path.split(".")
    if not equals or not name or not keys or not all(keys):
        hint = "write --set SECTION.KEY=VALUE"
        return name, Problem(f"--set {text}: not understood", file=_PLACE, hint=hint)
    table = values.setdefault(name, {})
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            return name, Problem(f"--set {text}: {key} has a value already", file=_PLACE)
    table[keys[-1]] = _value(raw)
    return name, None


def _value(text: str) -> Any:
    """Return a value in TOML's notation; what is no TOML is a string."""
    import tomllib

    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text
