"""Connections to the server, and what is said about them: never the password that the URL may hold."""

from __future__ import annotations

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


class Server:
    """A server and a database, as a URL names them (libpq's "Connection URIs").

    Args:
        url: "postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE"; what it leaves out comes from libpq's variables and
            password file.

    Raises:
        StateError: it is no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
        except psycopg.Error:
            # The text quotes a part of the URL, which may be one of the password.
            raise StateError(
                "the state's URL is not read by libpq; write postgresql://USER@HOST:PORT/DATABASE,"
                " and other characters than letters and digits of its parts as %XX"
            ) from None
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
