"""Which launcher starts containers: the static helper where it is installed, else this interpreter."""

from __future__ import annotations

import socket
from importlib.metadata import entry_points
from typing import Protocol

from haconiwa_core.errors import PluginError
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.helper import HelperLauncher
from haconiwa_core.plugins.discovery import API
from haconiwa_core.program import Program

GROUP = f"haconiwa.{API}.launchers"


class Launcher(Protocol):
    """Runs programs: each process is cloned by the first instructions of the program, in its turn."""

    name: str

    def launch(self, program: Program, descriptors: dict[str, int]) -> socket.socket:
        """Start a program and return the host's end of its channel.

        First comes a record with pidfd for each process that is cloned, in any order with the
        reports of that process.

        Args:
            program: of a plan.
            descriptors: what the slots of the program hold, by name; "channel" is added.

        Raises:
            OSError: no process could be made.
        """

    def close(self) -> None:
        """End what the launcher itself needs; containers that it has started live on."""


def choose_launcher(name: str | None = None) -> Launcher:
    """Return the launcher that starts containers on this host.

    Args:
        name: "helper" or "direct"; None takes the helper where it is installed.

    Raises:
        PluginError: the helper is asked for and not installed, several distributions provide
            one, or it cannot be loaded.
    """
    found = [] if name == DirectLauncher.name else sorted(entry_points(group=GROUP), key=lambda item: item.value)
    if not found and name == HelperLauncher.name:
        raise PluginError("no launcher is installed but this interpreter; pip install haconiwa-launcher")
    if not found:
        return DirectLauncher()
    if len(found) > 1:
        raise PluginError(f"several launchers are installed: {', '.join(item.value for item in found)}; keep one")
    try:
        return HelperLauncher(found[0].load()())
    except (ImportError, AttributeError) as error:
        raise PluginError(f"the launcher {found[0].value} is broken: {error}") from error
