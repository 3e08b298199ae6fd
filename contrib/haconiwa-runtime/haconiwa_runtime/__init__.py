"""Containers from a Python program, in the manner of the module subprocess.

The names below are imported when they are first used, so that only who awaits pays for asyncio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haconiwa_runtime.aio import AsyncRunningContainer, AsyncRuntime
    from haconiwa_runtime.library import PayloadError, Result, RunningContainer, Runtime

__all__ = ["AsyncRunningContainer", "AsyncRuntime", "PayloadError", "Result", "RunningContainer", "Runtime"]

_HOMES = {
    "AsyncRunningContainer": "aio",
    "AsyncRuntime": "aio",
    "PayloadError": "library",
    "Result": "library",
    "RunningContainer": "library",
    "Runtime": "library",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
