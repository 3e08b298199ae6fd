"""Find installed plugins from the metadata of distributions; nothing is imported."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.catalogue import distribution_for, known_names

API = "v1"
GROUP = f"haconiwa.{API}.features"

SETTINGS_DIRECTORY = Path("/etc/haconiwa")
DISABLE_VARIABLE = "HACONIWA_DISABLE_PLUGINS"

_GROUP = re.compile(r"haconiwa\.(v\d+)\.features\Z")


class State(StrEnum):
    """What is known of a plugin; BROKEN only after its import was tried."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    BROKEN = "broken"
    INCOMPATIBLE = "incompatible"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class Installed:
    """One plugin as its distribution's metadata describes it.

    Args:
        name: of the entry point.
        distribution, version: that provide it.
        api: major version of the plugin interface, such as "v1".
        state: whether it may be used.
        reason: by what it is disabled, or why it cannot be used; "" when it is enabled.
        entry_point: what to load.
    """

    name: str
    distribution: str
    version: str
    api: str
    state: State
    reason: str
    entry_point: EntryPoint


def installed() -> list[Installed]:
    """Return all installed plugins, sorted by name, in whatever state they are."""
    candidates = [
        (entry_point, match[1])
        for group in sorted(entry_points().groups)
        if (match := _GROUP.match(group))
        for entry_point in entry_points(group=group)
    ]
    disabled = disabled_plugins()
    claims: dict[str, list[str]] = {}
    for entry_point, api in candidates:
        if api == API:
            claims.setdefault(entry_point.name, []).append(_distribution_of(entry_point)[0])
    found = [_describe(entry_point, api, disabled, claims) for entry_point, api in candidates]
    return sorted(found, key=lambda plugin: (plugin.name, plugin.distribution))


def _describe(entry_point: EntryPoint, api: str, disabled: dict[str, str], claims: dict[str, list[str]]) -> Installed:
    name = entry_point.name
    state, reason = State.ENABLED, ""
    if api != API:
        state, reason = State.INCOMPATIBLE, f"made for {api}, this core offers {API}"
    elif len(claims[name]) > 1:
        state, reason = State.AMBIGUOUS, f"provided by {' and '.join(sorted(claims[name]))}; uninstall all but one"
    elif name in disabled:
        state, reason = State.DISABLED, f"disabled by {disabled[name]}"
    distribution, version = _distribution_of(entry_point)
    return Installed(name, distribution, version, api, state, reason, entry_point)


def usable(name: str, plugins: Iterable[Installed]) -> Installed:
    """Return the one plugin of a name.

    Raises:
        PluginError: it is absent, disabled, incompatible or ambiguous; the message says which,
            and what to do.
    """
    found = [plugin for plugin in plugins if plugin.name == name]
    enabled = [plugin for plugin in found if plugin.state is State.ENABLED]
    if enabled:
        return enabled[0]
    if found:
        plugin = found[0]
        hint = f"; `haconiwa plugins enable {name}`" if plugin.state is State.DISABLED else ""
        raise PluginError(f"plugin {name} of {plugin.distribution} is {plugin.state}: {plugin.reason}{hint}")
    distribution = distribution_for(name)
    if distribution:
        raise PluginError(f"no installed plugin provides this feature; pip install {distribution}")
    from haconiwa_core.options import suggestion

    known = {*known_names(), *(plugin.name for plugin in plugins)}
    hint = suggestion(name, known)
    raise PluginError("no such feature" + (f"; {hint}" if hint else "; see `haconiwa plugins list`"))


def disabled_plugins() -> dict[str, str]:
    """Return the disabled plugins and by what: the settings file or the environment."""
    disabled = dict.fromkeys(read_settings(), str(settings_file()))
    for name in os.environ.get(DISABLE_VARIABLE, "").replace(",", " ").split():
        disabled.setdefault(name, f"${DISABLE_VARIABLE}")
    return disabled


def settings_file() -> Path:
    """Return the file that lists disabled plugins: the system's for root, else the user's own."""
    if os.geteuid() == 0:
        return SETTINGS_DIRECTORY / "plugins.json"
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "haconiwa" / "plugins.json"


def read_settings() -> list[str]:
    """Return the names that the settings file disables.

    Raises:
        PluginError: the file exists and cannot be read or understood; nothing is assumed then.
    """
    path = settings_file()
    try:
        data = json.loads(path.read_text("utf-8"))
        names = data["disabled"]
        if not all(isinstance(name, str) for name in names):
            raise ValueError("disabled must be a list of names")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PluginError(f"{path}: cannot tell which plugins are disabled: {error}") from error
    return list(names)


def write_settings(disabled: Iterable[str]) -> Path:
    """Replace the settings file and return its path.

    Raises:
        PluginError: it cannot be written.
    """
    path = settings_file()
    text = json.dumps({"disabled": sorted(set(disabled))}, indent=2) + "\n"
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new.write_text(text, "utf-8")
        os.replace(new, path)
    except OSError as error:
        raise PluginError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _distribution_of(entry_point: EntryPoint) -> tuple[str, str]:
    distribution = entry_point.dist
    return (distribution.name, distribution.version) if distribution else ("unknown", "unknown")
