"""Connections to the server, and what is said about them: never the password that the URL may hold."""

from __future__ import annotations

import re
from contextlib import suppress

import psycopg
from haconiwa_fastcontainer.state import StateError
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SECONDS = 5
"""After which a server that does not answer counts as gone."""

# A front that goes away in the midst of a transaction holds up nobody for longer.
_SESSION = "-c lock_timeout=3s -c idle_in_transaction_session_timeout=2s -c statement_timeout=5s"

_DEFAULTS = {
    "application_name": "haconiwa",
    "connect_timeout": f"{_SECONDS}",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": f"{_SECONDS}000",
}


def _read(url: str) -> dict[str, str]:
    """Return what a URL gives.

    What is wrong with it is not told, for it may be that a part of the password is taken for something else.
    """
    _, _, path = url.partition("://")[2].partition("?")[0].partition("/")
    with suppress(psycopg.Error):
        given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
        if "@" not in path and re.fullmatch(r"[0-9,]*", given.get("port", "")):
            return given
    raise StateError(
        "the state's URL cannot be read; write postgresql://USER@HOST:PORT/DATABASE, and all but letters and digits of"
        " its parts as %XX"
    )


class Server:
    """A server and a database, as a URL names them (libpq's "Connection URIs").

    Args:
        url: "postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE"; what it leaves out comes from libpq's variables and
            password file.

    Raises:
        StateError: it is no such URL.
    """

    def __init__(self, url: str) -> None:
        given = _read(url)
        self._password = given.get("password", "")
        options = f"{given.pop('options', '')} {_SESSION}".strip()
        self._conninfo = make_conninfo("", **{**_DEFAULTS, **given, "options": options})

    async def connect(self) -> AsyncConnection:
        """Return a new connection, on which each statement is a transaction.

        Raises:
            psycopg.Error: it cannot be made.
        """
        return await AsyncConnection.connect(self._conninfo, autocommit=True)

    def error(self, error: BaseException) -> StateError:
        """Return what is said to an error of the driver's."""
        lines = str(error).strip().splitlines() or ["it does not answer"]
        text = lines[0]
        if self._password:
            text = text.replace(self._password, "***")
        return StateError(f"the state in PostgreSQL: {text}")
