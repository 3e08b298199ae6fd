"""Look at all plugins that are enabled, whether a definition names them or not.

stevedore's manager goes over them, and nothing else sees it: what starts a container names its plugins
(`loading`) and does not pay for importing it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stevedore.extension import ExtensionManager

from haconiwa_core.errors import PluginError
from haconiwa_core.feature import Feature
from haconiwa_core.plugins.discovery import GROUP, State
from haconiwa_core.plugins.loading import Plugins


class _Entry(NamedTuple):
    """What the manager takes for an entry point: it loads as the plugin does when a definition names it."""

    name: str
    plugins: Plugins

    def load(self) -> type[Feature]:
        return self.plugins.feature_class(self.name)


class _Enabled(ExtensionManager[Feature]):
    """The features of all plugins that are enabled.

    stevedore's own search would read a cache below the user's home that decides what root imports.
    """

    def __init__(self, plugins: Plugins, failed: Callable[[Any, Any, BaseException], None]) -> None:
        self._plugins = plugins
        super().__init__(GROUP, on_load_failure_callback=failed)

    def list_entry_points(self) -> list[Any]:
        names = [plugin.name for plugin in self._plugins.all if plugin.state is State.ENABLED]
        return [_Entry(name, self._plugins) for name in sorted(names)]


def survey(plugins: Plugins) -> dict[str, type[Feature] | PluginError]:
    """Load all plugins that are enabled.

    Returns:
        For each name the plugin's feature, or why it is broken.
    """
    found: dict[str, type[Feature] | PluginError] = {}

    def failed(_manager: Any, entry: _Entry, error: BaseException) -> None:
        if not isinstance(error, PluginError):
            raise error
        found[entry.name] = error

    for extension in _Enabled(plugins, failed):
        found[extension.name] = extension.plugin
    return found
