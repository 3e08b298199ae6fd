"""Reach the resident supervisor of a state directory, and start it where it does not run."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from haconiwa_runtime.client import Connection, connect

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.launch.python import python_calling
from haconiwa_core.runtime.store import STATE_VARIABLE, Store
from haconiwa_core.runtime.supervisor import SOCKET_VARIABLE, control_socket
from haconiwa_core.trust import trusted_search_path

_PATIENCE = 10.0
_PASSED_ON = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HACONIWA_DISABLE_PLUGINS", "SUDO_UID")


def connected(store: Store) -> Connection:
    """Return a connection to the supervisor.

    Raises:
        HaconiwaError: it cannot be reached, or could not be started.
    """
    path = control_socket(store.directory)
    connection = connect(path)
    if connection is None and SOCKET_VARIABLE in os.environ:
        raise HaconiwaError(f"no supervisor listens on {path}, which ${SOCKET_VARIABLE} names")
    deadline = time.monotonic() + _PATIENCE
    while connection is None:
        # Another one may hold the lock that is about to listen, or about to end.
        if time.monotonic() > deadline:
            raise HaconiwaError(f"a supervisor runs, or was started, but does not listen on {path}")
        _spawn(store)
        connection = connect(path)
    return connection


def _spawn(store: Store) -> None:
    """Start a supervisor that ends when it has nothing to do; return when it listens, or another one does."""
    # A program's own folder need not be trusted: nothing of it is needed there.
    paths = trusted_search_path([folder for folder in sys.path if folder])
    command = python_calling("haconiwa_core.cli.main", "supervise", "--detach", "--until-idle", path=paths)
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment[STATE_VARIABLE] = os.path.abspath(store.directory)
    done = subprocess.run(
        command, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise HaconiwaError(f"the supervisor could not be started: {done.stderr.strip()}")
