"""Which service a request is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from haconiwa_core.definition.python import execute
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.plugins.policy import permitted

if TYPE_CHECKING:
    from haconiwa_fastcontainer.fleet.fleet import Fleet
    from haconiwa_fastcontainer.fleet.service import Service

ANY = "*"


class Asked(NamedTuple):
    """What a function that routes is given.

    Attributes:
        host: in small letters, without port; "" for none.
        path: as it was asked for, with the query.
        method: such as "GET".
        headers: names in small letters; of several of one name the last.
        client: address that the request has come from.
    """

    host: str
    path: str
    method: str
    headers: Mapping[str, str]
    client: str


Route = Callable[[Asked], str | None]


def read_route(text: str) -> Route:
    """Return the function that a text names.

    Args:
        text: FILE.py:FUNCTION.

    Raises:
        DefinitionError: the file cannot be read or is not to be trusted, its program fails, or has no such function.
    """
    path, _, name = text.rpartition(":")
    file = permitted(Path(path))
    function = execute(file).get(name)
    if not callable(function):
        raise DefinitionError([Problem(f"defines no function {name!r}", file=path, hint="write FILE.py:FUNCTION")])
    route: Route = function
    return route


class Routes:
    """Finds services by host names, or by a function.

    Args:
        fleet: with the services, which may change.
        function: returns a service's name, or None for none; it is asked instead of the host names.
    """

    def __init__(self, fleet: Fleet, function: Route | None = None) -> None:
        self._fleet = fleet
        self._function = function

    def find(self, asked: Callable[[], Asked], host: str) -> Service | None:
        """Return the service of a request; None if there is none.

        Args:
            asked: gives what the function gets.
            host: of the request.
        """
        if self._function:
            return self._fleet.services.get(self._function(asked()) or "")
        return self._fleet.hosts.get(host) or self._fleet.hosts.get(ANY)
