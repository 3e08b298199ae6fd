"""Who owns containers that outlive their caller or have hooks: supervisors that other distributions provide.

Two kinds are known, by the names of their entry points: "process" leaves one small process behind for each
container, and "resident" is one process for many, which runs hooks, too. Beside them, "terminal" lets a person sit
at the terminal of a container that one of these keeps.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from haconiwa_core.errors import PluginError

if TYPE_CHECKING:
    from haconiwa_core.container import Container
    from haconiwa_core.plugins.loading import Plugins
    from haconiwa_core.runtime.running import Running
    from haconiwa_core.runtime.store import Store

GROUP = "haconiwa.v1.supervisors"
PROCESS, RESIDENT, TERMINAL = "process", "resident", "terminal"
SOCKET_VARIABLE = "HACONIWA_SOCKET"
FOLDER_NAME = ".supervisor"
"""In a state directory: what the resident supervisor has for itself."""

SOCKET_NAME = "control"
"""In that folder: where clients connect, or a link to it."""

_PROVIDERS = {PROCESS: "haconiwa-runtime", RESIDENT: "haconiwa-supervision", TERMINAL: "haconiwa-runtime"}


class Start(NamedTuple):
    """What is to be started.

    Attributes:
        containers: of one definition.
        store: where their records are kept.
        plugins: where their features come from.
        name: of the only container's instance; None makes a unique one of each.
        remove: forget each container and its log when it has ended.
        launcher: by name; None takes the installed one.
        file: the definition's, if its containers were read from one.
        terminal: of the only container, which has a terminal: a socket that sits at that from the beginning.
    """

    containers: Sequence[Container]
    store: Store
    plugins: Plugins
    name: str | None = None
    remove: bool = False
    launcher: str | None = None
    file: str | None = None
    terminal: int | None = None


class Supervisor(Protocol):
    """Starts containers and stays their parent when the caller has gone."""

    def start(self, wanted: Start) -> list[str]:
        """Start containers in the background; return their names when their commands have been executed.

        Raises:
            HaconiwaError: one could not be started; nothing is left of any.
        """


class ResidentSupervisor(Supervisor, Protocol):
    """Starts containers for callers that stay, too, and runs their hooks."""

    def run(self, wanted: Start) -> int:
        """Run containers in the foreground; return the first exit status that is not 0, else 0.

        Raises:
            HaconiwaError: one could not be started; nothing is left of any.
        """

    def begin(self, wanted: Start, streams: Mapping[str, int]) -> Running:
        """Start the only container for a caller that waits for its end, which is the container's own, too.

        Args:
            wanted: one container.
            streams: descriptors for the standard streams that are inherited, by "stdin" ....

        Raises:
            HaconiwaError: it could not be started; nothing is left of it.
        """


class TerminalSession(Protocol):
    """Runs a container at the caller's terminal."""

    def run(self, wanted: Start, *, takes_input: bool, detach_keys: str) -> int:
        """Start the only container, and sit at its terminal until it has ended, or the person leaves.

        Args:
            wanted: one container, which has a terminal.
            takes_input: hand on what the caller types; else show what the container writes.
            detach_keys: as `haconiwa run --detach-keys` takes them.

        Returns:
            The exit status of the container, 0 when the person leaves.

        Raises:
            HaconiwaError: it could not be started; nothing is left of it.
        """


def control_socket(directory: Path) -> Path:
    """Return the socket of the resident supervisor of a state directory, which may not be there."""
    return Path(os.environ.get(SOCKET_VARIABLE) or directory / FOLDER_NAME / SOCKET_NAME)


def resident_for(containers: Sequence[Container], store: Store) -> ResidentSupervisor | None:
    """Return the resident supervisor where containers need one or one listens; else None.

    Raises:
        PluginError: they need one, and none is installed, or it is broken.
    """
    needing = next((container for container in containers if container.needs_supervisor), None)
    if needing is None and not _listens(control_socket(store.directory)):
        return None
    found: ResidentSupervisor | None = _installed(RESIDENT)
    if found is None and needing is not None:
        raise PluginError(
            f"the hooks and the supervision of {needing.name} need the resident supervisor;"
            f" pip install {_PROVIDERS[RESIDENT]}"
        )
    return found


def supervisor_for(containers: Sequence[Container], store: Store) -> Supervisor:
    """Return the supervisor that starts containers in the background.

    Raises:
        PluginError: there is none for them, several are installed, or it is broken.
    """
    found: Supervisor | None = resident_for(containers, store) or _installed(PROCESS)
    if found is None:
        raise PluginError(f"no supervisor for detached containers is installed; pip install {_PROVIDERS[PROCESS]}")
    return found


def terminal_session() -> TerminalSession:
    """Return what lets a person sit at a container's terminal.

    Raises:
        PluginError: there is nothing that does, several are installed, or it is broken.
    """
    found: TerminalSession | None = _installed(TERMINAL)
    if found is None:
        raise PluginError(f"nothing installed leads to a container's terminal; pip install {_PROVIDERS[TERMINAL]}")
    return found


def _listens(path: Path) -> bool:
    """Return whether somebody takes connections: one that was killed has left its socket."""
    if not path.exists():
        return False
    import socket

    # Thus no path is longer than an address can be (unix(7)).
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connecting:
        error = connecting.connect_ex(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
    return error not in (errno.ENOENT, errno.ECONNREFUSED)


def _installed(kind: str) -> Any:
    """Return the installed supervisor of a kind, None where there is none."""
    from haconiwa_core.plugins.entrypoints import load_sole

    supervisor = load_sole(GROUP, kind, f"the supervisor {kind}")
    return supervisor() if supervisor else None
