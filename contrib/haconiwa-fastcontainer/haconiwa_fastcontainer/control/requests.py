"""What instances and commands ask of a front."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from haconiwa_supervision.control.server import Handler, answered

from haconiwa_core.errors import HaconiwaError
from haconiwa_fastcontainer.control.status import status_of
from haconiwa_fastcontainer.fleet.fleet import Fleet
from haconiwa_fastcontainer.held import Held

Request = Mapping[str, Any]


class Requests:
    """Answers requests. Each method is one; what it takes is what the request holds.

    Args:
        fleet: of the front.
        held: what it has of its keeper.
    """

    def __init__(self, fleet: Fleet, held: Held) -> None:
        self._fleet = fleet
        self._held = held

    def handlers(self) -> dict[str, Handler]:
        """Return the methods by the names of their requests."""
        methods = {
            "may_end": self._may_end,
            "status": self._status,
            "reload": self._reload,
            "reloaded": self._reloaded,
            "stop": self._stop,
        }
        return {do: answered(method) for do, method in methods.items()}

    async def _status(self, _: Request) -> Any:
        return await status_of(self._fleet)

    async def _reload(self, _: Request) -> Any:
        self._held.ask_for_another()

    async def _reloaded(self, _: Request) -> Any:
        return {"pid": os.getpid(), "failed": self._held.other_has_failed}

    async def _stop(self, _: Request) -> Any:
        self._held.ask_to_end()

    async def _may_end(self, request: Request) -> bool:
        name, why = str(request["name"]), str(request["why"])
        if why not in ("idle", "life"):
            raise HaconiwaError(f"{why!r} is no reason to end")
        for service in self._fleet.services.values():
            if name in service.instances:
                return await service.ending.may_end(name, why)
        # It is none of ours: nobody uses it.
        return True
