"""Which service a request is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

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
