"""Ask all checks, those of installed plugins among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.errors import HaconiwaError, PluginError
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.plugins.survey import survey
from haconiwa_doctor.checks import GROUPS


class Line(NamedTuple):
    """A diagnosis, and whose it is.

    Args:
        group: what it is about: "namespaces", or "plugin NAME".
        diagnosis: what was found.
    """

    group: str
    diagnosis: Diagnosis


def examine() -> Iterator[Line]:
    """Yield what is found on this host, group by group."""
    for group, checks in GROUPS.items():
        for check in checks:
            yield from (Line(group, item) for item in _asked(check.__name__.replace("_", " "), check))
    try:
        plugins = Plugins()
        loaded = survey(plugins)
    except PluginError:
        return  # The group "installation" has told of it.
    for name, outcome in loaded.items():
        if not isinstance(outcome, PluginError):
            yield from (Line(f"plugin {name}", item) for item in _asked(name, partial(plugins.diagnose, name)))


def _asked(name: str, check: Callable[[], Iterable[Diagnosis]]) -> list[Diagnosis]:
    """Return what a check has found; what it cannot look at, or a fault of a plugin, is a finding, too."""
    try:
        return list(check())
    except (OSError, HaconiwaError) as error:
        return [Diagnosis(name, "missing", f"cannot be looked at: {error}")]


def is_fine(lines: Iterable[Line]) -> bool:
    """Return whether nothing is missing without which no container starts."""
    return not any(item.diagnosis.essential and item.diagnosis.state == "missing" for item in lines)
