"""Who owns a container that outlives its caller: a supervisor that another distribution provides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from haconiwa_core.errors import PluginError
from haconiwa_core.launch.choice import Launcher
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.discovery import API
from haconiwa_core.plugins.entrypoints import entry_points
from haconiwa_core.runtime.store import Store

GROUP = f"haconiwa.{API}.supervisors"


class Supervisor(Protocol):
    """Starts containers and stays their parent when the caller has gone."""

    def start(
        self, plan: Plan, store: Store, launcher: Callable[[], Launcher], *, name: str | None, remove: bool
    ) -> str:
        """Start a container in the background; return its name when its command has been executed.

        Args:
            plan: of a container none of whose streams are inherited.
            store: where its record is kept.
            launcher: makes what starts it.
            name: of the instance; None makes a unique one.
            remove: forget the container and its log when it has ended.

        Raises:
            HaconiwaError: it could not be started; nothing is left.
        """


def choose_supervisor() -> Supervisor:
    """Return the installed supervisor.

    Raises:
        PluginError: there is none, several are installed, or it is broken.
    """
    found = [item for item in entry_points() if item.group == GROUP]
    if not found:
        raise PluginError("no supervisor for detached containers is installed; pip install haconiwa-runtime")
    if len(found) > 1:
        names = " and ".join(sorted(item.distribution for item in found))
        raise PluginError(f"supervisors are provided by {names}; uninstall all but one")
    try:
        supervisor: Supervisor = found[0].load()()
    except (ImportError, AttributeError) as error:
        raise PluginError(f"the supervisor of {found[0].distribution} is broken: {error}") from error
    return supervisor
