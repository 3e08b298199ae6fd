"""Observers: installed plugins that are told what happens to containers."""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

from haconiwa_core.errors import PluginError
from haconiwa_core.plugins import hookspecs
from haconiwa_core.plugins.discovery import API, disabled_plugins
from haconiwa_core.plugins.entrypoints import EntryPoint, entry_points

GROUP = f"haconiwa.{API}.observers"


def installed_observers() -> list[EntryPoint]:
    """Return the observers that are installed, not disabled and not blocked, by name; nothing is imported."""
    disabled = disabled_plugins()
    found = sorted(item for item in entry_points() if item.group == GROUP and item.name not in disabled)
    return [item for item in found if not item.blocked]


class Observer:
    """An observer, loaded.

    Args:
        entry_point: of its module.

    Raises:
        PluginError: it cannot be loaded, or does not observe.
    """

    def __init__(self, entry_point: EntryPoint) -> None:
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(entry_point.load(), entry_point.name)
            manager.check_pending()
            self._tell = manager.hook.haconiwa_event
            if not self._tell.get_hookimpls():
                raise ValueError("it does not implement haconiwa_event")
        except PluginError as error:
            raise PluginError(f"the observer {entry_point.name}: {error}") from error
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(
                f"the observer {entry_point.name} of {entry_point.distribution} is broken: {reason}"
            ) from error
        self.name = entry_point.name

    def tell(self, event: Mapping[str, object]) -> None:
        """Tell it an event; whatever it raises comes out."""
        self._tell(event=event)
