"""What this installation knows: read from what is installed; nothing of the host is tried."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from haconiwa_core import errors
from haconiwa_core.cli.commands import OWN, OWN_ACTIONS, others
from haconiwa_core.errors import PluginError
from haconiwa_core.feature import Feature, Rootless, option_help
from haconiwa_core.hooks.events import Event
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CloneFlag
from haconiwa_core.namespace import NamespaceFeature
from haconiwa_core.options import annotations_of, describe
from haconiwa_core.plugins import hookspecs
from haconiwa_core.plugins.catalogue import provided_by
from haconiwa_core.plugins.discovery import API, Installed, State, installed
from haconiwa_core.plugins.entrypoints import entry_points
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.plugins.survey import survey
from haconiwa_core.stages import Stage
from haconiwa_doctor import API_VERSION
from haconiwa_doctor.capabilities import MEANINGS

_REASONS = ("exited", "signaled", "unknown", "setup-failed")
"""Why a container has ended, as the core itself tells it."""

_TELLING = ("Counter ", "EndingSignal ")
"""Facts whose keys are further reasons."""


def known() -> dict[str, Any]:
    """Return what this installation knows, as data that json can write.

    Raises:
        PluginError: the policy requires what is not there, or cannot be read.
    """
    found = installed()
    loaded = survey(Plugins(found))
    classes = [outcome for outcome in loaded.values() if not isinstance(outcome, PluginError)]
    return {
        "apiVersion": API_VERSION,
        "version": version("haconiwa-core"),
        "pluginInterface": API,
        "stages": [{"name": stage.name, "process": "host" if stage.on_host else "container"} for stage in Stage],
        "hooks": sorted(_hooks()),
        "events": [str(event) for event in Event],
        "reasons": sorted({*_REASONS, *_reasons(loaded)}),
        "exitStatuses": {name: value for name, value in vars(errors).items() if name.startswith("EXIT_")},
        "features": [_feature(plugin, loaded.get(plugin.name)) for plugin in found],
        "namespaces": _namespaces(classes),
        "capabilities": [name for name, _ in MEANINGS.values()],
        "systemCalls": [call.name for call in Call],
        "commands": sorted((*OWN, *OWN_ACTIONS, *others())),
        "launchers": ["direct", *_names("launchers"), "zygote"],
        "supervisors": _names("supervisors"),
        "controllers": _names("controllers"),
        "observers": _names("observers"),
    }


def _hooks() -> Iterator[str]:
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            yield name


def _reasons(plugins: Iterable[str]) -> Iterator[str]:
    for plugin in plugins:
        for need in provided_by(plugin):
            if need.startswith(_TELLING):
                yield need.partition(" ")[2]


def _feature(plugin: Installed, loaded: type[Feature] | PluginError | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": plugin.name,
        "distribution": plugin.entry_point.distribution,
        "version": plugin.entry_point.version,
        "state": str(plugin.state),
        "reason": plugin.reason,
        "stages": None,
        "provides": list(provided_by(plugin.name)),
        "rootless": None,
        "options": None,
    }
    if loaded is None or plugin.state is not State.ENABLED:
        return told
    if isinstance(loaded, PluginError):
        return told | {"state": str(State.BROKEN), "reason": str(loaded)}
    said: Rootless | None = getattr(loaded, "rootless", None)
    return told | {
        "stages": [stage.name for stage in loaded.stages],
        "rootless": said._asdict() if said else None,
        "options": list(_options(loaded)),
    }


def _options(feature: type[Feature]) -> Iterator[dict[str, Any]]:
    helps, types = option_help(feature), annotations_of(feature)
    for item in dataclasses.fields(feature):
        required = item.default is dataclasses.MISSING
        yield {
            "name": item.name,
            "type": describe(types[item.name]),
            "required": required,
            "default": None if required else _plain(item.default),
            "help": helps[item.name],
        }


def _plain(value: Any) -> Any:
    """Return a default as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _namespaces(features: Iterable[type[Feature]]) -> list[dict[str, str]]:
    kinds = [feature for feature in features if issubclass(feature, NamespaceFeature)]
    return [{"kind": kind.kind, "flag": str(CloneFlag(kind.flag).name), "feature": kind.section} for kind in kinds]


def _names(group: str) -> list[str]:
    return sorted({item.name for item in entry_points() if item.group == f"haconiwa.{API}.{group}"})
