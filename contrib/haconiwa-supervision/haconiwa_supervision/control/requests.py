"""What clients can ask of the supervisor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Set
from itertools import islice
from signal import Signals
from typing import Any

from haconiwa_runtime.messages import DESCRIPTOR_LIMIT, close_all

from haconiwa_core.errors import HaconiwaError, RecordError
from haconiwa_core.hooks.hook import catchable_signals
from haconiwa_core.runtime.processes import End
from haconiwa_supervision.container.reloading import reload
from haconiwa_supervision.container.supervised import Supervised
from haconiwa_supervision.control.server import Conversation, Handler, answered
from haconiwa_supervision.events.files import read_events
from haconiwa_supervision.supervisor import Supervisor

_QUEUED_EVENTS = 1000
_EVENTS_AT_ONCE = 100
_MOST_SECONDS = 10**9

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
            "reload": self._reload,
            "attached": self._attached,
            "updated": self._updated,
            "update": self._update,
            "signal": self._signal,
            "call": self._call,
            "inspect": self._inspect,
        }
        others: dict[str, Handler] = {"start": self._start, "events": self._events, "wait": self._wait}
        return others | {do: answered(method) for do, method in simple.items()}

    async def _start(self, conversation: Conversation, request: Request, descriptors: list[int]) -> None:
        """Start containers; to who waits, tell their processes, and their ends."""
        bound = bool(request["bound"])
        left = list(descriptors)
        try:
            streams = [{name: left.pop(0) for name in names} for names in request["streams"]]
            group = await self._supervisor.start(
                request["definitions"],
                name=request["name"],
                remove=bool(request["remove"]),
                launcher=request["launcher"],
                caller=conversation.caller() if bound else None,
                streams=streams,
                worker=left.pop(0) if request["worker"] else None,
            )
        finally:
            close_all(descriptors)
        members = list(group.members.values())
        started = [{"name": member.name, "pid": member.running.pid if member.running else 0} for member in members]
        if not bound:
            await conversation.send({"started": started})
            return
        waited = set(members)
        try:
            await self._tell_start(conversation, started, members)
            await self._tell_ends(conversation, waited)
        except Exception:
            _end_all(waited)
            raise
        _end_all(waited)

    async def _tell_start(
        self, conversation: Conversation, started: list[dict[str, Any]], members: list[Supervised]
    ) -> None:
        # Copies: whoever reaps a process closes the other.
        pidfds = [os.dup(member.running.pidfd) for member in members if member.running and member.life.runs]
        try:
            told = pidfds if len(pidfds) == len(members) <= DESCRIPTOR_LIMIT else []
            await conversation.send({"started": started}, told)
        finally:
            close_all(pidfds)

    async def _tell_ends(self, conversation: Conversation, waited: set[Supervised]) -> None:
        """Tell the end of each, and take it out of the set, until the client has gone."""
        gone = asyncio.ensure_future(conversation.ended.wait())
        try:
            while waited and not gone.done():
                awaited: list[asyncio.Future[Any]] = [gone, *(member.finished for member in waited)]
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
                for member in [member for member in waited if member.finished.done()]:
                    waited.remove(member)
                    end = member.finished.result()
                    await conversation.send({"ended": {"name": member.name, **_told(end), "usage": end.usage}})
        finally:
            gone.cancel()

    async def _events(self, conversation: Conversation, request: Request, descriptors: list[int]) -> None:
        """Tell events as they happen, until the client goes.

        Those that are kept and come after the one of a given id are told first. Thus one that does not keep up,
        and is let go, can ask for what it has missed.
        """
        close_all(descriptors)
        names, after = frozenset(request["names"]), request["after"]
        queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(_QUEUED_EVENTS)
        full = asyncio.Event()

        def take(event: Mapping[str, Any]) -> None:
            if not names or event["container"] in names:
                try:
                    queue.put_nowait(event)
                except asyncio.QueueFull:
                    full.set()

        stop = self._supervisor.events.listen(take)
        gone = asyncio.ensure_future(conversation.ended.wait())
        try:
            await conversation.send({"listening": True})
            last = 0 if after is None else await self._tell_kept(conversation, names, int(after))
            while not full.is_set():
                getting = asyncio.ensure_future(queue.get())
                await asyncio.wait([getting, gone], return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    getting.cancel()
                    return
                if getting.result()["id"] > last:
                    await conversation.send({"events": [getting.result()]})
        finally:
            stop()
            gone.cancel()

    async def _tell_kept(self, conversation: Conversation, names: Set[str], after: int) -> int:
        """Tell the events that are kept and come after one; return the id of the last of them."""
        kept = read_events(self._supervisor.folder)
        wanted = (event for event in kept if event["id"] > after and (not names or event["container"] in names))
        while events := await self._supervisor.work(lambda: list(islice(wanted, _EVENTS_AT_ONCE))):
            await conversation.send({"events": events})
            after = events[-1]["id"]
        return after

    async def _wait(self, conversation: Conversation, request: Request, descriptors: list[int]) -> None:
        """Tell how a container has ended, unless the client goes before."""
        close_all(descriptors)
        finished = self._of(request).finished
        gone = asyncio.ensure_future(conversation.ended.wait())
        awaited: list[asyncio.Future[Any]] = [finished, gone]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if finished.done():
            await conversation.send({"value": _told(finished.result())})

    async def _stop(self, request: Request) -> Any:
        end = await self._of(request).stop(_seconds(request), "asked to")
        return _told(end)

    async def _stop_all(self, request: Request) -> Any:
        await self._supervisor.stop_all(request["names"], "asked to", _seconds(request))

    async def _kill(self, request: Request) -> Any:
        await self._of(request).kill("killed")

    async def _retire(self, request: Request) -> Any:
        self._of(request).retire()

    async def _remove(self, request: Request) -> Any:
        container = self._of(request)
        if not request["force"]:
            raise HaconiwaError(f"the container {container.name} is {container.status}; stop it first, or add --force")
        container.state.remove = True
        await container.stop(0.0, "removed")

    async def _restart(self, request: Request) -> Any:
        if request["name"] in self._supervisor.containers:
            await self._of(request).restart(_seconds(request))
        else:
            await self._supervisor.start_again(request["name"])

    async def _reload(self, request: Request) -> Any:
        found = await reload(self._of(request), request["definition"], apply=bool(request["apply"]))
        return [item._asdict() for item in found]

    async def _updated(self, request: Request) -> Any:
        await self._of(request).updated()

    async def _attached(self, request: Request) -> Any:
        self._of(request).attached([str(word) for word in request["command"]])

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
        outcome = await self._of(request).firing.call(str(request["command"]), dict(request["args"]))
        if outcome.status != "returned":
            raise HaconiwaError(f"{request['command']}: {outcome.status}: {outcome.error.strip()}")
        return outcome.value

    async def _inspect(self, request: Request) -> Any:
        return self._of(request).told()

    def _of(self, request: Request) -> Supervised:
        name = request["name"]
        container = self._supervisor.containers.get(name)
        if container is None:
            raise RecordError(f"no container named {name} is supervised")
        return container


def _told(end: End) -> dict[str, Any]:
    return {"exit_status": end.exit_status, "reason": end.reason, "certainty": end.certainty}


def _end_all(members: set[Supervised]) -> None:
    for member in members:
        member.end_with_caller()


def _seconds(request: Request) -> float | None:
    timeout = request["timeout"]
    if timeout is None or (isinstance(timeout, (int, float)) and 0 <= timeout <= _MOST_SECONDS):
        return timeout
    raise HaconiwaError(f"{timeout!r} is no number of seconds")
