"""What clients can ask of the supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from signal import Signals
from typing import Any

from haconiwa_runtime.messages import close_all

from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.hooks.hook import catchable_signals
from haconiwa_supervision.hooks.workers import Worker
from haconiwa_supervision.server import Conversation, Handler
from haconiwa_supervision.supervised import Supervised
from haconiwa_supervision.supervisor import Supervisor

_QUEUED_EVENTS = 1000

Request = Mapping[str, Any]


class Requests:
    """Answers clients. Each method is a request; what it takes is what the request holds."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def handlers(self) -> dict[str, Handler]:
        """Return the methods by the names of their requests."""
        simple = {
            "stop": self._stop,
            "stop_all": self._stop_all,
            "kill": self._kill,
            "retire": self._retire,
            "remove": self._remove,
            "restart": self._restart,
            "update": self._update,
            "signal": self._signal,
            "call": self._call,
            "wait": self._wait,
            "inspect": self._inspect,
        }
        answered = {do: _answered(method) for do, method in simple.items()}
        return {"start": self._start, "events": self._events, **answered}

    async def _start(self, conversation: Conversation, request: Request, descriptors: list[int]) -> None:
        """Start containers; tell their processes, and, to who waits, their ends."""
        left = list(descriptors)
        try:
            streams = [{name: left.pop(0) for name in names} for names in request["streams"]]
            worker = Worker(connection=socket.socket(fileno=os.dup(left.pop(0)))) if request["worker"] else None
            group = await self._supervisor.start(
                request["definitions"],
                name=request["name"],
                remove=request["remove"],
                launcher=request["launcher"],
                bound=request["bound"],
                streams=streams,
                worker=worker,
            )
        finally:
            close_all(descriptors)
        members = list(group.members.values())
        processes = [{"name": member.name, "pid": member.running.pid if member.running else 0} for member in members]
        pidfds = [member.running.pidfd for member in members if member.running and member.end is None]
        known = len(pidfds) == len(members)
        await conversation.send({"started": processes, "pidfds": known}, pidfds if known else [])
        if request["bound"]:
            await self._tell_ends(conversation, members)

    async def _tell_ends(self, conversation: Conversation, members: list[Supervised]) -> None:
        """Tell the end of each, and end all of them when the client has gone."""
        gone = asyncio.ensure_future(conversation.ended.wait())
        left = list(members)
        while left:
            waited: list[asyncio.Future[Any]] = [gone, *(member.finished for member in left)]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for member in [member for member in left if member.finished.done()]:
                left.remove(member)
                end = member.finished.result()
                told = {"name": member.name, "exit_status": end.exit_status, "reason": end.reason, "usage": end.usage}
                await conversation.send({"ended": told})
            if gone.done():
                for member in left:
                    member.state.remove = True
                    member.stop_soon("its caller has gone", 0.0)
                return
        gone.cancel()

    async def _events(self, conversation: Conversation, request: Request, descriptors: list[int]) -> None:
        """Tell events as they happen, until the client goes; one that does not keep up is let go."""
        close_all(descriptors)
        queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(_QUEUED_EVENTS)
        full = asyncio.Event()

        def take(event: Mapping[str, Any]) -> None:
            if request["name"] in (None, event["container"]):
                try:
                    queue.put_nowait(event)
                except asyncio.QueueFull:
                    full.set()

        stop = self._supervisor.events.listen(take)
        try:
            await conversation.send({"listening": True})
            while not full.is_set():
                getting = asyncio.ensure_future(queue.get())
                gone = asyncio.ensure_future(conversation.ended.wait())
                await asyncio.wait([getting, gone], return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
                if not getting.done():
                    getting.cancel()
                    return
                await conversation.send({"event": getting.result()})
        finally:
            stop()
        raise HaconiwaError(f"more than {_QUEUED_EVENTS} events were not taken in time")

    async def _stop(self, request: Request) -> Any:
        end = await self._of(request).stop(request["timeout"], "asked to")
        return {"exit_status": end.exit_status, "reason": end.reason}

    async def _stop_all(self, request: Request) -> Any:
        there = [self._supervisor.containers.get(name) for name in request["names"]]
        stops = [container.stop(request["timeout"], "asked to") for container in there if container]
        await asyncio.gather(*stops, return_exceptions=True)

    async def _kill(self, request: Request) -> Any:
        container = self._of(request)
        container.reason = "killed"
        await container.kill()

    async def _retire(self, request: Request) -> Any:
        self._of(request).retire()

    async def _remove(self, request: Request) -> Any:
        container = self._of(request)
        if not request["force"]:
            raise HaconiwaError(f"the container {container.name} is {container.status}; stop it first, or add --force")
        container.state.remove = True
        await container.stop(0.0, "removed")

    async def _restart(self, request: Request) -> Any:
        await self._of(request).restart(request["timeout"])

    async def _update(self, request: Request) -> Any:
        await self._of(request).update(request["sections"])

    async def _signal(self, request: Request) -> Any:
        name = str(request["signal"])
        if name not in catchable_signals():
            raise HaconiwaError(f"{name} is no signal that can be caught")
        container = self._of(request)
        if not await container.firing.signal(name):
            raise HaconiwaError(
                f"the container {container.name} has no hook for {name};"
                f" `haconiwa kill -s {Signals[name].name} {container.name}` sends it to its first process"
            )

    async def _call(self, request: Request) -> Any:
        outcome = await self._of(request).firing.call(request["command"], request["args"])
        if outcome.status != "returned":
            raise HaconiwaError(f"{request['command']}: {outcome.status}: {outcome.error.strip()}")
        return outcome.value

    async def _wait(self, request: Request) -> Any:
        end = await asyncio.shield(self._of(request).finished)
        return {"exit_status": end.exit_status, "reason": end.reason}

    async def _inspect(self, request: Request) -> Any:
        return self._of(request).told()

    def _of(self, request: Request) -> Supervised:
        name = request["name"]
        container = self._supervisor.containers.get(name)
        if container is None:
            raise RecordError(f"no container named {name} is supervised")
        return container


def _answered(method: Any) -> Handler:
    """Return a handler for a request that has one answer, and takes no descriptors."""

    async def handle(conversation: Conversation, request: Request, descriptors: list[int]) -> None:
        close_all(descriptors)
        await conversation.send({"value": await method(request)})

    return handle
