"""Which launcher starts containers: the one that is installed, else the zygote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from haconiwa_core.errors import PluginError
from haconiwa_core.launch.direct import DirectLauncher
from haconiwa_core.launch.zygote import ZygoteLauncher
from haconiwa_core.plugins.discovery import API
from haconiwa_core.plugins.entrypoints import entry_points, load_sole
from haconiwa_core.program import Program

if TYPE_CHECKING:
    import socket

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
        name: "zygote", "direct", or of an installed one; None takes the installed one, else the zygote.

    Raises:
        PluginError: there is none of this name, several are installed, or it cannot be loaded.
    """
    if name == DirectLauncher.name:
        return DirectLauncher()
    installed = [item for item in entry_points() if item.group == GROUP]
    wanted = [name] if name else [item.name for item in installed if not item.blocked]
    if wanted in ([], [ZygoteLauncher.name]):
        return ZygoteLauncher()
    launcher: Callable[[], Launcher] | None = None
    if len(wanted) == 1:
        launcher = load_sole(GROUP, wanted[0], f"the launcher {wanted[0]}")
    if launcher is None:
        names = ", ".join(sorted([DirectLauncher.name, ZygoteLauncher.name, *(item.name for item in installed)]))
        raise PluginError(f"one launcher {name or ''} is wanted; there are: {names}")
    return launcher()
