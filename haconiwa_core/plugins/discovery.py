"""Find installed plugins from the metadata of distributions; nothing is imported."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.catalogue import distribution_for, known_names
from haconiwa_core.plugins.entrypoints import EntryPoint, distributions, entry_points, identity, provided_by
from haconiwa_core.plugins.policy import POLICY_FILE, blocked, missing

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
    BLOCKED = "blocked"


class Installed(NamedTuple):
    """One plugin as its distribution's metadata describes it.

    Args:
        entry_point: its name, what to load, and the distribution that provides it.
        api: major version of the plugin interface, such as "v1".
        state: whether it may be used.
        reason: by what it is disabled, or why it cannot be used; "" when it is enabled.
    """

    entry_point: EntryPoint
    api: str = API
    state: State = State.ENABLED
    reason: str = ""

    @property
    def name(self) -> str:
        """The plugin's name: that of its entry point."""
        return self.entry_point.name


def installed() -> list[Installed]:
    """Return all installed plugins, sorted by name, in whatever state they are."""
    candidates = [
        (entry_point, match[1]) for entry_point in sorted(entry_points()) if (match := _GROUP.match(entry_point.group))
    ]
    disabled = disabled_plugins()
    claims: dict[str, list[EntryPoint]] = {}
    for entry_point, api in candidates:
        if api == API and not entry_point.blocked:
            claims.setdefault(entry_point.name, []).append(entry_point)
    return [_describe(entry_point, api, disabled, claims) for entry_point, api in candidates]


def required_and_installed() -> list[Installed]:
    """Return all installed plugins, if nothing is missing that the policy requires.

    Raises:
        PluginError: a distribution is not installed, not usable, or of another version.
    """
    plugins = installed()
    if lacking := missing(_usable_distributions(plugins)):
        what = "not installed in such a version, or blocked or disabled (`haconiwa plugins list`)"
        raise PluginError("\n".join(f"{POLICY_FILE} requires {rule}: {what}; pip install '{rule}'" for rule in lacking))
    return plugins


def _usable_distributions(plugins: Iterable[Installed]) -> Iterator[tuple[str, str]]:
    disabled = disabled_plugins()
    unusable = {plugin.entry_point.metadata for plugin in plugins if plugin.state is not State.ENABLED}
    # Observers, which are not among the plugins, are disabled by the same names.
    unusable |= {entry_point.metadata for entry_point in entry_points() if entry_point.name in disabled}
    for metadata in distributions():
        name, version = identity(metadata)
        if metadata not in unusable and not blocked(name, version):
            yield name, version


def _describe(
    entry_point: EntryPoint, api: str, disabled: dict[str, str], claims: dict[str, list[EntryPoint]]
) -> Installed:
    name = entry_point.name
    if api != API:
        return Installed(entry_point, api, State.INCOMPATIBLE, f"made for {api}, this core offers {API}")
    if reason := entry_point.blocked:
        return Installed(entry_point, api, State.BLOCKED, reason)
    if len(claims[name]) > 1:
        return Installed(entry_point, api, State.AMBIGUOUS, f"{provided_by(claims[name])}; uninstall all but one")
    if name in disabled:
        return Installed(entry_point, api, State.DISABLED, f"disabled by {disabled[name]}")
    return Installed(entry_point)


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
        raise PluginError(
            f"plugin {name} of {plugin.entry_point.distribution} is {plugin.state}: {plugin.reason}{hint}"
        )
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
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification has relative paths ignored.
    folder = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~"), ".config")
    return folder / "haconiwa" / "plugins.json"


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
