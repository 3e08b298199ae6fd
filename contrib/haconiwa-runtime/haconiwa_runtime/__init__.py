"""Containers from a Python program, in the manner of the module subprocess.

The names below are imported when they are first used, so that only who awaits pays for asyncio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haconiwa_runtime.aio import AsyncCreatedContainer, AsyncRunningContainer, AsyncRuntime
    from haconiwa_runtime.owned import CreatedContainer, RunningContainer
    from haconiwa_runtime.runs import PayloadError, Result
    from haconiwa_runtime.runtime import Runtime

__all__ = [
    "AsyncCreatedContainer",
    "AsyncRunningContainer",
    "AsyncRuntime",
    "CreatedContainer",
    "PayloadError",
    "Result",
    "RunningContainer",
    "Runtime",
]

_HOMES = {
    "AsyncCreatedContainer": "aio",
    "AsyncRunningContainer": "aio",
    "AsyncRuntime": "aio",
    "CreatedContainer": "owned",
    "PayloadError": "runs",
    "Result": "runs",
    "RunningContainer": "owned",
    "Runtime": "runtime",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
