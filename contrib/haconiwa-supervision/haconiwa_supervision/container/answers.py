"""What the hooks of a container ask of the supervisor, and its answers; see `hooks.context.Context`."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from haconiwa_core.errors import HaconiwaError
from haconiwa_core.hooks.hook import Hook
from haconiwa_supervision.hooks.context import Executed

if TYPE_CHECKING:
    from haconiwa_supervision.container.supervised import Supervised

_STORE_LIMIT = 64 << 10
_LOG_LIMIT = 16 << 10


class Answers:
    """Answers the requests of one container's hooks, whose form has been checked."""

    def __init__(self, container: Supervised) -> None:
        self._container = container
        self._by_request: Mapping[str, Callable[[Hook, Mapping[str, Any]], Awaitable[Any]]] = {
            "definition": self._definition,
            "status": self._status,
            "update": self._update,
            "stop": self._stop,
            "restart": self._restart,
            "signal": self._signal,
            "kill": self._kill,
            "exec": self._exec,
            "log": self._log,
            "store_get": self._store_get,
            "store_set": self._store_set,
            "store_delete": self._store_delete,
            "store_keys": self._store_keys,
            "cancel": self._cancel,
        }

    async def answer(self, hook: Hook, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a hook has asked for, as {"value": ...}, or {"error": {"kind": ..., "text": ...}}."""
        try:
            return {"value": await self._by_request[request["ask"]](hook, request)}
        except (HaconiwaError, OSError, KeyError) as error:
            return {"error": {"kind": type(error).__name__, "text": str(error)}}

    async def _definition(self, _hook: Hook, _request: Mapping[str, Any]) -> Any:
        return self._container.container.to_json()

    async def _status(self, _hook: Hook, request: Mapping[str, Any]) -> Any:
        container = self._container
        feature = container.section(request["section"])
        if feature is None or not container.pid:
            return None
        plans = container.supervisor.plans

        def status() -> Mapping[str, object] | None:
            with plans.lock:
                return plans.plugins.status(feature, container.name)

        return await container.supervisor.work(status)

    async def _update(self, _hook: Hook, request: Mapping[str, Any]) -> None:
        await self._container.update(request["sections"])

    async def _stop(self, hook: Hook, request: Mapping[str, Any]) -> None:
        self._container.stop_soon(f"the hook {hook.name} has asked for it", request["timeout"])

    async def _restart(self, _hook: Hook, _request: Mapping[str, Any]) -> None:
        self._container.restart_soon()

    async def _signal(self, _hook: Hook, request: Mapping[str, Any]) -> None:
        if not self._container.life.runs:
            raise HaconiwaError(f"the container {self._container.name} is not running: it is {self._container.status}")
        self._container.life.signal(request["signal"])

    async def _kill(self, hook: Hook, _request: Mapping[str, Any]) -> None:
        await self._container.kill(f"the hook {hook.name} has asked for it")

    async def _exec(self, hook: Hook, request: Mapping[str, Any]) -> Any:
        given = request["input"]
        executed: Executed = await self._container.execute(
            request["command"],
            env=request["env"],
            workdir=request["workdir"],
            input=None if given is None else base64.b64decode(given),
            timeout=request["timeout"],
            # What is executed because something was executed would never come to an end.
            quietly=hook.event == "after_attach",
        )
        return executed.to_json()

    async def _log(self, hook: Hook, request: Mapping[str, Any]) -> None:
        values = dict(request["values"])
        if len(request["message"]) + len(json.dumps(values)) > _LOG_LIMIT:
            raise HaconiwaError(f"a message for the log may have {_LOG_LIMIT} characters")
        self._container.emit("log", level=request["level"], hook=hook.name, message=request["message"], values=values)

    async def _store_get(self, _hook: Hook, request: Mapping[str, Any]) -> Any:
        return self._container.state.store[request["key"]]

    async def _store_set(self, _hook: Hook, request: Mapping[str, Any]) -> None:
        store = self._container.state.store
        changed = {**store, request["key"]: request["value"]}
        if len(json.dumps(changed)) > _STORE_LIMIT:
            raise HaconiwaError(f"the store of a container holds {_STORE_LIMIT} bytes of JSON at most")
        store[request["key"]] = request["value"]
        self._container.note()

    async def _store_delete(self, _hook: Hook, request: Mapping[str, Any]) -> None:
        del self._container.state.store[request["key"]]
        self._container.note()

    async def _store_keys(self, _hook: Hook, _request: Mapping[str, Any]) -> list[str]:
        return list(self._container.state.store)

    async def _cancel(self, hook: Hook, _request: Mapping[str, Any]) -> None:
        self._container.firing.cancel(hook)
