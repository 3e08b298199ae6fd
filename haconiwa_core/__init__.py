"""Haconiwa: Linux containers composed of independently installed features.

The names below are imported when they are first used.
"""

from __future__ import annotations

# What type checkers take for typing's own: the zygote has no use for that module, nor memory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from haconiwa_core.container import Container
    from haconiwa_core.errors import DefinitionError, HaconiwaError, PluginError, RecordError, SetupError
    from haconiwa_core.feature import Feature, Rootless, option
    from haconiwa_core.operation import Slot
    from haconiwa_core.plugins.hookspecs import hookimpl
    from haconiwa_core.stages import Stage
    from haconiwa_core.steps import Step

__all__ = [
    "Container",
    "DefinitionError",
    "Feature",
    "HaconiwaError",
    "PluginError",
    "RecordError",
    "Rootless",
    "SetupError",
    "Slot",
    "Stage",
    "Step",
    "hookimpl",
    "option",
]

_HOMES = {
    "Container": "container",
    "DefinitionError": "errors",
    "Feature": "feature",
    "HaconiwaError": "errors",
    "PluginError": "errors",
    "RecordError": "errors",
    "Rootless": "feature",
    "SetupError": "errors",
    "Slot": "operation",
    "Stage": "stages",
    "Step": "steps",
    "hookimpl": "plugins.hookspecs",
    "option": "feature",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
