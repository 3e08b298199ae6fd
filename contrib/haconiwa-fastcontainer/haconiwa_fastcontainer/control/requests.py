"""What instances and commands ask of a front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haconiwa_supervision.control.server import Handler, answered

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.fleet.fleet import Fleet

Request = Mapping[str, Any]


class Requests:
    """Answers requests. Each method is one; what it takes is what the request holds.

    Args:
        fleet: of the front.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def handlers(self) -> dict[str, Handler]:
        """Return the methods by the names of their requests."""
        methods = {"may_end": self._may_end}
        return {do: answered(method) for do, method in methods.items()}

    async def _may_end(self, request: Request) -> bool:
        name, why = str(request["name"]), str(request["why"])
        if why not in ("idle", "life"):
            raise HaconiwaError(f"{why!r} is no reason to end")
        for service in self._fleet.services.values():
            if name in service.instances:
                return await service.may_end(name, why)
        # It is none of ours: nobody uses it.
        return True
