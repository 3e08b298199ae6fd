"""For tests: a PostgreSQL server of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import LiteralString

import psycopg

_PATIENCE = 60.0
_USER = "haconiwa"


def find_programs() -> Path | None:
    """Return the directory with initdb and postgres; None where none is installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Database:
    """A server in a new directory, on a unix socket. It is left with `remove`.

    Args:
        programs: directory with initdb and postgres.
        addresses: at which it listens for TCP, too.

    Attributes:
        url: of the database, as for `PostgresState`.
        folder: of the socket.
    """

    def __init__(self, programs: Path, addresses: Sequence[str] = ()) -> None:
        self._programs = programs
        self._addresses = ",".join(addresses)
        self._server: subprocess.Popen[bytes] | None = None
        # Not in a directory that only root enters, and short enough for an address (unix(7)).
        self.folder = Path(mkdtemp(prefix="haconiwa-"))
        self.url = f"postgresql://{_USER}@/postgres?host={self.folder}"
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._call("initdb", "--auth=trust", "--no-sync", "--username", _USER, "--encoding=UTF8")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"listen_addresses": self._addresses, "unix_socket_directories": str(self.folder), "fsync": "off"}
        settings = [f"-c{name}={value}" for name, value in options.items()]
        command = [*self._as_user(), str(self._programs / "postgres"), "-D", str(self._data), *settings]
        with open(self.folder / "log", "ab") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        deadline = time.monotonic() + _PATIENCE
        while not self._call("pg_isready", "-q", "-h", str(self.folder), is_needed=False):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it.

        Args:
            number: the signal; SIGINT lets go of its clients at once, SIGQUIT is a crash.
        """
        if self._server:
            self._server.send_signal(number)
            self._server.wait()
            self._server = None

    def execute(self, statement: LiteralString) -> None:
        """Execute a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def remove(self) -> None:
        """End it, and remove all that it has."""
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _as_user(self) -> Sequence[str]:
        if os.geteuid() != 0:
            return []
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

    def _call(self, program: str, *arguments: str, is_needed: bool = True) -> bool:
        command = [*self._as_user(), str(self._programs / program), *arguments]
        environment = {**os.environ, "PGDATA": str(self._data)}
        done = subprocess.run(command, env=environment, cwd="/", check=False, capture_output=True, text=True)
        if is_needed and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.returncode == 0
